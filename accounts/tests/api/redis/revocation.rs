//! What one process has taken away, every other refuses within the caches' bound.

use std::time::Duration;

use accounts::Accounts;
use mainstay_testing::{Call, Engine, FaultProxy, TestApp, TestDatabase, TestOptions};
use serde_json::json;
use tokio::{task::block_in_place, time::Instant};

use crate::support::{PASSWORD, Person, REDIS_TIMEOUT, options, text, until};

/// What is promised: later than this after a change was acknowledged nobody knows what was before.
const BOUND: Duration = Duration::from_millis(100);

/// Two processes of the service, on one database and one Redis.
struct Pair {
    here: TestApp,
    there: TestApp,
    /// Between Redis and the second.
    proxy: FaultProxy,
}

impl Pair {
    async fn start() -> Self {
        let database = block_in_place(|| TestDatabase::on(Engine::Postgres));
        let redis = block_in_place(|| database.redis().expect("beside a server").url());
        let proxy = FaultProxy::in_front_of(&redis);
        let url = database.url().to_owned();
        let at = |redis: &str| -> TestOptions {
            let options = options().with(REDIS_TIMEOUT.0, REDIS_TIMEOUT.1);
            options.with("DATABASE_URL", &url).with("REDIS_URL", redis)
        };
        let here = TestApp::start_with::<Accounts>(at(&redis).at(database)).await;
        let there = TestApp::start_with::<Accounts>(at(&proxy.url())).await;
        let pair = Self { here, there, proxy };
        pair.are_caching().await;
        pair
    }

    /// Returns when both serve from their caches.
    async fn are_caching(&self) {
        for app in self.both() {
            let caches = &app.instance().resources().caches;
            let is_caching = async || caches.state().is_trusted.then_some(());
            until("the caches are in use", is_caching).await;
        }
    }

    fn both(&self) -> [&TestApp; 2] {
        [&self.here, &self.there]
    }

    /// Makes both know what a token is good for.
    async fn is_known(&self, token: &str) {
        for app in self.both() {
            for _ in 0..3 {
                assert_eq!(me(app, token).await, 200);
            }
        }
    }
}

async fn me(app: &TestApp, token: &str) -> u16 {
    app.get("/me").bearer(token).send().await.status.as_u16()
}

/// Makes a change, and returns when the bound after its acknowledgement is over.
async fn change(call: Call, status: u16) {
    let reply = call.send().await;
    let acknowledged = Instant::now();
    assert_eq!(reply.status.as_u16(), status, "{reply:?}");
    tokio::time::sleep_until(acknowledged + BOUND).await;
}

/// A way to end a session, whose id is told.
type End = fn(&TestApp, &str) -> Call;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_ends_here_is_over_there() {
    let pair = Pair::start().await;
    let ada = Person::join(&pair.here, "ada").await;
    let here = &pair.here;
    let ends: [(&str, End); 3] = [
        ("log-out", |app, _| app.delete("/sessions/current")),
        ("one of them", |app, id| app.delete(&format!("/sessions/{id}"))),
        ("everywhere", |app, _| app.delete("/sessions")),
    ];
    for (case, end) in ends {
        let token = ada.another_token(here).await;
        pair.is_known(&token).await;
        change(end(here, &session(here, &token).await).bearer(&token), 204).await;
        for app in pair.both() {
            assert_eq!(me(app, &token).await, 401, "{case}");
        }
    }
}

/// The id of the session that a token is of.
async fn session(app: &TestApp, token: &str) -> String {
    let listed = app.get("/sessions").bearer(token).send().await.json();
    let mut sessions = listed["items"].as_array().expect("a list").iter();
    text(&sessions.find(|session| session["current"] == true).expect("it is there")["id"])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_is_changed_here_ends_sessions_there() {
    let pair = Pair::start().await;
    let ada = Person::join(&pair.here, "ada").await;
    let other = ada.another_token(&pair.there).await;
    for token in [&ada.token, &other] {
        pair.is_known(token).await;
    }
    let body = json!({ "current": PASSWORD, "new": format!("{PASSWORD} again") });
    change(pair.here.post("/me/password").bearer(&ada.token).json(&body), 204).await;
    for app in pair.both() {
        assert_eq!(me(app, &other).await, 401);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_is_removed_here_opens_nothing_there() {
    let pair = Pair::start().await;
    let ada = Person::join(&pair.here, "ada").await;
    pair.is_known(&ada.token).await;
    change(pair.here.delete(&ada.path()).bearer(&ada.token), 204).await;
    for app in pair.both() {
        assert_eq!(me(app, &ada.token).await, 401);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_is_taken_here_opens_nothing_there() {
    let pair = Pair::start().await;
    let root = Person::join_as_admin(&pair.here, "root").await;
    let ada = Person::join_as_admin(&pair.here, "ada").await;
    let list = |app: &TestApp| app.get("/users").bearer(&ada.token).send();
    for app in pair.both() {
        assert_eq!(list(app).await.status, 200);
    }
    let demote = json!({ "role": "user" });
    change(pair.here.patch(&ada.path()).bearer(&root.token).json(&demote), 200).await;
    for app in pair.both() {
        assert_eq!(list(app).await.status, 403);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_hears_nothing_more_believes_nothing_more() {
    let pair = Pair::start().await;
    let ada = Person::join(&pair.here, "ada").await;
    for cut in [FaultProxy::black_hole, FaultProxy::black_hole_answers, FaultProxy::refuse] {
        let token = ada.another_token(&pair.here).await;
        pair.is_known(&token).await;
        block_in_place(|| cut(&pair.proxy));
        change(pair.here.delete("/sessions/current").bearer(&token), 204).await;
        for app in pair.both() {
            assert_eq!(me(app, &token).await, 401);
        }
        block_in_place(|| pair.proxy.pass());
        pair.are_caching().await;
        let again = ada.another_token(&pair.there).await;
        pair.is_known(&again).await;
    }
}
