//! The processes of a run, what is between them, and how they are broken.

use std::{collections::HashMap, path::PathBuf, time::Duration};

use mainstay_store::{CachesOptions, Database, DatabaseOptions, params};
use mainstay_test_databases::{Engine, FaultProxy, Memory, PrivateRedis, TestDatabase};
use rustix::process::Signal;
use tempfile::TempDir;

use super::{
    super::support::until,
    journal::{self, Judgement, judge},
    worker::{KEYS, Orders, Step, Worker, mark},
};

/// Long enough for caches to be trusted again after an outage: [`worker`](super::worker) says when.
const COMING_BACK: Duration = Duration::from_millis(1700);

/// The longest pause between two writes of a process is 20 ms, and a script has 50.
const UNANSWERED: Duration = Duration::from_millis(35);

/// Three processes, each with a network of its own to Redis.
pub(super) struct Fleet {
    test: &'static str,
    pub(super) workers: Vec<(Worker, Orders)>,
    /// Journals of lives that have ended.
    ended: Vec<(usize, PathBuf)>,
    pub(super) proxies: Vec<FaultProxy>,
    pub(super) server: PrivateRedis,
    database: TestDatabase,
    folder: TempDir,
}

impl Fleet {
    pub(super) async fn start(test: &'static str, is_control: bool, load_ms: u64) -> Self {
        let server = PrivateRedis::start(Memory::Kept).expect("starts");
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
    pub(super) fn replace(&mut self, number: usize, step: Step) {
        self.workers[number].0.die_at(step);
        self.bury(number);
    }

    /// Kills a process that waits for the answer to a script, and has another one take its place.
    pub(super) async fn kill_unanswered(&mut self, number: usize) {
        self.proxies[number].black_hole_answers();
        // Longer than a writer pauses, and shorter than it waits: it has told Redis of a write and
        // does not know whether it was heard.
        tokio::time::sleep(UNANSWERED).await;
        self.workers[number].0.signal(Signal::KILL);
        self.proxies[number].pass();
        self.bury(number);
    }

    fn bury(&mut self, number: usize) {
        let (worker, orders) = &mut self.workers[number];
        assert!(!worker.wait(), "it was killed");
        let next = self.folder.path().join(format!("{number}-{}", self.ended.len()));
        self.ended.push((number, std::mem::replace(&mut orders.journal, next)));
        *worker = Worker::start(self.test, orders);
    }

    /// Lets the writers stop, then reads all that is left, and has everything judged.
    pub(super) async fn judge(mut self) -> Judgement {
        for (worker, _) in &mut self.workers {
            worker.tell("quiet");
        }
        for (_, orders) in &self.workers {
            until(async || mark(&orders.journal, "quiet").exists()).await;
        }
        // What was acknowledged last has the bound to be heard, and a process that has just come
        // back the time to trust its caches again: what is left must be seen.
        tokio::time::sleep(COMING_BACK).await;
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
    pub(super) fn reads(&self) -> usize {
        let journals = self.workers.iter().map(|(_, orders)| &orders.journal);
        let journals = journals.chain(self.ended.iter().map(|(_, path)| path));
        // A line has some 24 characters.
        journals.map(|path| path.metadata().map_or(0, |file| file.len() as usize / 24)).sum()
    }
}
