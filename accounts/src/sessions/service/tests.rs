//! The rules about sessions, on sessions kept in memory.

use std::{sync::atomic::Ordering, time::Duration};

use mainstay::core::{Pii, Precondition, RoleName, Timestamp};
use mainstay_testing::ManualClock;

use super::{
    super::tests::{InMemory, in_memory},
    *,
};
use crate::users::{Email, PASSWORD, User, admin, person};

const EMAIL: &str = "ada@example.com";

/// Somebody registered, and the service they log in to.
struct Scene {
    sessions: Sessions,
    users: Users,
    clock: ManualClock,
    kept: Arc<InMemory>,
    ada: User,
}

impl Scene {
    async fn new() -> Self {
        let (place, kept) = in_memory();
        let ada = place.users.create(person(EMAIL)).await.expect("a free address");
        let clock = place.clock.clone();
        let sessions = Sessions::new(place.sessions, place.users.clone(), Arc::new(clock.clone()));
        Self { sessions, users: place.users, clock, kept, ada }
    }

    async fn log_in(&self) -> (Session, Secret<String>) {
        let (session, token) = self.sessions.create(&with(EMAIL, PASSWORD)).await.expect("right");
        self.clock.advance(Duration::from_millis(1));
        (session, Secret::new(token.reveal().to_owned()))
    }

    fn until(&self, time: Timestamp) -> Duration {
        time.duration_since(self.clock.now()).unsigned_abs()
    }

    async fn caller(&self, token: &Secret<String>) -> Option<Caller> {
        self.sessions.authenticate(token).await.expect("the store answers")
    }
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
        let refused = scene.sessions.create(&with(email, password)).await;
        assert!(matches!(refused, Err(CreateError::InvalidCredentials)), "{refused:?}");
    }
}

#[tokio::test]
async fn a_mistyped_token_is_refused_without_asking_the_store() {
    let scene = Scene::new().await;
    let (_, token) = scene.log_in().await;
    let mistyped = format!("{}x", &token.reveal()[..52]);
    // The last digit may have been that very letter.
    let mistyped = if mistyped == *token.reveal() { mistyped.replace('x', "y") } else { mistyped };
    for text in ["", "Bearer", &mistyped] {
        assert_eq!(scene.caller(&Secret::new(text.to_owned())).await, None);
    }
    assert_eq!(scene.kept.finds.load(Ordering::Relaxed), 0);
    assert_eq!(scene.caller(&Secret::new(Token::generate().reveal().to_owned())).await, None);
    assert_eq!(scene.kept.finds.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn expired_session_is_rejected() {
    let scene = Scene::new().await;
    let (session, token) = scene.log_in().await;
    let moment = Duration::from_micros(1);
    scene.clock.advance(scene.until(session.expires_at).saturating_sub(moment));
    let caller = scene.caller(&token).await.expect("a moment is left");
    scene.clock.advance(moment);
    assert_eq!(scene.caller(&token).await, None);
    assert_eq!(scene.sessions.list(&caller).await.expect("works"), []);
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
    let root = admin(&email, &name, &Secret::new(password.to_owned())).expect("valid");
    scene.users.create_admin(root).await.expect("not busy");
    assert_eq!(scene.caller(&token).await, None);

    let (_, token) = scene.sessions.create(&with(EMAIL, password)).await.expect("right");
    let token = Secret::new(token.reveal().to_owned());
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
