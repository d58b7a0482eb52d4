//! What the parts of the process count, on the page.

use accounts::Accounts;
use mainstay_testing::{Engine, TestApp};

use super::{exposition::Exposition, scrape};
use crate::support::{Person, assert_outcome, options, registration, start, until};

#[tokio::test]
async fn what_the_parts_of_the_process_count_is_on_the_page() {
    let app = start().await;
    let ada = Person::join(&app, "ada").await;
    app.get("/me").bearer(&ada.token).send().await;
    let page = scrape(&app).await;
    let count = |name| page.count(name, &[]);
    match app.database().engine() {
        Engine::Sqlite => {
            assert!(count("mainstay_sqlite_commit_seconds_count") >= 2);
            assert!(count("mainstay_sqlite_committed_total") >= 2);
            assert_eq!(page.labels_of("mainstay_pool_connections_max"), None);
        }
        Engine::Postgres | Engine::PgBouncer => {
            assert_eq!(count("mainstay_pool_connections_max"), 20);
            assert!(count("mainstay_pool_wait_seconds_count") >= 2);
            assert!(count("mainstay_pool_hold_seconds_count") >= 2);
            assert!(page.sum("mainstay_pool_connections", ("state", "idle")) >= 1);
            assert_eq!(page.labels_of("mainstay_sqlite_committed_total"), None);
        }
    }
    for some in [
        "mainstay_connections_accepted_total",
        "mainstay_connections_max",
        "mainstay_runtime_workers",
        "mainstay_runtime_tasks",
        "process_start_time_seconds",
    ] {
        assert!(count(some) >= 1, "{some}");
    }
    let lookups = page.sum("mainstay_cache_loads_total", ("cache", "sessions"));
    assert!(lookups >= 1, "the session was read through its cache");
    assert_eq!(page.sum("mainstay_build_info", ("service", "accounts")), 1);
    // With a Redis, that takes a moment after the start.
    until("the caches are trusted", async || {
        (scrape(&app).await.count("mainstay_caches_trusted", &[]) == 1).then_some(())
    })
    .await;
    assert_eq!(count("mainstay_log_dropped_lines_total"), 0);
    assert_eq!(count("mainstay_password_refused_total"), 0);
    #[cfg(target_os = "linux")]
    for some in ["process_resident_memory_bytes", "process_open_fds", "process_max_fds"] {
        assert!(count(some) >= 1, "{some}");
    }
}

#[tokio::test]
async fn who_waits_for_the_database_is_on_the_page_while_it_waits() {
    let app = TestApp::start_with::<Accounts>(options().with("MAINSTAY_POOL__SIZE_MAX", "1")).await;
    let neighbour = app.neighbour();
    neighbour.lock("users");
    let mut sent = Vec::new();
    let waiting = |page: &Exposition| match app.database().engine() {
        Engine::Sqlite => page.sum("mainstay_sqlite_waiting", ("queue", "writes")),
        Engine::Postgres | Engine::PgBouncer => page.count("mainstay_pool_waiters", &[]),
    };
    // The embedded engine's writer takes all who wait at that moment along, so one after the other.
    until("some of them wait", async || {
        let email = format!("user{}@example.com", sent.len());
        sent.push(tokio::spawn(registration(&app, &email).send()));
        (waiting(&scrape(&app).await) >= 2).then_some(())
    })
    .await;
    neighbour.unlock();
    for reply in sent {
        assert_outcome(&reply.await.expect("no panic"), 201, "", "it only waited");
    }
    assert_eq!(waiting(&scrape(&app).await), 0);
}
