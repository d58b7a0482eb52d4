//! Several processes that share a limit: the test starts itself again for each, and judges what all
//! of them together have admitted.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use mainstay_core::Outcome;
use mainstay_store::RedisOptions;
use mainstay_test_databases::WallClock;
use rustix::process::{Pid, Signal, kill_process};

use super::{
    judge::{QUOTA, WINDOW_NS, log, most_in_any_window},
    member::{self, Event, now_ns},
};

/// What a member is told to do, in the environment of its process.
const VARIABLE: &str = "MAINSTAY_TEST_FLEET";

/// How many seconds requests are sent, instead of what a test plans.
const LONG: &str = "MAINSTAY_TEST_FLEET_SECONDS";

const MEMBERS: u32 = 4;

/// Until all have begun: some 50 ms, many times over.
const BEGIN: Duration = Duration::from_secs(1);

/// What a member does.
pub(super) struct Orders {
    pub(super) url: String,
    pub(super) traffic: String,
    pub(super) index: u32,
    pub(super) members: u32,
    pub(super) quota: u32,
    pub(super) window: Duration,
    /// By the clock that all share, in nanoseconds.
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) log: PathBuf,
    /// How long Redis may take.
    pub(super) patience: Duration,
}

impl Orders {
    pub(super) fn options(&self) -> RedisOptions {
        RedisOptions { command_timeout: self.patience, ..RedisOptions::default() }
    }

    fn text(&self) -> String {
        let Self { url, traffic, index, start, end, log, .. } = self;
        let [patience, window] = [self.patience, self.window].map(|time| time.as_millis());
        format!("{url}|{traffic}|{index}|{start}|{end}|{}|{patience}|{window}", log.display())
    }

    fn parse(text: &str) -> Self {
        let words: Vec<&str> = text.split('|').collect();
        let number = |n: usize| words[n].parse::<u64>().expect("a number");
        Self {
            url: words[0].to_owned(),
            traffic: words[1].to_owned(),
            index: number(2) as u32,
            members: MEMBERS,
            quota: QUOTA,
            window: Duration::from_millis(number(7)),
            start: number(3),
            end: number(4),
            log: words[5].into(),
            patience: Duration::from_millis(number(6)),
        }
    }
}

/// Does what this process was started for, if it was started as a member.
#[expect(clippy::disallowed_methods, reason = "set by the test itself, not by a configuration")]
pub(super) fn is_member() -> bool {
    let Ok(orders) = env::var(VARIABLE) else { return false };
    member::run(&Orders::parse(&orders));
    true
}

