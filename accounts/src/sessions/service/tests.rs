//! The rules about sessions, on sessions kept in memory.

use std::time::Duration;

use mainstay::core::{Pii, Precondition, RoleName, Secret, Timestamp};
use mainstay_testing::ManualClock;

use super::{
    super::tests::{TIMEOUTS, in_memory},
    *,
};
use crate::{
    config::PasswordLength,
    users::{Email, PASSWORD, User, admin, person},
};

const EMAIL: &str = "ada@example.com";

/// Somebody registered, and the service they log in to.
struct Scene {
    sessions: Sessions,
    users: Users,
    clock: ManualClock,
    ada: User,
}

impl Scene {
    async fn new() -> Self {
        let place = in_memory();
        let ada = place.users.create(person(EMAIL)).await.expect("a free address");
        let clock = place.clock.clone();
        let shared = Arc::new(clock.clone());
        let sessions = Sessions::new(place.kept, place.users.clone(), shared, TIMEOUTS);
        Self { sessions, users: place.users, clock, ada }
    }

    async fn log_in(&self) -> (Session, Token) {
        let (session, token) =
            self.sessions.create(&with(EMAIL, PASSWORD), anywhere()).await.expect("right");
        self.clock.advance(Duration::from_millis(1));
        (session, token)
    }

    fn until(&self, time: Timestamp) -> Duration {
        time.duration_since(self.clock.now()).unsigned_abs()
    }

    async fn caller(&self, token: &Token) -> Option<Caller> {
        match self.sessions.authenticate(token.hash()).await.expect("the store answers") {
            Found::Caller(caller) => Some(caller),
            Found::Nothing | Found::Over => None,
        }
    }
}

fn anywhere() -> Origin {
    Origin { device: "curl".to_owned(), presented: None }
}

fn with(email: &str, password: &str) -> Credentials {
    Credentials {
        email: Email(Pii::new(email.to_owned())),
        password: Secret::new(password.to_owned()),
    }
}

