//! The rules about people, on users kept in memory.

use std::time::Duration;

use mainstay::core::{Pii, RoleName, Scopes, Subject};
use mainstay_testing::ManualClock;
use uuid::Uuid;

use super::{
    super::model::USERS_WRITE,
    super::tests::{InMemory, PASSWORD, address, passwords, person},
    *,
};

fn users() -> (Users, ManualClock) {
    let clock = ManualClock::new();
    (Users::new(Arc::new(InMemory::default()), passwords(), Arc::new(clock.clone())), clock)
}

async fn registered(users: &Users, email: &str) -> User {
    users.create(person(email)).await.expect("a free address")
}

fn caller(user: &User, roles: &[RoleName]) -> Caller {
    Caller {
        subject: Subject(user.id.0),
        roles: roles.to_vec(),
        credential: Uuid::nil(),
        scopes: Scopes::All,
    }
}

fn renamed(name: &str) -> Changes {
    Changes { name: Change::Set(UserName(Pii::new(name.to_owned()))), ..Changes::default() }
}

fn aged(age: Option<u32>) -> Changes {
    Changes { age: Change::Set(age), ..Changes::default() }
}

fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

#[tokio::test]
async fn whoever_registers_is_found_and_is_no_administrator() {
    let (users, clock) = users();
    let ada = registered(&users, "Ada@example.com").await;
    assert_eq!(users.get(ada.id).await.expect("exists"), ada);
    assert_eq!((ada.role, ada.version, ada.created_at), (Role::User, Version(1), clock.now()));
    let again = users.create(person("ada@EXAMPLE.com")).await;
    assert!(matches!(again, Err(CreateError::EmailTaken)));
}

#[tokio::test]
async fn only_the_right_password_of_an_account_that_has_one_verifies() {
    let (users, _) = users();
    let ada = registered(&users, "ada@example.com").await;
    let open = NewUser { password: None, ..person("grace@example.com") };
    users.create(open).await.expect("a free address");
    for (email, password, expected) in [
        ("ADA@example.com", PASSWORD, Some(&ada)),
        ("ada@example.com", "correct horse batterz", None),
        ("grace@example.com", PASSWORD, None),
        ("nobody@example.com", PASSWORD, None),
    ] {
        let found = users.log_in(&address(email), &secret(password)).await;
        assert_eq!(found.expect("not busy").as_ref(), expected, "{email}");
    }
}

