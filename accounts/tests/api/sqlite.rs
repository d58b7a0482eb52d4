//! What only the embedded engine promises: it keeps everything in one file. The run of `cargo xtask
//! test` on PostgreSQL leaves this module out.

use serde_json::json;

use crate::{
    crash::{ADMIN, Acknowledged, check, log_in},
    process::{Service, run_in},
    support::{PASSWORD, assert_outcome, until},
};

#[tokio::test]
async fn a_full_disk_refuses_writes_and_loses_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let create = ["admin", "create", "--email", ADMIN];
    assert_eq!(run_in(folder.path(), &create, &[], PASSWORD).code, Some(0));
    assert!(folder.path().join("data/accounts.db").exists(), "the default of a configuration");
    // No file may grow beyond 512 blocks, and the signal that would end the process is ignored.
    let service = Service::start_after(folder.path(), "trap '' XFSZ; ulimit -f 512").await;
    let token = log_in(&service).await;
    let acknowledged = Acknowledged::default();
    let refused = until("the disk is full", async || {
        let n = acknowledged.users().len();
        let body = json!({ "email": format!("user{n}@example.com"), "name": "Ada" });
        let reply = service.call("POST", "/users").json(&body).send().await;
        (!acknowledged.note(&reply)).then_some(reply)
    });
    assert_outcome(&refused.await, 503, "STORE_UNAVAILABLE", "a write without room");
    assert_eq!(service.ops("/livez").send().await.status, 200);
    let users = acknowledged.users();
    assert!(!users.is_empty());
    for user in &users {
        check(&service, &token, user).await;
    }
    service.kill();
    let service = Service::start(folder.path(), &[]).await;
    for user in &users {
        check(&service, &token, user).await;
    }
}
