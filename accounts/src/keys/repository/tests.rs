//! What every repository of keys has to do, in memory and on a database.

use std::time::Duration;

use mainstay::{
    core::{Clock, Precondition},
    tokens::Token,
};

use super::{
    super::{
        model::NewKey,
        tests::{Place, on_each, wanted},
    },
    *,
};
use crate::users::User;

impl Place {
    async fn add(&self, user: &User, new: NewKey) -> (Key, TokenHash) {
        let (key, token) = (Key::new(new, user, self.clock.now()), Token::generate().hash());
        self.kept.create(&key, token).await.expect("there is room");
        self.clock.advance(Duration::from_millis(1));
        (key, token)
    }

    async fn keys_of(&self, user: &User) -> Vec<Key> {
        self.kept.list(user.id).await.expect("works")
    }
}

#[tokio::test]
async fn a_key_comes_back_as_it_was_by_its_token_only() {
    on_each(async |place| {
        let ada = place.register("ada@example.com").await;
        for scopes in [&Scope::ALL[..], &Scope::ALL[..1]] {
            let (key, token) = place.add(&ada, wanted(scopes)).await;
            assert_eq!(place.kept.find(token).await.expect("works"), Some(Arc::new(key)));
        }
        let other = Token::generate().hash();
        assert_eq!(place.kept.find(other).await.expect("works"), None);
    })
    .await;
}

#[tokio::test]
async fn a_list_is_one_users_and_newest_first() {
    on_each(async |place| {
        let ada = place.register("ada@example.com").await;
        let grace = place.register("grace@example.com").await;
        let (first, _) = place.add(&ada, wanted(&Scope::ALL)).await;
        place.add(&grace, wanted(&Scope::ALL)).await;
        let (last, _) = place.add(&ada, wanted(&Scope::ALL)).await;
        assert_eq!(place.keys_of(&ada).await, [last, first]);
    })
    .await;
}

#[tokio::test]
async fn a_key_is_removed_for_its_owner_or_whoever_may_remove_any() {
    on_each(async |place| {
        let ada = place.register("ada@example.com").await;
        let grace = place.register("grace@example.com").await;
        for owner in [Some(ada.id), None] {
            let (key, token) = place.add(&ada, wanted(&Scope::ALL)).await;
            for (user, expected) in [(Some(grace.id), None), (owner, Some(ada.id)), (owner, None)] {
                assert_eq!(place.kept.delete(key.id, user).await.expect("works"), expected);
            }
            assert_eq!(place.kept.find(token).await.expect("works"), None);
        }
    })
    .await;
}

#[tokio::test]
async fn keys_end_with_their_user_and_none_is_made_without() {
    on_each(async |place| {
        let ada = place.register("ada@example.com").await;
        let (_, token) = place.add(&ada, wanted(&Scope::ALL)).await;
        place.users.delete(ada.id, Precondition::Absent).await.expect("exists");
        assert_eq!(place.kept.find(token).await.expect("works"), None);
        let key = Key::new(wanted(&Scope::ALL), &ada, place.clock.now());
        let refused = place.kept.create(&key, Token::generate().hash()).await;
        assert!(matches!(refused, Err(CreateError::UserNotFound)), "{refused:?}");
    })
    .await;
}

#[tokio::test]
async fn an_account_has_so_many_good_keys_and_no_more() {
    on_each(async |place| {
        let ada = place.register("ada@example.com").await;
        for _ in 0..KEYS_MAX {
            place.add(&ada, wanted(&Scope::ALL)).await;
        }
        let key = Key::new(wanted(&Scope::ALL), &ada, place.clock.now());
        let refused = place.kept.create(&key, Token::generate().hash()).await;
        assert!(matches!(refused, Err(CreateError::TooMany)), "{refused:?}");
        // Those that are no longer good leave room.
        place.clock.advance(Duration::from_hours(240));
        let (next, _) = place.add(&ada, wanted(&Scope::ALL)).await;
        assert_eq!(place.keys_of(&ada).await, [next]);
        let present = User { password_version: PasswordVersion(7), ..ada.clone() };
        let (next, _) = place.add(&present, wanted(&Scope::ALL)).await;
        assert_eq!(place.keys_of(&ada).await, [next]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_at_a_time_one_gets_the_last_place() {
    on_each(async |place| {
        let ada = place.register("ada@example.com").await;
        for _ in 1..KEYS_MAX {
            place.add(&ada, wanted(&Scope::ALL)).await;
        }
        let now = place.clock.now();
        // In the first rounds connections are opened, and nobody meets.
        for _ in 0..10 {
            let attempt = || {
                let (keys, ada) = (place.kept.clone(), ada.clone());
                tokio::spawn(async move {
                    let key = Key::new(wanted(&Scope::ALL), &ada, now);
                    keys.create(&key, Token::generate().hash()).await
                })
            };
            for attempt in [(); 4].map(|()| attempt()) {
                let outcome = attempt.await.expect("no panic");
                assert!(matches!(outcome, Ok(()) | Err(CreateError::TooMany)), "{outcome:?}");
            }
            let kept = place.keys_of(&ada).await;
            assert_eq!(kept.len(), KEYS_MAX as usize);
            let removed = place.kept.delete(kept[0].id, None).await;
            assert_eq!(removed.expect("works"), Some(ada.id));
        }
    })
    .await;
}