#[tokio::test]
async fn a_token_stands_for_who_logged_in() {
    let scene = Scene::new().await;
    let (session, token) = scene.log_in().await;
    let caller = scene.caller(&token).await.expect("signed in");
    assert_eq!(caller.subject, scene.ada.id.into());
    assert_eq!((caller.roles.as_slice(), caller.credential), ([].as_slice(), session.id.0));
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_account_are_told_the_same() {
    let scene = Scene::new().await;
    for (email, password) in [(EMAIL, "incorrect horse"), ("nobody@example.com", PASSWORD)] {
        let refused = scene.sessions.create(&with(email, password), anywhere()).await;
        assert!(matches!(refused, Err(CreateError::InvalidCredentials)), "{refused:?}");
    }
}

#[tokio::test]
async fn expired_session_is_rejected() {
    let scene = Scene::new().await;
    let (session, token) = scene.log_in().await;
    let caller = scene.caller(&token).await.expect("signed in");
    let moment = Duration::from_micros(1);
    // It is used all the time.
    while scene.until(session.expires_at) > Duration::from_mins(20) {
        scene.clock.advance(Duration::from_mins(20));
        assert!(scene.caller(&token).await.is_some());
    }
    scene.clock.advance(scene.until(session.expires_at).saturating_sub(moment));
    assert!(scene.caller(&token).await.is_some(), "a moment is left");
    scene.clock.advance(moment);
    assert_eq!(scene.caller(&token).await, None);
    assert_eq!(scene.sessions.list(&caller).await.expect("works"), []);
}

#[tokio::test]
async fn a_session_that_nobody_uses_is_over() {
    let scene = Scene::new().await;
    let (session, token) = scene.log_in().await;
    let moment = Duration::from_micros(1);
    let idle = session.created_at + TIMEOUTS.idle;
    scene.clock.advance(scene.until(idle).saturating_sub(moment));
    let caller = scene.caller(&token).await.expect("a moment is left");
    assert_eq!(scene.sessions.list(&caller).await.expect("works").len(), 1);
    // Used, so from here on it is idle anew.
    scene.clock.advance(TIMEOUTS.idle.saturating_sub(moment));
    assert!(scene.caller(&token).await.is_some());
    scene.clock.advance(TIMEOUTS.idle);
    assert_eq!(scene.caller(&token).await, None);
    assert_eq!(scene.sessions.list(&caller).await.expect("works"), []);
}

#[tokio::test]
async fn the_last_use_is_noted_once_a_minute() {
    let scene = Scene::new().await;
    let (session, token) = scene.log_in().await;
    let noted = async || {
        let caller = scene.caller(&token).await.expect("signed in");
        scene.sessions.list(&caller).await.expect("works")[0].last_used_at
    };
    scene.clock.advance(Duration::from_secs(58));
    assert_eq!(noted().await, session.created_at);
    scene.clock.advance(Duration::from_secs(2));
    assert_eq!(noted().await, scene.clock.now());
}

#[tokio::test]
async fn a_log_in_ends_the_session_it_comes_with() {
    let scene = Scene::new().await;
    let (_, earlier) = scene.log_in().await;
    let (_, other) = scene.log_in().await;
    let presented = Some(Secret::new(earlier.reveal().to_owned()));
    let origin = Origin { presented, ..anywhere() };
    let (session, token) =
        scene.sessions.create(&with(EMAIL, PASSWORD), origin).await.expect("right");
    assert_eq!(scene.caller(&earlier).await, None);
    assert!(scene.caller(&other).await.is_some());
    assert_eq!(scene.caller(&token).await.expect("signed in").credential, session.id.0);
    let origin = Origin { presented: Some(Secret::new("nonsense".to_owned())), ..anywhere() };
    scene.sessions.create(&with(EMAIL, PASSWORD), origin).await.expect("it is no token");
}

#[tokio::test]
async fn all_others_end_and_this_one_goes_on() {
    let scene = Scene::new().await;
    let (_, first) = scene.log_in().await;
    let (_, second) = scene.log_in().await;
    let caller = scene.caller(&first).await.expect("signed in");
    scene.sessions.delete_others(&caller).await.expect("works");
    assert!(scene.caller(&first).await.is_some());
    assert_eq!(scene.caller(&second).await, None);
}

#[tokio::test]
async fn removing_an_account_ends_its_sessions() {
    let scene = Scene::new().await;
    let (_, token) = scene.log_in().await;
    scene.users.delete(scene.ada.id, Precondition::Absent).await.expect("exists");
    assert_eq!(scene.caller(&token).await, None);
}

#[tokio::test]
async fn a_new_password_ends_the_sessions_of_the_old_one() {
    let scene = Scene::new().await;
    let (_, token) = scene.log_in().await;
    let [email, name] = [EMAIL, "Root"].map(|text| Pii::new(text.to_owned()));
    let password = "another long password";
    let secret = Secret::new(password.to_owned());
    let root = admin(&email, &name, &secret, PasswordLength::SoleFactor).expect("valid");
    scene.users.create_admin(root).await.expect("not busy");
    assert_eq!(scene.caller(&token).await, None);

    let (_, token) =
        scene.sessions.create(&with(EMAIL, password), anywhere()).await.expect("right");
    let caller = scene.caller(&token).await.expect("signed in");
    assert_eq!(caller.roles, [RoleName("admin")]);
    assert_eq!(scene.sessions.list(&caller).await.expect("works").len(), 1);
}

#[tokio::test]
async fn one_session_ends_and_the_others_go_on() {
    let scene = Scene::new().await;
    let (_, mine) = scene.log_in().await;
    let (other, others) = scene.log_in().await;
    let caller = scene.caller(&mine).await.expect("signed in");
    scene.sessions.delete(other.id, &caller).await.expect("the caller's");
    assert_eq!(scene.caller(&others).await, None);
    let again = scene.sessions.delete(other.id, &caller).await;
    assert!(matches!(again, Err(DeleteError::NotFound)));

    scene.sessions.delete_current(&caller).await.expect("works");
    assert_eq!(scene.caller(&mine).await, None);
    scene.sessions.delete_current(&caller).await.expect("as good");
}

#[tokio::test]
async fn nobody_ends_a_session_of_somebody_else() {
    let scene = Scene::new().await;
    let (session, token) = scene.log_in().await;
    let mut stranger = scene.caller(&token).await.expect("signed in");
    let grace = scene.users.create(person("grace@example.com")).await.expect("a free address");
    stranger.subject = grace.id.into();
    let refused = scene.sessions.delete(session.id, &stranger).await;
    assert!(matches!(refused, Err(DeleteError::NotFound)));
    scene.sessions.delete_all(&stranger).await.expect("works");
    assert!(scene.caller(&token).await.is_some());
}

#[tokio::test]
async fn logging_out_everywhere_ends_every_session() {
    let scene = Scene::new().await;
    let (_, mine) = scene.log_in().await;
    let (_, others) = scene.log_in().await;
    let caller = scene.caller(&mine).await.expect("signed in");
    assert_eq!(scene.sessions.list(&caller).await.expect("works").len(), 2);
    scene.sessions.delete_all(&caller).await.expect("works");
    for token in [mine, others] {
        assert_eq!(scene.caller(&token).await, None);
    }
}
