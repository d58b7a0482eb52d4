//! Three processes of the system in which a thousand callers each want the same value at the same
//! moment: one of them loads it.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use mainstay_core::SystemClock;
use mainstay_store::{
    CacheSpec, Caches, CachesOptions, Database, DatabaseOptions, Redis, RedisOptions, params,
};
use mainstay_test_databases::{Engine, Memory, PrivateRedis, TestDatabase};

use super::super::support::until;

/// What a process of the crowd is told.
const VARIABLE: &str = "MAINSTAY_TEST_CROWD";

const PROCESSES: usize = 3;
const CALLERS: usize = 1000;

/// How long the value takes to load: everybody has asked by then.
const LOAD: Duration = Duration::from_millis(300);

/// Asks as often as there are callers, if this process was started to, and tells what they found by
/// its end.
#[expect(clippy::disallowed_methods, reason = "set by the test itself, not by a configuration")]
async fn asks() -> bool {
    let Ok(told) = std::env::var(VARIABLE) else { return false };
    let words: Vec<&str> = told.split(' ').collect();
    let (ready, go) = (PathBuf::from(words[2]), PathBuf::from(words[3]));
    let (url, options) = (words[1].parse().expect("an address"), DatabaseOptions::default());
    let database = Database::open(&url, &options).await.expect("the database opens");
    let options = RedisOptions { command_timeout: LOAD * 10, ..RedisOptions::default() };
    let redis = Redis::new(words[0].parse().expect("an address"), options);
    // Longer than a busy machine keeps a process waiting: what is tested is not the bound.
    let (staleness, settle) = (Duration::from_secs(2), Some(Duration::from_millis(50)));
    let options = CachesOptions { staleness, settle, ..CachesOptions::default() };
    let caches = Caches::shared(&redis, Arc::new(SystemClock::new()), options);
    let cache = caches
        .two_tier(CacheSpec::<i64> { wait_max: Duration::from_secs(20), ..CacheSpec::new("of") });
    until(async || caches.state().is_trusted).await;
    std::fs::write(&ready, "").expect("is written");
    until(async || go.exists()).await;
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (cache, database) = (cache.clone(), database.clone());
            tokio::spawn(async move {
                let load = || async move {
                    let insert = "INSERT INTO loads VALUES (1)";
                    database.execute(insert, params![]).await?;
                    tokio::time::sleep(LOAD).await;
                    Ok(Some(7))
                };
                cache.get_or_load("all", load).await.expect("is loaded").as_deref().copied()
            })
        })
        .collect();
    for caller in callers {
        assert_eq!(caller.await.expect("no panic"), Some(7));
    }
    true
}

#[tokio::test]
async fn three_processes_of_a_thousand_callers_make_one_load() {
    const TEST: &str =
        "cache::processes::crowd::three_processes_of_a_thousand_callers_make_one_load";
    if asks().await {
        return;
    }
    let server = PrivateRedis::start(Memory::Lost).expect("starts");
    let place = TestDatabase::on(Engine::Postgres);
    let url = place.url().parse().expect("an address");
    let db = Database::open(&url, &DatabaseOptions::default()).await.expect("it opens");
    db.execute("CREATE TABLE loads (one bigint NOT NULL)", params![]).await.expect("is made");
    let folder = tempfile::tempdir().expect("a folder");
    let go = folder.path().join("go");
    let ready = |number: usize| folder.path().join(number.to_string());
    let mut processes: Vec<Child> = (0..PROCESSES)
        .map(|number| {
            let (ready, go) = (ready(number), &go);
            let (redis, database) = (server.url(), place.url());
            let told = format!("{redis} {database} {} {}", ready.display(), go.display());
            let mut command = Command::new(std::env::current_exe().expect("a program"));
            command.args(["--exact", TEST, "--nocapture"]).env(VARIABLE, told);
            command.stdin(Stdio::null()).stdout(Stdio::null());
            command.spawn().expect("the program starts")
        })
        .collect();
    until(async || (0..PROCESSES).all(|number| ready(number).exists())).await;
    std::fs::write(&go, "").expect("is written");
    for process in &mut processes {
        assert!(process.wait().expect("a child").success());
    }
    let (loads,): (i64,) =
        db.query_one("SELECT count(*) FROM loads", params![]).await.expect("is read");
    assert_eq!(loads, 1, "for {PROCESSES} processes of {CALLERS} callers");
    db.close().await;
}
