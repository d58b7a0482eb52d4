//! Every order of steps of loads and writes: whoever begins to read after a write was acknowledged
//! reads it. A scheduler that knows only gates chooses the order, and a cache as it is usually made
//! has to be caught.

use std::{
    collections::HashMap,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use mainstay_store::{Cache, CacheSpec, Caches, Scope, StoreError, Tag};
use proptest::prelude::*;
use tokio::{sync::oneshot, task::JoinHandle};

use super::support::{TestClock, failure};

const KEYS: usize = 3;
const OWNER: u64 = 7;

#[derive(Clone, Copy, Debug)]
enum Step {
    Read(usize),
    Write(usize),
    /// Of all keys at once, by their tag.
    WriteAll,
    /// Which is committed and reported as failed, as when the connection is lost in between.
    WriteInVain(usize),
    /// Lets one of those who wait take a step.
    Go(usize),
    /// Ends one of the tasks.
    Drop(usize),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..KEYS).prop_map(Step::Read),
        2 => (0..KEYS).prop_map(Step::Write),
        1 => Just(Step::WriteAll),
        1 => (0..KEYS).prop_map(Step::WriteInVain),
        12 => any::<usize>().prop_map(Step::Go),
        1 => any::<usize>().prop_map(Step::Drop),
        1 => (1..70_u64).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..120)
}

/// The database, and who waits to take a step in it.
#[derive(Default)]
struct World {
    versions: [u64; KEYS],
    acknowledged: [u64; KEYS],
    gates: Vec<oneshot::Sender<()>>,
    violation: Option<String>,
}

type Shared = Arc<Mutex<World>>;
type Work<T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send>>;

/// What is under test.
trait Subject: Send + Sync + 'static {
    fn read(&self, key: usize, load: Work<Option<u64>>) -> Work<u64>;
    fn write(&self, keys: &[usize], commit: Work<()>) -> Work<()>;
}

async fn gate(world: &Shared) {
    let (sender, receiver) = oneshot::channel();
    world.lock().expect("no panic").gates.push(sender);
    // Closed when the run is over.
    let _ = receiver.await;
}

async fn load(world: Shared, key: usize) -> Result<Option<u64>, StoreError> {
    gate(&world).await;
    let version = world.lock().expect("no panic").versions[key];
    gate(&world).await;
    Ok(Some(version))
}

/// What a commit has made of its keys.
type Written = Arc<Mutex<Vec<(usize, u64)>>>;

async fn commit(
    world: Shared,
    keys: Vec<usize>,
    written: Written,
    fails: bool,
) -> Result<(), StoreError> {
    gate(&world).await;
    for key in keys {
        let mut world = world.lock().expect("no panic");
        world.versions[key] += 1;
        written.lock().expect("no panic").push((key, world.versions[key]));
    }
    gate(&world).await;
    if fails { Err(failure("the connection was lost")) } else { Ok(()) }
}

async fn read(subject: Arc<dyn Subject>, world: Shared, key: usize) {
    let at_least = world.lock().expect("no panic").acknowledged[key];
    let found = subject.read(key, Box::pin(load(world.clone(), key))).await;
    let found = found.expect("loads do not fail here");
    if found < at_least {
        let text = format!("key {key}: {found} was read after {at_least} was acknowledged");
        world.lock().expect("no panic").violation = Some(text);
    }
}

async fn write(subject: Arc<dyn Subject>, world: Shared, keys: Vec<usize>, fails: bool) {
    let written = Written::default();
    let commit = Box::pin(commit(world.clone(), keys.clone(), written.clone(), fails));
    if subject.write(&keys, commit).await.is_ok() {
        let mut world = world.lock().expect("no panic");
        for (key, version) in written.lock().expect("no panic").drain(..) {
            world.acknowledged[key] = world.acknowledged[key].max(version);
        }
    }
}

/// Lets everybody go on who does not wait at a gate.
async fn settle() {
    for _ in 0..40 {
        tokio::task::yield_now().await;
    }
}

