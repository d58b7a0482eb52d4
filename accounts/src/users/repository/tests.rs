//! What every repository of users has to do, in memory and on a database.

use mainstay::{
    core::{Pii, Secret, Timestamp},
    passwords::Passwords,
};
use uuid::Uuid;

use super::{
    super::tests::{InMemory, address, passwords},
    *,
};
use crate::test_database::open_database;

/// Holds each kind of repository against the same property.
async fn on_each(property: impl AsyncFn(&dyn Repository)) {
    property(&InMemory::default()).await;
    let (_place, database) = open_database().await;
    property(&*sql(database)).await;
}

/// A user who registered so many seconds after the start of time; `id` decides among equals.
fn user(email: &str, seconds: i64, id: u128) -> User {
    User {
        id: UserId(Uuid::from_u128(id)),
        email: address(email),
        name: UserName(Pii::new("Ada".to_owned())),
        age: Some(36),
        role: Role::User,
        version: Version::FIRST,
        password_version: PasswordVersion::FIRST,
        created_at: Timestamp::from_second(seconds).expect("a time"),
    }
}

async fn hash(passwords: &Passwords, password: &str) -> PasswordHash {
    passwords.hash(&Secret::new(password.to_owned())).await.expect("not busy")
}

#[tokio::test]
async fn what_is_kept_comes_back_as_it_was() {
    let hash = hash(&passwords(), "correct horse battery").await;
    on_each(async |users| {
        let ada = user("Ada@Example.com", 1, 1);
        users.create(&ada, Some(&hash)).await.expect("new");
        assert_eq!(users.find(ada.id).await.expect("works"), Some(ada.clone()));
        let account = users.find_by_email(&address("aDA@example.COM")).await.expect("works");
        assert_eq!(account, Some(Account { user: ada, password: Some(hash.clone()) }));

        let grace = User { age: None, ..user("grace@example.com", 2, 2) };
        users.create(&grace, None).await.expect("new");
        let account = users.find_by_email(&grace.email).await.expect("works");
        assert_eq!(account, Some(Account { user: grace, password: None }));
        assert_eq!(users.find(UserId(Uuid::from_u128(3))).await.expect("works"), None);
    })
    .await;
}

#[tokio::test]
async fn addresses_that_differ_in_case_are_one() {
    on_each(async |users| {
        users.create(&user("ada@example.com", 1, 1), None).await.expect("new");
        let again = users.create(&user("ADA@example.com", 2, 2), None).await;
        assert!(matches!(again, Err(CreateError::EmailTaken)), "{again:?}");

        users.create(&user("grace@example.com", 3, 3), None).await.expect("new");
        let moved = users.update(&user("Ada@Example.com", 3, 3)).await;
        assert!(matches!(moved, Err(UpdateError::EmailTaken)), "{moved:?}");
    })
    .await;
}

#[tokio::test]
async fn a_user_of_another_version_is_not_written() {
    on_each(async |users| {
        let ada = user("ada@example.com", 1, 1);
        users.create(&ada, None).await.expect("new");
        let changed = User { age: None, role: Role::Admin, ..ada.clone() };
        assert!(users.update(&changed).await.expect("works"));
        assert!(!users.update(&ada).await.expect("works"), "its version is over");
        let kept = users.find(ada.id).await.expect("works");
        assert_eq!(kept, Some(User { version: Version(2), ..changed }));
        let nobody = user("grace@example.com", 2, 2);
        assert!(!users.update(&nobody).await.expect("works"));
    })
    .await;
}

#[tokio::test]
async fn the_list_is_newest_first_and_ids_decide_between_equals() {
    on_each(async |users| {
        for (email, seconds, id) in [("a@x.io", 1, 9), ("b@x.io", 2, 1), ("c@x.io", 2, 2)] {
            users.create(&user(email, seconds, id), None).await.expect("new");
        }
        let ids = |users: Vec<User>| -> Vec<u128> {
            users.iter().map(|user| user.id.0.as_u128()).collect()
        };
        let all = users.list(Position::START, 10).await.expect("works");
        assert_eq!(ids(all.clone()), [2, 1, 9]);
        assert_eq!(ids(users.list(Position::START, 2).await.expect("works")), [2, 1]);
        let rest = users.list(Position::of(&all[0]), 10).await.expect("works");
        assert_eq!(ids(rest), [1, 9]);
        let none = users.list(Position::of(&all[2]), 10).await.expect("works");
        assert_eq!(ids(none), []);
    })
    .await;
}

