//! Processes of the system that share a Redis and a PostgreSQL, and what breaks them. Everything
//! they read and write is judged by a checker that catches caches as they are often made.

mod control;
mod journal;
mod worker;

use std::{collections::HashMap, path::PathBuf, time::Duration};

use mainstay_store::{CachesOptions, Database, DatabaseOptions, params};
use mainstay_test_databases::{Engine, FaultProxy, Memory, PrivateRedis, TestDatabase};
use rustix::process::Signal;
use tempfile::TempDir;

use self::{
    journal::{Judgement, judge},
    worker::{KEYS, Orders, Step, Worker, mark, works},
};
use super::support::until;

/// How many reads a run makes at least: `MAINSTAY_TEST_CACHE_READS`, or what takes seconds.
#[expect(clippy::disallowed_methods, reason = "the length of a test is no configuration")]
fn reads_wanted() -> usize {
    let variable = std::env::var("MAINSTAY_TEST_CACHE_READS").ok();
    variable.map_or(50_000, |text| text.parse().expect("MAINSTAY_TEST_CACHE_READS is a number"))
}

/// Three processes, each with a network of its own to Redis.
struct Fleet {
    test: &'static str,
    workers: Vec<(Worker, Orders)>,
    /// Journals of lives that have ended.
    ended: Vec<(usize, PathBuf)>,
    proxies: Vec<FaultProxy>,
    server: PrivateRedis,
    database: TestDatabase,
    folder: TempDir,
}

impl Fleet {
    async fn start(test: &'static str, is_control: bool, load_ms: u64) -> Self {
        let server = PrivateRedis::start(Memory::Lost).expect("starts");
        let database = TestDatabase::on(Engine::Postgres);
        let url = database.url().parse().expect("an address");
        let db = Database::open(&url, &DatabaseOptions::default()).await.expect("it opens");
        let create = "CREATE TABLE cells (id bigint PRIMARY KEY, version bigint NOT NULL)";
        db.execute(create, params![]).await.expect("is made");
        let fill = "INSERT INTO cells SELECT id, 0 FROM generate_series(0, $1) AS id";
        db.execute(fill, params![KEYS as i64 - 1]).await.expect("are made");
        db.close().await;
        let folder = tempfile::tempdir().expect("a folder");
        let proxies: Vec<_> = (0..3).map(|_| FaultProxy::in_front_of(&server.url())).collect();
        let workers = proxies.iter().enumerate().map(|(number, proxy)| {
            let orders = Orders {
                redis: proxy.url(),
                database: database.url().to_owned(),
                journal: folder.path().join(number.to_string()),
                is_control,
                load_ms,
            };
            (Worker::start(test, &orders), orders)
        });
        let workers = workers.collect();
        Self { test, workers, ended: Vec::new(), proxies, server, database, folder }
    }

    /// Has a process end itself in the middle of a write, and another one take its place.
    fn replace(&mut self, number: usize, step: Step) {
        let (worker, orders) = &mut self.workers[number];
        worker.die_at(step);
        assert!(!worker.wait(), "it was killed");
        let next = self.folder.path().join(format!("{number}-{}", self.ended.len()));
        self.ended.push((number, std::mem::replace(&mut orders.journal, next)));
        *worker = Worker::start(self.test, orders);
    }

    /// Lets the writers stop, then reads all that is left, and has everything judged.
    async fn judge(mut self) -> Judgement {
        for (worker, _) in &mut self.workers {
            worker.tell("quiet");
        }
        for (_, orders) in &self.workers {
            until(async || mark(&orders.journal, "quiet").exists()).await;
        }
        // What was acknowledged last has the bound to be heard, and a process that has just come
        // back the time to trust its caches again: what is left must be seen.
        run(WHILE).await;
        for (worker, _) in &mut self.workers {
            worker.tell("end");
            assert!(worker.wait(), "it comes to its end");
        }
        let url = self.database.url().parse().expect("an address");
        let db = Database::open(&url, &DatabaseOptions::default()).await.expect("it opens");
        let rows: Vec<(i64, i64)> =
            db.query("SELECT id, version FROM cells", params![]).await.expect("are read");
        db.close().await;
        let truth: HashMap<_, _> = rows.iter().map(|&(id, v)| (id as u64, v as u64)).collect();
        let mut lives: Vec<_> =
            self.workers.iter().map(|(_, orders)| journal::read(&orders.journal)).collect();
        lives.extend(self.ended.iter().map(|(_, path)| journal::read(path)));
        judge(&lives, CachesOptions::default().staleness, &truth)
    }

