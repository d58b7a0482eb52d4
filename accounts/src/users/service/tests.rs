//! The rules about people, on users kept in memory.

use std::time::Duration;

use mainstay::core::{Pii, RoleName, Subject};
use mainstay_testing::ManualClock;
use uuid::Uuid;

use super::{
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
    Caller { subject: Subject(user.id.0), roles: roles.to_vec(), credential: Uuid::nil() }
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
        let found = users.verify_password(&address(email), &secret(password)).await;
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
async fn only_an_administrator_changes_a_role() {
    let (users, _) = users();
    let ada = registered(&users, "ada@example.com").await;
    let promoted = || Changes { role: Change::Set(Role::Admin), ..Changes::default() };
    let own = users.update(ada.id, promoted(), Precondition::Absent, &caller(&ada, &[])).await;
    assert!(matches!(own, Err(UpdateError::Forbidden)), "{own:?}");
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
    let old = users.verify_password(&email, &secret(PASSWORD)).await.expect("not busy");
    assert_eq!(old, None);
    let new = users.verify_password(&email, &secret("another long password")).await;
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