#[tokio::test]
async fn pages_show_everybody_once_while_others_register() {
    let (users, clock) = users();
    let mut expected = Vec::new();
    for number in 0..5 {
        expected.insert(0, registered(&users, &format!("{number}@example.com")).await.id);
        clock.advance(Duration::from_millis(1));
    }
    let (mut seen, mut after) = (Vec::new(), Position::START);
    loop {
        let page = users.list(Listing { after, limit: 2, email: None }).await.expect("works");
        seen.extend(page.users.iter().map(|user| user.id));
        registered(&users, &format!("late{}@example.com", seen.len())).await;
        clock.advance(Duration::from_millis(1));
        let Some(next) = page.next else { break };
        after = next;
    }
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_full_last_page_has_no_next() {
    let (users, _) = users();
    registered(&users, "ada@example.com").await;
    registered(&users, "grace@example.com").await;
    let listing = Listing { after: Position::START, limit: 2, email: None };
    let page = users.list(listing).await.expect("works");
    assert_eq!((page.users.len(), page.next), (2, None));
}

#[tokio::test]
async fn an_address_filters_the_list() {
    let (users, _) = users();
    let ada = registered(&users, "ada@example.com").await;
    registered(&users, "grace@example.com").await;
    let listing = |after, email| Listing { after, limit: 20, email: Some(address(email)) };
    let found = users.list(listing(Position::START, "ADA@example.com")).await.expect("works");
    assert_eq!(found, Listed { users: vec![ada.clone()], next: None });
    let after = users.list(listing(Position::of(&ada), "ada@example.com")).await.expect("works");
    assert_eq!(after.users, []);
}

#[tokio::test]
async fn an_empty_change_leaves_the_version_alone() {
    let (users, _) = users();
    let ada = registered(&users, "ada@example.com").await;
    let by = caller(&ada, &[]);
    for changes in [Changes::default(), renamed("Ada"), aged(None)] {
        let same = users.update(ada.id, changes, Precondition::Absent, &by).await;
        assert_eq!(same.expect("allowed"), ada);
    }
}

#[tokio::test]
async fn a_change_counts_the_version_up_and_null_clears() {
    let (users, _) = users();
    let ada = registered(&users, "ada@example.com").await;
    let by = caller(&ada, &[]);
    let older = users.update(ada.id, aged(Some(36)), Precondition::Absent, &by).await;
    let older = older.expect("allowed");
    assert_eq!((older.age, older.version), (Some(36), Version(2)));
    assert_eq!(users.get(ada.id).await.expect("exists"), older);
    let cleared = users.update(ada.id, aged(None), Precondition::OneOf(vec![2]), &by).await;
    assert_eq!(cleared.expect("allowed"), User { version: Version(3), ..ada });
}

#[tokio::test]
async fn a_condition_on_another_version_is_refused_even_for_no_change() {
    let (users, _) = users();
    let ada = registered(&users, "ada@example.com").await;
    for changes in [renamed("Augusta"), Changes::default()] {
        let condition = Precondition::OneOf(vec![2, 7]);
        let refused = users.update(ada.id, changes, condition, &caller(&ada, &[])).await;
        assert!(matches!(refused, Err(UpdateError::PreconditionFailed)), "{refused:?}");
    }
}

#[tokio::test]
async fn of_two_changes_at_once_neither_is_lost() {
    let (users, _) = users();
    let ada = registered(&users, "ada@example.com").await;
    let by = caller(&ada, &[]);
    let (name, age) = tokio::join!(
        users.update(ada.id, renamed("Augusta"), Precondition::Absent, &by),
        users.update(ada.id, aged(Some(36)), Precondition::Absent, &by),
    );
    let last = age.expect("allowed");
    assert_eq!((name.expect("allowed").version, last.version), (Version(2), Version(3)));
    assert_eq!(last.name.0.reveal(), "Augusta");
    assert_eq!(users.get(ada.id).await.expect("exists"), last);
}

#[tokio::test]
async fn of_two_changes_to_one_version_the_later_is_refused() {
    let (users, _) = users();
    let ada = registered(&users, "ada@example.com").await;
    let by = caller(&ada, &[]);
    let first = Precondition::OneOf(vec![1]);
    let (name, age) = tokio::join!(
        users.update(ada.id, renamed("Augusta"), first.clone(), &by),
        users.update(ada.id, aged(Some(36)), first, &by),
    );
    assert_eq!(name.expect("the first").version, Version(2));
    assert!(matches!(age, Err(UpdateError::PreconditionFailed)), "{age:?}");
}

#[tokio::test]
async fn only_an_administrator_in_person_changes_a_role() {
    let (users, _) = users();
    let ada = registered(&users, "ada@example.com").await;
    let promoted = || Changes { role: Change::Set(Role::Admin), ..Changes::default() };
    let own = users.update(ada.id, promoted(), Precondition::Absent, &caller(&ada, &[])).await;
    assert!(matches!(own, Err(UpdateError::Forbidden)), "{own:?}");
    let key = Caller { scopes: Scopes::Only(vec![USERS_WRITE]), ..caller(&ada, &[ADMIN]) };
    let by_key = users.update(ada.id, promoted(), Precondition::Absent, &key).await;
    assert!(matches!(by_key, Err(UpdateError::Forbidden)), "{by_key:?}");
    let by = caller(&ada, &[ADMIN]);
    let done = users.update(ada.id, promoted(), Precondition::Absent, &by).await;
    assert_eq!(done.expect("allowed").role, Role::Admin);
}

#[tokio::test]
async fn who_is_removed_is_not_found() {
    let (users, _) = users();
    let ada = registered(&users, "ada@example.com").await;
    let stale = users.delete(ada.id, Precondition::OneOf(vec![99])).await;
    assert!(matches!(stale, Err(DeleteError::PreconditionFailed)));
    users.delete(ada.id, Precondition::OneOf(vec![ada.version.0])).await.expect("exists");
    let again = users.delete(ada.id, Precondition::Absent).await;
    assert!(matches!(again, Err(DeleteError::NotFound)));
    assert!(matches!(users.get(ada.id).await, Err(LookupError::NotFound)));
    assert!(matches!(users.get_caller(ada.id).await, Err(CallerError::Removed)));
    let by = caller(&ada, &[]);
    let changed = users.update(ada.id, renamed("A"), Precondition::Absent, &by).await;
    assert!(matches!(changed, Err(UpdateError::NotFound)));
}

#[tokio::test]
async fn a_promoted_account_has_only_the_new_password() {
    let (users, _) = users();
    let stranger = registered(&users, "root@example.com").await;
    let root = NewAdmin {
        email: address("Root@example.com"),
        name: UserName(Pii::new("Root".to_owned())),
        password: secret("another long password"),
    };
    let made = users.create_admin(root).await.expect("not busy");
    assert_eq!(made, Administrator::Promoted(stranger.id));
    let email = address("root@example.com");
    let old = users.log_in(&email, &secret(PASSWORD)).await.expect("not busy");
    assert_eq!(old, None);
    let new = users.log_in(&email, &secret("another long password")).await;
    let admin = new.expect("not busy").expect("its password");
    assert_eq!((admin.role, admin.name), (Role::Admin, stranger.name));
    assert_ne!(admin.password_version, stranger.password_version);
}

#[tokio::test]
async fn an_administrator_with_a_new_address_is_created() {
    let (users, _) = users();
    let NewUser { email, name, .. } = person("root@example.com");
    let made = users.create_admin(NewAdmin { email, name, password: secret(PASSWORD) }).await;
    let Ok(Administrator::Created(id)) = made else { panic!("not created: {made:?}") };
    assert_eq!(users.get(id).await.expect("exists").role, Role::Admin);
}

#[tokio::test]
async fn a_password_that_anybody_would_guess_is_refused() {
    let (users, _) = users();
    for password in ["passwordpassword", "123456789012345", "grace@example.com", "Grace Hopper 06"]
    {
        let name = UserName(Pii::new("Grace Hopper".to_owned()));
        let password = Some(secret(password));
        let refused = users.create(NewUser { name, password, ..person("grace@example.com") }).await;
        assert!(matches!(refused, Err(CreateError::TooCommon)), "{refused:?}");
    }
}

/// Guesses once, and says how it was answered.
async fn guess(users: &Users, email: &str) -> &'static str {
    match users.log_in(&address(email), &secret("not the right one")).await {
        Ok(None) => "wrong",
        Ok(Some(_)) => "right",
        Err(VerifyError::Delayed(_)) => "delayed",
        Err(VerifyError::Locked) => "locked",
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn guessing_ends_after_a_hundred_failures_whoever_has_the_address() {
    let (users, clock) = users();
    registered(&users, "ada@example.com").await;
    for email in ["ada@example.com", "nobody@example.com"] {
        let mut wrong = 0;
        let mut waited = Duration::ZERO;
        loop {
            match guess(&users, email).await {
                "wrong" => wrong += 1,
                "delayed" => {
                    clock.advance(Duration::from_secs(1));
                    waited += Duration::from_secs(1);
                }
                ended => {
                    assert_eq!(ended, "locked", "{email}");
                    break;
                }
            }
            assert!(wrong <= Failures::MAX, "{email}");
        }
        assert_eq!(wrong, Failures::MAX, "{email}");
        assert!(waited > Duration::from_hours(17), "{waited:?} for {email}");
        let right = users.log_in(&address(email), &secret(PASSWORD)).await;
        assert!(matches!(right, Err(VerifyError::Locked)), "{right:?}");
    }
}

#[tokio::test]
async fn a_success_forgets_the_failures() {
    let (users, clock) = users();
    let ada = registered(&users, "ada@example.com").await;
    for _ in 0..3 {
        for _ in 0..Failures::FREE {
            assert_eq!(guess(&users, "ada@example.com").await, "wrong");
        }
        assert_eq!(guess(&users, "ada@example.com").await, "delayed");
        clock.advance(Failures::WAIT_MIN);
        let right = users.log_in(&ada.email, &secret(PASSWORD)).await.expect("it is looked at");
        assert_eq!(right.as_ref(), Some(&ada));
    }
}

#[tokio::test]
async fn guesses_at_the_same_time_are_no_more_than_one_after_the_other() {
    let (users, clock) = users();
    registered(&users, "ada@example.com").await;
    let mut looked_at = 0;
    for _ in 0..4 {
        let guesses = (0..64).map(|_| {
            let users = users.clone();
            tokio::spawn(async move { guess(&users, "ada@example.com").await })
        });
        for guess in guesses.collect::<Vec<_>>() {
            looked_at += u32::from(guess.await.expect("no panic") == "wrong");
        }
        clock.advance(Duration::from_mins(15));
    }
    assert_eq!(looked_at, Failures::FREE + 3, "one for each wait");
}

#[tokio::test]
async fn a_clock_that_is_set_back_locks_nobody_out() {
    let kept = Arc::new(InMemory::default());
    let (late, early) = (ManualClock::new(), ManualClock::new());
    late.advance(Duration::from_hours(24));
    let late = Users::new(kept.clone(), passwords(), Arc::new(late));
    registered(&late, "ada@example.com").await;
    for _ in 0..Failures::FREE {
        guess(&late, "ada@example.com").await;
    }
    assert_eq!(guess(&late, "ada@example.com").await, "delayed");
    let early = Users::new(kept, passwords(), Arc::new(early));
    let right = early.log_in(&address("ada@example.com"), &secret(PASSWORD)).await;
    assert!(right.expect("it is looked at").is_some());
}

#[tokio::test]
async fn another_address_does_not_set_the_count_back() {
    let (users, _) = users();
    let ada = registered(&users, "ada@example.com").await;
    for _ in 0..Failures::FREE {
        guess(&users, "ada@example.com").await;
    }
    let email = Change::Set(address("new@example.com"));
    let changes = Changes { email, ..Changes::default() };
    users.update(ada.id, changes, Precondition::Absent, &caller(&ada, &[])).await.expect("free");
    assert_eq!(guess(&users, "new@example.com").await, "delayed");
}

#[tokio::test]
async fn who_registers_an_address_does_not_inherit_the_failures_for_it() {
    let (users, _) = users();
    for _ in 0..Failures::FREE {
        guess(&users, "ada@example.com").await;
    }
    assert_eq!(guess(&users, "ada@example.com").await, "delayed");
    registered(&users, "ada@example.com").await;
    assert_eq!(guess(&users, "ada@example.com").await, "wrong");
}

fn change(current: &str, new: &str) -> PasswordChange {
    PasswordChange { current: secret(current), new: secret(new) }
}

#[tokio::test]
async fn a_password_is_replaced_by_who_knows_it() {
    let (users, _) = users();
    let ada = registered(&users, "ada@example.com").await;
    let new = "battery staple correct";
    let wrong = users.set_password(ada.id, change("not the right one", new)).await;
    assert!(matches!(wrong, Err(SetPasswordError::WrongPassword)), "{wrong:?}");
    let common = users.set_password(ada.id, change(PASSWORD, "passwordpassword")).await;
    assert!(matches!(common, Err(SetPasswordError::TooCommon)), "{common:?}");
    users.set_password(ada.id, change(PASSWORD, new)).await.expect("right");
    let old = users.log_in(&ada.email, &secret(PASSWORD)).await.expect("not busy");
    assert_eq!(old, None);
    let user = users.log_in(&ada.email, &secret(new)).await.expect("not busy").expect("new");
    assert_ne!(user.password_version, ada.password_version);
}

#[tokio::test]
async fn a_lock_of_the_log_in_does_not_keep_the_owner_from_a_new_password() {
    let (users, clock) = users();
    let ada = registered(&users, "ada@example.com").await;
    while guess(&users, "ada@example.com").await != "locked" {
        clock.advance(Duration::from_mins(15));
    }
    let new = "battery staple correct";
    users.set_password(ada.id, change(PASSWORD, new)).await.expect("another target");
    let user = users.log_in(&ada.email, &secret(new)).await.expect("unlocked");
    assert!(user.is_some());
}
