//! `doctor` through PgBouncer.

use mainstay_testing::{Engine, PrivatePgBouncer, TestDatabase};

use crate::process::run;

#[test]
fn the_fleet_is_held_against_the_pooler_and_the_pooler_against_the_server() {
    let database = TestDatabase::on(Engine::Postgres);
    let settings = "stats_users = postgres\nmax_client_conn = 50\nquery_wait_timeout = 5";
    let pooler = PrivatePgBouncer::with_settings(database.url(), 4, settings).expect("starts");
    let (url, redis) = (pooler.url(), database.redis().expect("beside a server").url());
    let ports = [("PORT", "0"), ("OPS_PORT", "0"), ("REDIS_URL", &redis)];
    let doctor = |replicas| {
        let fleet = [("DATABASE_URL", url.as_str()), ("MAINSTAY_FLEET__REPLICAS", replicas)];
        run(&["doctor"], &[&ports[..], &fleet].concat(), "")
    };
    let two = doctor("2");
    for told in [
        "ok       pooler       PgBouncer is in between, in transaction mode",
        "2 replicas x (24 connections + 1 probe) = 50, and PgBouncer takes 50 clients",
        "PgBouncer may open 4 sessions + 5 for others = 9",
        "query_wait_timeout of PgBouncer (5000 ms) <= http.deadline_ms (10000 ms)",
    ] {
        assert!(two.stdout.contains(told), "{told}: {}", two.stdout);
    }
    assert_eq!(two.code, Some(0), "{}", two.stdout);
    let three = doctor("3");
    assert_eq!(three.code, Some(2), "{}", three.stdout);
    assert!(three.stdout.contains("fix: raise max_client_conn"), "{}", three.stdout);
}
