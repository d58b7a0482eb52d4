//! PgBouncer in between: what it shows of itself, and what is not done through it.

use std::time::Duration;

use mainstay_store::{DatabaseOptions, Migration, Migrations, Pooler, params};
use mainstay_test_databases::PrivatePgBouncer;

use super::fixture::{Fixture, open};

const SHOWN: &str = "stats_users = postgres
reserve_pool_size = 2
query_wait_timeout = 7.5
max_client_conn = 77
idle_transaction_timeout = 9";

#[tokio::test]
async fn pgbouncer_shows_its_settings_to_whom_it_may() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.db.pooler().await.expect("is asked"), None, "nothing is in between");
    let closed = PrivatePgBouncer::in_front_of(&fixture.url, 3).expect("starts");
    let db = open(&closed.url(), DatabaseOptions::default()).await;
    let Ok(Some(Pooler::Opaque(why))) = db.pooler().await else { panic!("is not shown") };
    assert!(why.contains("not allowed"), "{why}");

    let shown = PrivatePgBouncer::with_settings(&fixture.url, 3, SHOWN).expect("starts");
    let db = open(&shown.url(), DatabaseOptions::default()).await;
    let Ok(Some(Pooler::PgBouncer(found))) = db.pooler().await else { panic!("is shown") };
    assert_eq!((found.pool_mode.as_str(), found.clients_max), ("transaction", 77));
    assert_eq!((found.pool_max, found.servers_max), (5, 5), "size and reserve, of one pool");
    assert_eq!(found.query_wait_timeout, Some(Duration::from_millis(7500)));
    assert_eq!(found.idle_transaction_timeout, Some(Duration::from_secs(9)));
    assert_eq!((found.query_timeout, found.client_idle_timeout), (None, None));
}

#[tokio::test]
async fn a_migration_outside_a_transaction_is_refused_through_it_and_leaves_no_lock() {
    const INDEX: Migrations = Migrations::new(&[
        Migration::new("0001_one.sql", "CREATE TABLE one (id bigint)"),
        Migration::new("0002_i.sql", "CREATE INDEX CONCURRENTLY i ON one (id)"),
    ]);
    let fixture = Fixture::new().await;
    let pooler = PrivatePgBouncer::in_front_of(&fixture.url, 3).expect("starts");
    let db = open(&pooler.url(), DatabaseOptions::default()).await;
    let refused = db.migrate(INDEX).up().await.expect_err("is refused").to_string();
    assert!(refused.contains("0002_i") && refused.contains("server's own address"), "{refused}");
    let held = "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database \
        WHERE locktype = 'advisory' AND datname = current_database()";
    let held: (i64,) = fixture.outside.query_one(held, params![]).await.expect("is counted");
    assert_eq!(held, (0,));
    assert_eq!(fixture.db.migrate(INDEX).up().await.expect("is applied").len(), 1);
}
