//! What the tests share: a service, people in it, and waiting for what is to come.

use std::time::Duration;

use accounts::Accounts;
use mainstay::{
    passwords::{PasswordCost, PasswordOptions},
    store::params,
};
use mainstay_testing::{Call, Reply, TestApp, TestOptions};
use serde_json::{Value, json};
use uuid::Uuid;

/// The password of everybody whom [`Person::join`] registers.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// An id that nobody has.
pub(crate) const UNKNOWN_ID: &str = "01890000-0000-7000-8000-000000000000";

/// The service as in production, but for hashes that cost nothing and limits that nobody reaches.
pub(crate) async fn start() -> TestApp {
    TestApp::start_with::<Accounts>(options()).await
}

/// The options of [`start`], for tests that change more.
pub(crate) fn options() -> TestOptions {
    cheap().with("MAINSTAY_LIMITS__MULTIPLIER", "10000")
}

/// The same with the limits of production, counted in this process: they go by the clock that a
/// test moves.
pub(crate) fn limited() -> TestOptions {
    cheap().with("REDIS_URL", "")
}

fn cheap() -> TestOptions {
    let cheap = PasswordOptions { cost: PasswordCost::LEAST, ..PasswordOptions::default() };
    TestOptions::new().with_passwords(cheap)
}

/// Somebody who is registered and signed in.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) id: String,
    pub(crate) email: String,
    pub(crate) token: String,
}

impl Person {
    /// Registers a user called `name` and logs them in.
    pub(crate) async fn join(app: &TestApp, name: &str) -> Self {
        let email = format!("{name}@example.com");
        let body = json!({ "email": email, "name": name, "password": PASSWORD });
        let id = text(&register(app, &body).await.json()["id"]);
        let token = log_in(app, &email).await;
        Self { id, email, token }
    }

    /// The same for an administrator.
    pub(crate) async fn join_as_admin(app: &TestApp, name: &str) -> Self {
        let person = Self::join(app, name).await;
        set_role(app, &person.id, "admin").await;
        person
    }

    /// The path of the user.
    pub(crate) fn path(&self) -> String {
        format!("/users/{}", self.id)
    }

    /// Logs in once more.
    pub(crate) async fn another_token(&self, app: &TestApp) -> String {
        log_in(app, &self.email).await
    }
}

/// Changes a role behind the service's back: only an administrator could do it over HTTP.
pub(crate) async fn set_role(app: &TestApp, id: &str, role: &'static str) {
    let id: Uuid = id.parse().expect("an id");
    let update = "UPDATE users SET role = $2 WHERE id = $1";
    let database = &app.instance().resources().database;
    assert_eq!(database.execute(update, params![id, role]).await.expect("updates"), 1);
}

/// Sends a registration.
pub(crate) async fn register(app: &TestApp, body: &Value) -> Reply {
    app.post("/users").json(body).send().await
}

/// Sends a registration of somebody about whom only the address matters.
pub(crate) fn registration(app: &TestApp, email: &str) -> Call {
    app.post("/users").json(&json!({ "email": email, "name": "Ada" }))
}

/// A log-in.
pub(crate) fn log_in_with(app: &TestApp, email: &str, password: &str) -> Call {
    app.post("/sessions").json(&json!({ "email": email, "password": password }))
}

/// Logs in and gives the token. While Redis is late, as on a busy machine, log-ins are closed; then
/// it tries again.
pub(crate) async fn log_in(app: &TestApp, email: &str) -> String {
    let counted = async || {
        let reply = log_in_with(app, email, PASSWORD).send().await;
        (reply.code() != "OVERLOADED").then_some(reply)
    };
    let reply = until("a log-in that is counted", counted).await;
    assert_eq!(outcome(&reply), (201, String::new()));
    text(&reply.json()["token"])
}

/// Status and code; the code of a success is empty.
pub(crate) fn outcome(reply: &Reply) -> (u16, String) {
    (reply.status.as_u16(), reply.code())
}

/// Asserts status and code.
#[track_caller]
pub(crate) fn assert_outcome(reply: &Reply, status: u16, code: &str, case: &str) {
    assert_eq!(outcome(reply), (status, code.to_owned()), "{case}");
}

/// A JSON string's text.
pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no string")).to_owned()
}

/// An answer without what differs between any two: request ids and the date.
pub(crate) fn comparable(reply: &Reply) -> String {
    let headers = reply.headers.iter().filter(|(name, _)| {
        !["x-request-id", "traceresponse", "date", "ratelimit"].contains(&name.as_str())
    });
    let headers: Vec<_> = headers.collect();
    let body = String::from_utf8_lossy(&reply.body).replace(reply.header("x-request-id"), "ID");
    format!("{} {headers:?} {body}", reply.status)
}

/// Looks until there is something; panics after a time that only a failing test needs.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(30), looking).await;
    found.unwrap_or_else(|_| panic!("{what}: not in time"))
}