    /// How much has been written down so far.
    fn reads(&self) -> usize {
        let journals = self.workers.iter().map(|(_, orders)| &orders.journal);
        let journals = journals.chain(self.ended.iter().map(|(_, path)| path));
        // A line has some 24 characters.
        journals.map(|path| path.metadata().map_or(0, |file| file.len() as usize / 24)).sum()
    }
}

/// Lets everything run: here time is what is tested.
async fn run(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// The figures of a run, for who looks.
#[expect(clippy::print_stderr, reason = "the length of a run is chosen, and seen here")]
fn tell(Judgement { reads, writes, hits, loads, .. }: &Judgement) {
    eprintln!("{reads} reads, {writes} writes; of the survivors {hits} hits, {loads} loads");
}

const MOMENT: Duration = Duration::from_millis(300);
/// Long enough for caches to be trusted again after an outage.
const WHILE: Duration = Duration::from_millis(1700);

#[tokio::test]
async fn nobody_reads_what_was_written_over_longer_ago_than_the_bound() {
    const TEST: &str = "cache::processes::\
                        nobody_reads_what_was_written_over_longer_ago_than_the_bound";
    if works().await {
        return;
    }
    let mut fleet = Fleet::start(TEST, false, 0).await;
    run(WHILE).await;
    for round in 0.. {
        let victim = round % 3;
        fleet.proxies[victim].black_hole_answers();
        run(MOMENT).await;
        fleet.proxies[victim].pass();
        fleet.workers[(victim + 1) % 3].0.signal(Signal::STOP);
        run(Duration::from_secs(1)).await;
        fleet.workers[(victim + 1) % 3].0.signal(Signal::CONT);
        let steps = [Step::Announced, Step::Committed, Step::Published];
        fleet.replace((victim + 2) % 3, steps[round % 3]);
        fleet.server.ask(&["FLUSHALL"]);
        run(WHILE).await;
        // One of them comes back later than the others, with writes that it could not tell.
        fleet.server.pause().expect("stops");
        fleet.proxies[victim].black_hole();
        run(MOMENT).await;
        fleet.server.resume().expect("goes on");
        run(MOMENT).await;
        fleet.proxies[victim].pass();
        run(WHILE).await;
        fleet.server.crash().expect("ends");
        run(MOMENT).await;
        fleet.server.start_again().expect("starts");
        run(WHILE).await;
        if fleet.reads() >= reads_wanted() {
            break;
        }
    }
    let judgement = fleet.judge().await;
    tell(&judgement);
    let Judgement { writes, hits, loads, .. } = judgement;
    assert_eq!(judgement.violations(), 0, "{judgement:?}");
    assert!(hits > 10_000 && writes > 100, "{hits} hits, {loads} loads, {writes} writes");
}

#[tokio::test]
async fn the_checker_catches_a_notice_that_is_lost() {
    const TEST: &str = "cache::processes::the_checker_catches_a_notice_that_is_lost";
    if works().await {
        return;
    }
    let fleet = Fleet::start(TEST, true, 0).await;
    run(WHILE).await;
    fleet.proxies[0].black_hole_answers();
    run(MOMENT).await;
    fleet.proxies[0].pass();
    run(MOMENT).await;
    let judgement = fleet.judge().await;
    assert!(!judgement.too_old.is_empty(), "{judgement:?}");
}

#[tokio::test]
async fn the_checker_catches_a_fill_that_ignores_the_write_of_another_process() {
    const TEST: &str = "cache::processes::\
                        the_checker_catches_a_fill_that_ignores_the_write_of_another_process";
    if works().await {
        return;
    }
    let fleet = Fleet::start(TEST, true, 5).await;
    run(WHILE).await;
    let judgement = fleet.judge().await;
    assert!(!judgement.too_old.is_empty(), "{judgement:?}");
}
