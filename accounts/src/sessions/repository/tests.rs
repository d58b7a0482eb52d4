//! What every repository of sessions has to do, in memory and on a database.

use std::time::Duration;

use mainstay::{
    core::{Clock, Precondition, Timestamp},
    tokens::Token,
};

use super::{
    super::tests::{Place, TIMEOUTS, on_each},
    *,
};
use crate::users::User;

fn session_of(user: &User, now: Timestamp) -> Session {
    Session::new(user, "curl".to_owned(), now, TIMEOUTS)
}

impl Place {
    async fn log_in(&self, user: &User) -> (Session, TokenHash) {
        let session = session_of(user, self.clock.now());
        let token = Token::generate().hash();
        self.kept.create(&session, token).await.expect("the user exists");
        self.clock.advance(Duration::from_millis(1));
        (session, token)
    }

    async fn sessions_of(&self, user: &User) -> Vec<Session> {
        self.kept.list(user.id).await.expect("works")
    }
}

#[tokio::test]
async fn a_session_is_found_by_its_token_only() {
    on_each(async |place| {
        let ada = place.register("ada@example.com").await;
        let (session, token) = place.log_in(&ada).await;
        assert_eq!(place.kept.find(token).await.expect("works"), Some(Arc::new(session)));
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
        let (first, _) = place.log_in(&ada).await;
        place.log_in(&grace).await;
        let (last, _) = place.log_in(&ada).await;
        assert_eq!(place.sessions_of(&ada).await, [last, first]);
    })
    .await;
}

#[tokio::test]
async fn only_ones_own_session_can_be_ended() {
    on_each(async |place| {
        let ada = place.register("ada@example.com").await;
        let grace = place.register("grace@example.com").await;
        let (session, token) = place.log_in(&ada).await;
        assert!(!place.kept.delete(session.id, grace.id).await.expect("works"));
        assert!(place.kept.delete(session.id, ada.id).await.expect("works"));
        assert!(!place.kept.delete(session.id, ada.id).await.expect("works"));
        assert_eq!(place.kept.find(token).await.expect("works"), None);
    })
    .await;
}

#[tokio::test]
async fn ending_all_sessions_ends_nobody_elses() {
    on_each(async |place| {
        let ada = place.register("ada@example.com").await;
        let grace = place.register("grace@example.com").await;
        for user in [&ada, &ada, &grace] {
            place.log_in(user).await;
        }
        place.kept.delete_all(ada.id).await.expect("works");
        assert_eq!(place.sessions_of(&ada).await, []);
        assert_eq!(place.sessions_of(&grace).await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_session_ends_by_its_token_or_with_all_but_one() {
    on_each(async |place| {
        let ada = place.register("ada@example.com").await;
        let grace = place.register("grace@example.com").await;
        let (kept, _) = place.log_in(&ada).await;
        let (other, _) = place.log_in(&ada).await;
        let (_, token) = place.log_in(&ada).await;
        place.log_in(&grace).await;
        place.kept.delete_by_token(token).await.expect("works");
        assert_eq!(place.sessions_of(&ada).await, [other, kept.clone()]);
        place.kept.delete_others(kept.id, ada.id).await.expect("works");
        assert_eq!(place.sessions_of(&ada).await, [kept]);
        assert_eq!(place.sessions_of(&grace).await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn sessions_end_with_their_user() {
    on_each(async |place| {
        let ada = place.register("ada@example.com").await;
        let (_, token) = place.log_in(&ada).await;
        place.users.delete(ada.id, Precondition::Absent).await.expect("exists");
        assert_eq!(place.kept.find(token).await.expect("works"), None);
    })
    .await;
}

#[tokio::test]
async fn a_user_removed_during_log_in_gets_no_session() {
    on_each(async |place| {
        let ada = place.register("ada@example.com").await;
        place.users.delete(ada.id, Precondition::Absent).await.expect("exists");
        let session = session_of(&ada, place.clock.now());
        let refused = place.kept.create(&session, Token::generate().hash()).await;
        assert!(matches!(refused, Err(CreateError::InvalidCredentials)), "{refused:?}");
    })
    .await;
}

#[tokio::test]
async fn expired_sessions_and_those_of_an_earlier_password_make_room() {
    on_each(async |place| {
        let ada = place.register("ada@example.com").await;
        let grace = place.register("grace@example.com").await;
        place.log_in(&ada).await;
        place.log_in(&grace).await;
        place.clock.advance(TIMEOUTS.lifetime);
        place.log_in(&ada).await;
        let present = User { password_version: PasswordVersion(7), ..ada.clone() };
        let (good, _) = place.log_in(&present).await;
        let (graces, _) = place.log_in(&grace).await;
        place.kept.make_room(&good).await.expect("works");
        assert_eq!(place.sessions_of(&ada).await, [good]);
        assert_eq!(place.sessions_of(&grace).await, [graces], "everybody's that have expired");
    })
    .await;
}

#[tokio::test]
async fn the_oldest_sessions_beyond_the_most_make_room() {
    on_each(async |place| {
        let ada = place.register("ada@example.com").await;
        let mut newest = Vec::new();
        for _ in 0..=SESSIONS_MAX {
            newest.insert(0, place.log_in(&ada).await.0);
        }
        place.kept.make_room(&newest[0]).await.expect("works");
        newest.truncate(SESSIONS_MAX as usize);
        assert_eq!(place.sessions_of(&ada).await, newest);
    })
    .await;
}