/// What a fleet does.
#[derive(Clone, Copy)]
pub(super) struct Plan<'p> {
    /// The kind of traffic that all of them make together.
    pub(super) traffic: &'p str,
    /// Where each of them finds Redis.
    pub(super) urls: [&'p str; MEMBERS as usize],
    /// The time of day as each of them sees it, if that is not the machine's.
    pub(super) clocks: [Option<&'p WallClock>; MEMBERS as usize],
    /// How long Redis may take.
    pub(super) patience: Duration,
    /// The window of the limit.
    pub(super) window: Duration,
    /// How long requests are sent.
    pub(super) length: Duration,
}

/// Processes under way.
pub(super) struct Fleet {
    members: Vec<Child>,
    folder: tempfile::TempDir,
    start: u64,
    window: Duration,
}

impl Fleet {
    /// Starts all of them. `test` is the path of the test that calls, which begins with
    /// [`is_member`]; each has an address of its own.
    pub(super) fn start(test: &str, plan: &Plan<'_>) -> Self {
        let Plan { traffic, urls, clocks, patience, window, length } = *plan;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let length = longer().unwrap_or(length);
        let start = now_ns() + BEGIN.as_nanos() as u64;
        let end = start + length.as_nanos() as u64;
        let members = (0..)
            .zip(urls.into_iter().zip(clocks))
            .map(|(index, (url, clock))| {
                let orders = Orders {
                    url: url.to_owned(),
                    traffic: traffic.to_owned(),
                    index,
                    members: MEMBERS,
                    quota: QUOTA,
                    window,
                    start,
                    end,
                    log: log_of(folder.path(), index),
                    patience,
                };
                let mut command = Command::new(env::current_exe().expect("a program"));
                command.args(["--exact", test, "--nocapture"]).env(VARIABLE, orders.text());
                command.stdin(Stdio::null()).stdout(Stdio::null());
                if let Some(clock) = clock {
                    clock.applied_to(&mut command);
                }
                command.spawn().expect("the program starts")
            })
            .collect();
        Self { members, folder, start, window }
    }

    /// Waits until so long after the first request.
    #[expect(clippy::disallowed_methods, reason = "when it happens is what a test says")]
    pub(super) fn wait_until(&self, after: Duration) {
        let at = self.start + after.as_nanos() as u64;
        std::thread::sleep(Duration::from_nanos(at.saturating_sub(now_ns())));
    }

    /// Stops a member for a while.
    #[expect(clippy::disallowed_methods, reason = "how long it is stopped is what a test says")]
    pub(super) fn stop(&self, index: usize, pause: Duration) {
        let pid = Pid::from_child(&self.members[index]);
        kill_process(pid, Signal::STOP).expect("it runs");
        std::thread::sleep(pause);
        kill_process(pid, Signal::CONT).expect("it is stopped");
    }

    /// What they have done, once all have ended.
    pub(super) fn end(mut self) -> Record {
        let (events, start, window) = (Vec::new(), self.start, self.window);
        let mut record = Record { events, start, window, questions: 0, alone: 0, failures: 0 };
        for (index, member) in (0..).zip(&mut self.members) {
            assert!(member.wait().expect("it ends").success(), "member {index}");
            let text = fs::read_to_string(log_of(self.folder.path(), index)).expect("its log");
            let (events, counts) = text.trim_end().rsplit_once('\n').expect("counts");
            record.events.extend(events.lines().map(Event::parse));
            let counts: Vec<u64> =
                counts.split(' ').map(|count| count.parse().expect("a number")).collect();
            record.questions += counts[0];
            record.alone += counts[1];
            record.failures += counts[2];
        }
        record.events.sort_unstable_by_key(|event| event.decided);
        record
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for member in &mut self.members {
            // It may have ended by itself.
            let _ = member.kill();
            let _ = member.wait();
        }
    }
}

fn log_of(folder: &Path, index: u32) -> PathBuf {
    folder.join(index.to_string())
}

#[expect(clippy::disallowed_methods, reason = "asked for by whoever runs the test")]
fn longer() -> Option<Duration> {
    let seconds = env::var(LONG).ok()?;
    Some(Duration::from_secs(seconds.parse().expect("seconds")))
}

/// What a fleet has done.
pub(super) struct Record {
    events: Vec<Event>,
    start: u64,
    window: Duration,
    /// Questions to Redis, decisions without it, questions without an answer.
    pub(super) questions: u64,
    pub(super) alone: u64,
    pub(super) failures: u64,
}

impl Record {
    fn admitted(&self) -> Vec<u64> {
        let admitted = self.events.iter().filter(|event| event.outcome == Outcome::Admitted);
        admitted.map(|event| event.decided).collect()
    }

    /// The most that any interval of the window's length holds.
    pub(super) fn most(&self) -> usize {
        self.most_between(Duration::ZERO, Duration::MAX)
    }

    /// The same for intervals that begin and end between two times after the first request.
    pub(super) fn most_between(&self, from: Duration, to: Duration) -> usize {
        let since = |at: u64| Duration::from_nanos(at.saturating_sub(self.start));
        let mut admitted = self.admitted();
        admitted.retain(|at| since(*at) >= from && since(*at) < to);
        most_in_any_window(&admitted, self.window.as_nanos() as u64)
    }

    /// The part of the requests that waited longer than this.
    pub(super) fn waited(&self, longer_than: Duration) -> f64 {
        let wait = |event: &&Event| event.decided.saturating_sub(event.arrived);
        let slow = self.events.iter().filter(|event| wait(event) > longer_than.as_nanos() as u64);
        slow.count() as f64 / self.events.len() as f64
    }

    /// How much was admitted of what the exact log would have.
    pub(super) fn utilisation(&self) -> f64 {
        let mut arrivals: Vec<u64> = self.events.iter().map(|event| event.arrived).collect();
        arrivals.sort_unstable();
        let scale = WINDOW_NS / self.window.as_nanos() as u64;
        let mut log = log();
        let possible = arrivals.iter().filter(|at| log(**at * scale)).count();
        self.admitted().len() as f64 / possible as f64
    }

    /// Questions for each request.
    pub(super) fn questions_per_request(&self) -> f64 {
        self.questions as f64 / self.events.len() as f64
    }

    /// In one line.
    pub(super) fn told(&self) -> String {
        format!(
            "{} requests, {} admitted, {} in a window, {:.4} of the log, {:.4} questions each, \
             {} alone, {} failures",
            self.events.len(),
            self.admitted().len(),
            self.most(),
            self.utilisation(),
            self.questions_per_request(),
            self.alone,
            self.failures,
        )
    }
}
