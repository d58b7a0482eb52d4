//! A process that reads and writes through its caches, and does as it is told: the test starts
//! itself again, and does that there.

use std::{
    io::{BufRead, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use mainstay_core::SystemClock;
use mainstay_store::{
    Cache, CacheSpec, Caches, CachesOptions, Database, DatabaseOptions, Redis, RedisOptions, Scope,
    StoreError, Tag, params,
};
use rustix::process::{Pid, Signal, getpid, kill_process};
use tokio::sync::{mpsc, watch};

use super::{
    control::Control,
    journal::{Entry, Journal, now},
};

/// What such a process is told at its start.
const VARIABLE: &str = "MAINSTAY_TEST_CACHE_PROCESS";

pub(super) const KEYS: u64 = 16;

const SELECT: &str = "SELECT version FROM cells WHERE id = $1";
const UPDATE_ONE: &str =
    "UPDATE cells SET version = version + 1 WHERE id = $1 RETURNING id, version";
const UPDATE_GROUP: &str = "UPDATE cells SET version = version + 1 WHERE id / 2 % 2 = $1 \
                            RETURNING id, version";

const READERS: usize = 4;

/// Where a process ends itself, without a warning, when it is told to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Never,
    /// The write was announced; nothing was committed.
    Announced,
    /// It was committed, and nobody was told.
    Committed,
    /// Everybody was told, and nobody got an answer.
    Published,
}

const STEPS: [(&str, Step); 4] = [
    ("never", Step::Never),
    ("announced", Step::Announced),
    ("committed", Step::Committed),
    ("published", Step::Published),
];

/// What a process works with.
#[derive(Clone)]
pub(super) struct Orders {
    pub(super) redis: String,
    pub(super) database: String,
    pub(super) journal: PathBuf,
    pub(super) is_control: bool,
    /// How long a load takes after it has read.
    pub(super) load_ms: u64,
}

/// A process that works; killed when it is dropped.
pub(super) struct Worker(Child);

impl Worker {
    /// Starts it. `test` is the path of the test that calls, which begins with [`works`].
    pub(super) fn start(test: &str, orders: &Orders) -> Self {
        let Orders { redis, database, journal, is_control, load_ms } = orders;
        let told = format!("{redis} {database} {} {is_control} {load_ms}", journal.display());
        let mut command = Command::new(std::env::current_exe().expect("a program"));
        command.args(["--exact", test, "--nocapture"]).env(VARIABLE, told);
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        Self(command.spawn().expect("the program starts"))
    }

    pub(super) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).expect("it runs");
    }

    /// Tells it something: a step at which to die, `quiet`, or `end`.
    pub(super) fn tell(&mut self, word: &str) {
        let stdin = self.0.stdin.as_mut().expect("it listens");
        writeln!(stdin, "{word}").expect("it listens");
    }

    pub(super) fn die_at(&mut self, step: Step) {
        let (word, _) = STEPS.iter().find(|(_, known)| *known == step).expect("one of them");
        self.tell(word);
    }

    /// Waits for its end; tells whether it came to it by itself.
    pub(super) fn wait(&mut self) -> bool {
        // Waiting would close it, and the process would take that for its end.
        let _stdin = self.0.stdin.take();
        self.0.wait().expect("a child").success()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The file that a process makes when it has done the last thing it was told.
pub(super) fn mark(journal: &Path, word: &str) -> PathBuf {
    journal.with_extension(word)
}

/// Works, if this process was started to.
#[expect(clippy::disallowed_methods, reason = "set by the test itself, not by a configuration")]
pub(super) async fn works() -> bool {
    let Ok(text) = std::env::var(VARIABLE) else { return false };
    let words: Vec<_> = text.split(' ').collect();
    let orders = Orders {
        redis: words[0].to_owned(),
        database: words[1].to_owned(),
        journal: words[2].into(),
        is_control: words[3] == "true",
        load_ms: words[4].parse().expect("a number"),
    };
    Box::pin(Site::open(&orders).await.work(&orders.journal)).await;
    true
}

/// What all tasks of a process share.
struct Site {
    subject: Subject,
    database: Database,
    load_time: Duration,
    journal: Journal,
    step: watch::Sender<Step>,
    is_quiet: AtomicBool,
    is_over: AtomicBool,
}

enum Subject {
    /// Even keys are shared through Redis, odd ones stay in the process.
    Ours {
        caches: Caches,
        shared: Cache<Cell>,
        private: Cache<Cell>,
    },
    Control(Control),
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Cell {
    key: u64,
    version: u64,
}

/// Half of the keys of each kind.
fn group(key: u64) -> u64 {
    key / 2 % 2
}

impl Site {
    async fn open(orders: &Orders) -> Arc<Self> {
        let url = orders.database.parse().expect("an address");
        let options = DatabaseOptions { pool_max: 4, ..DatabaseOptions::default() };
        let database = Database::open(&url, &options).await.expect("the database opens");
        let subject = if orders.is_control {
            Subject::Control(Control::start(&orders.redis).await)
        } else {
            let url = orders.redis.parse().expect("an address");
            let redis = Redis::new(url, RedisOptions::default());
            // Outages are shorter than a second here, and so are the pauses after them.
            let settle = Some(Duration::from_secs(1));
            let options = CachesOptions { settle, ..CachesOptions::default() };
            let caches = Caches::shared(&redis, Arc::new(SystemClock::new()), options);
            let spec = |name| CacheSpec {
                tags: |cell: &Cell| vec![Tag::new("group", group(cell.key))],
                // What is left behind is seen in the end.
                ttl: Duration::from_hours(1),
                ..CacheSpec::new(name)
            };
            let (shared, private) = (caches.two_tier(spec("a")), caches.in_process(spec("b")));
            Subject::Ours { caches, shared, private }
        };
        Arc::new(Self {
            subject,
            database,
            load_time: Duration::from_millis(orders.load_ms),
            journal: Journal::create(&orders.journal),
            step: watch::Sender::new(Step::Never),
            is_quiet: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
        })
    }

    async fn work(self: Arc<Self>, journal: &Path) {
        let mut told = listen();
        let readers: Vec<_> = (0..READERS).map(|_| tokio::spawn(self.clone().reads())).collect();
        let mut writer = tokio::spawn(self.clone().writes());
        while let Some(word) = told.recv().await {
            match word.as_str() {
                "quiet" => {
                    self.is_quiet.store(true, Ordering::Relaxed);
                    (&mut writer).await.expect("no panic");
                    std::fs::write(mark(journal, "quiet"), "").expect("is written");
                }
                "end" => break,
                word => {
                    let step = STEPS.iter().find(|(known, _)| *known == word).expect("a step").1;
                    self.step.send_replace(step);
                }
            }
        }
        self.is_over.store(true, Ordering::Relaxed);
        for reader in readers {
            reader.await.expect("no panic");
        }
        for key in 0..KEYS {
            let version = self.read(key).await;
            self.journal.note(Entry::Final { key, version });
        }
        if let Subject::Ours { shared, private, .. } = &self.subject {
            for stats in [shared.stats(), private.stats()] {
                let hits = stats.hits + stats.shared_hits;
                self.journal.note(Entry::Served { hits, loads: stats.loads });
            }
        }
        self.database.close().await;
    }

    async fn reads(self: Arc<Self>) {
        while !self.is_over.load(Ordering::Relaxed) {
            for _ in 0..16 {
                let key = fastrand::u64(..KEYS);
                let begun = now();
                let version = self.read(key).await;
                self.journal.note(Entry::Read { key, begun, version });
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn read(self: &Arc<Self>, key: u64) -> u64 {
        let site = self.clone();
        let load = async move {
            let (version,): (i64,) = site.database.query_one(SELECT, params![key as i64]).await?;
            tokio::time::sleep(site.load_time).await;
            Ok(Some(version as u64))
        };
        let version = match &self.subject {
            Subject::Control(control) => control.read(key, load).await,
            Subject::Ours { shared, private, .. } => {
                let cache = if key.is_multiple_of(2) { shared } else { private };
                let load =
                    move || async move { Ok(load.await?.map(|version| Cell { key, version })) };
                let cell = cache.get_or_load(&key.to_string(), load).await;
                cell.map(|cell| cell.expect("every key is there").version)
            }
        };
        version.expect("the database answers")
    }

    async fn writes(self: Arc<Self>) {
        let mut count: u64 = 0;
        while !self.is_quiet.load(Ordering::Relaxed) {
            count += 1;
            let key = fastrand::u64(..KEYS);
            let written = match &self.subject {
                Subject::Control(control) => control.write(key, self.commit_one(key)).await,
                Subject::Ours { caches, shared, private } => {
                    let cache = if key.is_multiple_of(2) { shared } else { private };
                    if count.is_multiple_of(10) {
                        let scope = Scope::tag(&Tag::new("group", group(key)));
                        caches.write(scope, self.commit_group(group(key))).await
                    } else {
                        let scope = cache.scope([key.to_string()]);
                        caches.write(scope, self.commit_one(key)).await
                    }
                }
            };
            self.maybe_die(Step::Published);
            let acknowledged = now();
            for (key, version) in written.expect("the database answers") {
                let (key, version) = (key as u64, version as u64);
                self.journal.note(Entry::Written { key, acknowledged, version });
            }
            tokio::time::sleep(Duration::from_millis(fastrand::u64(2..20))).await;
        }
    }

    async fn commit_one(&self, key: u64) -> Result<Vec<(i64, i64)>, StoreError> {
        self.announced().await;
        let rows = self.database.execute_returning(UPDATE_ONE, params![key as i64]).await?;
        self.maybe_die(Step::Committed);
        Ok(rows)
    }

    async fn commit_group(&self, group: u64) -> Result<Vec<(i64, i64)>, StoreError> {
        self.announced().await;
        let rows = self.database.execute_returning(UPDATE_GROUP, params![group as i64]).await?;
        self.maybe_die(Step::Committed);
        Ok(rows)
    }

    /// The write was announced and is not committed.
    async fn announced(&self) {
        self.maybe_die(Step::Announced);
        if *self.step.borrow() == Step::Committed {
            // Others load what is about to be written over; nobody will tell them so.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn maybe_die(&self, step: Step) {
        if *self.step.borrow() == step {
            kill_process(getpid(), Signal::KILL).expect("it runs");
        }
    }
}

/// What it is told, line by line.
fn listen() -> mpsc::UnboundedReceiver<String> {
    let (sender, receiver) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}
