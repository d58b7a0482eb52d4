//! A server that goes away and comes back, one call after the other.

use accounts::Accounts;
use mainstay_testing::{Durability, Engine, PrivatePostgres, TestApp, TestDatabase};

use crate::{
    degraded::check,
    process::run_in,
    support::{Person, assert_outcome, options, registration, until},
};

#[tokio::test]
async fn a_server_that_is_gone_refuses_and_one_that_is_back_serves() {
    let server = PrivatePostgres::start(Durability::Risked).expect("a server");
    let options = options().on(Engine::Postgres).with("DATABASE_URL", &server.url());
    let app = TestApp::start_with::<Accounts>(options).await;
    let ada = Person::join(&app, "ada").await;
    server.crash().expect("ends");
    for call in [registration(&app, "bob@example.com"), app.get("/me").bearer(&ada.token)] {
        check(&call.send().await, "STORE_UNAVAILABLE", "without a server");
    }
    let unready = until("readiness ends", async || {
        let reply = app.ops("/readyz").send().await;
        (reply.status != 200).then_some(reply)
    });
    assert_outcome(&unready.await, 503, "NOT_READY", "without a server");
    assert_eq!(app.ops("/livez").send().await.status, 200, "a restart would not help");

    server.start_again().expect("starts again");
    let read = until("it serves again", async || {
        let reply = app.get("/me").bearer(&ada.token).send().await;
        (reply.status == 200).then_some(reply)
    });
    assert_eq!(read.await.json()["email"], ada.email, "what was kept is there");
    let kept = registration(&app, "bob@example.com").send().await;
    assert_outcome(&kept, 201, "", "the refused write was not made, and can be");
}

#[test]
fn a_file_becomes_a_database_of_a_server_and_no_argument_has_its_password() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let person = ["admin", "create", "--email", "ada@example.com"];
    let created = run_in(folder.path(), &person, &[], "correct horse battery");
    assert_eq!(created.code, Some(0), "{}", created.stderr);
    let target = TestDatabase::on(Engine::Postgres);
    let promoted = run_in(folder.path(), &["promote", "--to", "-"], &[], target.url());
    assert_eq!(promoted.code, Some(0), "{}", promoted.stderr);
    assert!(promoted.stdout.contains("1 rows, the same on both sides"), "{}", promoted.stdout);
    assert!(promoted.stdout.contains(":***@"), "{}", promoted.stdout);
    assert_eq!(target.neighbour().number("SELECT count(*) FROM users WHERE role = 'admin'"), 1);
}