async fn run(subject: Arc<dyn Subject>, clock: &TestClock, steps: &[Step]) -> Option<String> {
    let world = Shared::default();
    let mut tasks: Vec<JoinHandle<()>> = Vec::new();
    for step in steps {
        let (subject, shared) = (subject.clone(), world.clone());
        match *step {
            Step::Read(key) => tasks.push(tokio::spawn(read(subject, shared, key))),
            Step::Write(key) => tasks.push(tokio::spawn(write(subject, shared, vec![key], false))),
            Step::WriteAll => {
                let all = (0..KEYS).collect();
                tasks.push(tokio::spawn(write(subject, shared, all, false)));
            }
            Step::WriteInVain(key) => {
                tasks.push(tokio::spawn(write(subject, shared, vec![key], true)));
            }
            Step::Go(which) => {
                let mut world = world.lock().expect("no panic");
                if !world.gates.is_empty() {
                    let which = which % world.gates.len();
                    // Its task may have been dropped.
                    let _ = world.gates.remove(which).send(());
                }
            }
            Step::Drop(which) if !tasks.is_empty() => {
                let which = which % tasks.len();
                tasks.swap_remove(which).abort();
            }
            Step::Drop(_) => {}
            Step::Wait(seconds) => clock.advance(Duration::from_secs(seconds)),
        }
        settle().await;
    }
    // Everybody comes to the end; then nothing old is left.
    while !tasks.iter().all(JoinHandle::is_finished) {
        world.lock().expect("no panic").gates.clear();
        settle().await;
    }
    for key in 0..KEYS {
        let version = world.lock().expect("no panic").versions[key];
        let fresh = Box::pin(async move { Ok(Some(version)) });
        let found = subject.read(key, fresh).await.expect("is loaded");
        if found != version {
            return Some(format!("key {key}: {found} was left, {version} is true"));
        }
    }
    world.lock().expect("no panic").violation.take()
}

fn violation(subject: Arc<dyn Subject>, clock: &TestClock, steps: &[Step]) -> Option<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime").block_on(run(subject, clock, steps))
}

struct Ours {
    caches: Caches,
    cache: Cache<u64>,
}

impl Ours {
    fn new(clock: Arc<TestClock>) -> Arc<Self> {
        let tags = |_: &u64| vec![Tag::new("owner", OWNER)];
        let caches = Caches::alone(clock);
        let spec = CacheSpec { tags, wait_max: Duration::MAX / 4, ..CacheSpec::new("numbers") };
        Arc::new(Self { cache: caches.in_process(spec), caches })
    }
}

impl Subject for Ours {
    fn read(&self, key: usize, load: Work<Option<u64>>) -> Work<u64> {
        let cache = self.cache.clone();
        Box::pin(async move {
            let found = cache.get_or_load(&key.to_string(), || load).await?;
            Ok(*found.expect("the loader finds something"))
        })
    }

    fn write(&self, keys: &[usize], commit: Work<()>) -> Work<()> {
        let scope = match keys {
            [key] => self.cache.scope([key.to_string()]),
            _ => Scope::tag(&Tag::new("owner", OWNER)),
        };
        let caches = self.caches.clone();
        Box::pin(async move { caches.write(scope, commit).await })
    }
}

/// Reads, loads, puts; deletes after the commit. What is usually done.
#[derive(Default)]
struct DeleteAfter(Arc<Mutex<HashMap<usize, u64>>>);

impl Subject for DeleteAfter {
    fn read(&self, key: usize, load: Work<Option<u64>>) -> Work<u64> {
        let map = self.0.clone();
        Box::pin(async move {
            let known = map.lock().expect("no panic").get(&key).copied();
            if let Some(value) = known {
                return Ok(value);
            }
            let value = load.await?.expect("the loader finds something");
            map.lock().expect("no panic").insert(key, value);
            Ok(value)
        })
    }

    fn write(&self, keys: &[usize], commit: Work<()>) -> Work<()> {
        let (map, keys) = (self.0.clone(), keys.to_vec());
        Box::pin(async move {
            commit.await?;
            for key in keys {
                map.lock().expect("no panic").remove(&key);
            }
            Ok(())
        })
    }
}

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn in_any_order_of_steps_what_was_acknowledged_is_read(steps in steps()) {
        let clock = Arc::<TestClock>::default();
        prop_assert_eq!(violation(Ours::new(clock.clone()), &clock, &steps), None);
    }
}

#[test]
fn the_checker_catches_a_fill_that_ignores_a_write() {
    let fill_after_write = [
        Step::Read(0),
        Step::Go(0),
        Step::Write(0),
        Step::Go(1),
        Step::Go(1),
        Step::Go(0),
        Step::Read(0),
    ];
    let clock = Arc::<TestClock>::default();
    let caught = violation(Arc::new(DeleteAfter::default()), &clock, &fill_after_write);
    assert!(caught.is_some(), "a value that was loaded before the write is in the map");
    assert_eq!(violation(Ours::new(clock.clone()), &clock, &fill_after_write), None);
}