#[tokio::test]
async fn a_removed_user_is_gone_and_the_address_is_free() {
    on_each(async |users| {
        let ada = user("ada@example.com", 1, 1);
        users.create(&ada, None).await.expect("new");
        assert!(!users.delete(ada.id, ada.version.next()).await.expect("works"));
        assert!(users.delete(ada.id, ada.version).await.expect("works"));
        assert!(!users.delete(ada.id, ada.version).await.expect("works"));
        assert_eq!(users.find(ada.id).await.expect("works"), None);
        users.create(&user("ada@example.com", 2, 2), None).await.expect("free again");
    })
    .await;
}

#[tokio::test]
async fn an_administrator_with_a_known_address_is_promoted() {
    let passwords = passwords();
    let (old, new) = (hash(&passwords, "old").await, hash(&passwords, "new").await);
    on_each(async |users| {
        let root = User { role: Role::Admin, ..user("root@example.com", 1, 1) };
        assert_eq!(users.create_admin(&root, &new).await.expect("works"), root);

        let ada = user("ada@example.com", 2, 2);
        users.create(&ada, Some(&old)).await.expect("new");
        let again = User { role: Role::Admin, ..user("ADA@example.com", 3, 3) };
        let promoted = users.create_admin(&again, &new).await.expect("works");
        let expected = User {
            role: Role::Admin,
            version: Version(2),
            password_version: PasswordVersion(2),
            ..ada
        };
        assert_eq!(promoted, expected);
        let account = users.find_by_email(&promoted.email).await.expect("works");
        assert_eq!(account, Some(Account { user: promoted, password: Some(new.clone()) }));
    })
    .await;
}

#[tokio::test]
async fn a_password_is_replaced_only_in_the_version_that_is_named() {
    let passwords = passwords();
    let [first, second] =
        [hash(&passwords, "correct horse battery").await, hash(&passwords, "another one").await];
    on_each(async |users| {
        let ada = user("ada@example.com", 1, 1);
        users.create(&ada, Some(&first)).await.expect("new");
        assert!(users.set_password(&ada, &second).await.expect("works"));
        assert!(!users.set_password(&ada, &first).await.expect("works"), "of the version before");
        users.rehash(&ada, &first).await.expect("works, and changes nothing");
        let account = users.find_by_email(&ada.email).await.expect("works").expect("exists");
        assert_eq!(account.password, Some(second.clone()));
        assert_eq!(account.user.password_version.0, ada.password_version.0 + 1);
        assert_eq!(account.user.version, ada.version.next());
        users.rehash(&account.user, &first).await.expect("works");
        let account = users.find_by_email(&ada.email).await.expect("works").expect("exists");
        assert_eq!((account.password, account.user.version), (Some(first.clone()), Version(2)));
    })
    .await;
}

#[tokio::test]
async fn an_attempt_is_counted_once_and_can_be_taken_back() {
    let at = |second| Timestamp::from_second(second).expect("a time");
    let failures = |count, second| Failures { count, last_at: at(second) };
    on_each(async |users| {
        let target = TargetKey([1; 32]);
        let kept = async || users.find_failures(target).await.expect("works");
        let attempt_at = async |before: Option<Failures>, second| {
            let counted = Failures::and_one(before, at(second));
            let attempt = Attempt { target, before, counted };
            (users.begin_attempt(attempt).await.expect("works"), attempt)
        };
        assert_eq!(kept().await, None);
        let (began, first) = attempt_at(None, 100).await;
        assert!(began);
        assert!(!attempt_at(None, 100).await.0, "another was counted since it was judged");
        let (began, second) = attempt_at(Some(failures(1, 100)), 110).await;
        assert!(began);
        assert!(!attempt_at(Some(failures(1, 100)), 111).await.0);
        assert_eq!(kept().await, Some(failures(2, 110)));

        users.undo_attempt(first).await.expect("works");
        assert_eq!(kept().await, Some(failures(1, 110)), "the later one's time stays");
        users.undo_attempt(second).await.expect("works");
        assert_eq!(kept().await, None);
    })
    .await;
}

#[tokio::test]
async fn failures_are_forgotten_by_target_or_by_age() {
    let at = |second| Timestamp::from_second(second).expect("a time");
    on_each(async |users| {
        let targets = [1, 2, 3].map(|byte| TargetKey([byte; 32]));
        for (target, second) in targets.into_iter().zip([100, 200, 300]) {
            let counted = Failures::and_one(None, at(second));
            let attempt = Attempt { target, before: None, counted };
            assert!(users.begin_attempt(attempt).await.expect("works"));
        }
        users.prune_failures(at(150)).await.expect("works");
        users.forget_failures(&targets[..2]).await.expect("works");
        for (target, is_kept) in targets.into_iter().zip([false, false, true]) {
            let kept = users.find_failures(target).await.expect("works");
            assert_eq!(kept.is_some(), is_kept);
        }
    })
    .await;
}
