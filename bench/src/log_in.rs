//! What a log-in tells by its time, and what a flood of log-ins does to everything else.

use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use serde_json::json;

use crate::process::{Place, Server, admin};

/// Accounts whose passwords are guessed at, and addresses nobody has. Each is asked for fewer times
/// than it takes to be delayed.
const ACCOUNTS: usize = 64;

/// Of a wrong password and an unknown account, one after the other, in a random order.
const PAIRS: usize = 500;

/// Log-ins a second for each core: what a core can hash.
const RATE_PER_CORE: u32 = 25;

const FLOOD: Duration = Duration::from_secs(15);

/// Connections that read one after the other while the log-ins come.
const READERS: usize = 8;

const PASSWORD: &str = "measured, not guessed";

pub(crate) fn measure(folder: &Path) -> Result<String> {
    let told = tell_apart(folder)?;
    let flooded = flood(folder)?;
    Ok(format!("{told}\n\n{flooded}"))
}

fn register(server: &Server, email: &str) -> Result<()> {
    let body = json!({ "email": email, "name": "Ada", "password": PASSWORD });
    let (status, _) = server.request("POST", "/users", None, Some(&body))?;
    ensure!(status == 201, "a registration answered {status}");
    Ok(())
}

/// Logs in, and says how long that took.
fn log_in(server: &Server, email: &str, password: &str, expected: u16) -> Result<Duration> {
    let body = json!({ "email": email, "password": password });
    let start = Instant::now();
    let (status, _) = server.request("POST", "/sessions", None, Some(&body))?;
    let took = start.elapsed();
    ensure!(status == expected, "a log-in answered {status}");
    Ok(took)
}

fn tell_apart(folder: &Path) -> Result<String> {
    let server = Server::start("accounts", Place::embedded(folder))?;
    for at in 0..ACCOUNTS {
        register(&server, &format!("known{at}@example.com"))?;
    }
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    // A fixed sequence that is not periodic: which of a pair goes first must not matter.
    let mut order = 0x9e37_79b9_u32;
    for pair in 0..PAIRS {
        order ^= order << 13;
        order ^= order >> 17;
        order ^= order << 5;
        let guess = |kind: &str, times: &mut Vec<Duration>| -> Result<()> {
            let email = format!("{kind}{}@example.com", pair % ACCOUNTS);
            times.push(log_in(&server, &email, "not the right one", 401)?);
            Ok(())
        };
        if order & 1 == 0 {
            guess("known", &mut known)?;
            guess("nobody", &mut unknown)?;
        } else {
            guess("nobody", &mut unknown)?;
            guess("known", &mut known)?;
        }
    }
    Ok(format!(
        "wrong password against unknown account, {PAIRS} interleaved pairs: AUC {:.3} \
         (0.5: they cannot be told apart), medians {:.2} and {:.2} ms",
        auc(&known, &unknown),
        percentile(&mut known, 50).as_secs_f64() * 1e3,
        percentile(&mut unknown, 50).as_secs_f64() * 1e3,
    ))
}

/// The chance that a time of one kind is longer than one of the other (Mann and Whitney's U).
fn auc(ones: &[Duration], others: &[Duration]) -> f64 {
    let wins = |one: &Duration| -> f64 {
        let win = |other: &Duration| match one.cmp(other) {
            std::cmp::Ordering::Greater => 1.0,
            std::cmp::Ordering::Equal => 0.5,
            std::cmp::Ordering::Less => 0.0,
        };
        others.iter().map(win).sum()
    };
    ones.iter().map(wins).sum::<f64>() / (ones.len() * others.len()) as f64
}

fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times.get((times.len() * percent / 100).min(times.len() - 1)).copied().unwrap_or_default()
}

/// Reads while log-ins come at a rate that does not depend on how fast they are answered.
fn flood(folder: &Path) -> Result<String> {
    let server = Server::start("accounts", Place::embedded(folder))?;
    let reader = admin(&server, "reader@example.com")?;
    for at in 0..ACCOUNTS {
        register(&server, &format!("known{at}@example.com"))?;
    }
    let path = format!("/users/{}", reader.id);
    let cores = thread::available_parallelism().map_or(1, usize::from) as u32;
    let rate = RATE_PER_CORE * cores;
    let (quiet, _) = read_for(&server, &path, &reader.token, Duration::from_secs(5));
    let answers: Mutex<HashMap<u16, u32>> = Mutex::default();
    let (busy, took) = thread::scope(|scope| {
        let (server, answers) = (&server, &answers);
        scope.spawn(move || {
            let start = Instant::now();
            thread::scope(|scope| {
                for at in 0..rate * FLOOD.as_secs() as u32 {
                    wait_until(start + Duration::from_secs(1) * at / rate);
                    scope.spawn(move || {
                        let email = format!("known{}@example.com", at as usize % ACCOUNTS);
                        let body = json!({ "email": email, "password": PASSWORD });
                        let answer = server.request("POST", "/sessions", None, Some(&body));
                        let status = answer.map_or(0, |(status, _)| status);
                        if let Ok(mut answers) = answers.lock() {
                            *answers.entry(status).or_default() += 1;
                        }
                    });
                }
            });
        });
        read_for(server, &path, &reader.token, FLOOD)
    });
    let answers = answers.into_inner().unwrap_or_default();
    let done = answers.get(&201).copied().unwrap_or_default();
    let [mut quiet, mut busy] = [quiet, busy];
    let ms = |times: &mut [Duration], percent| percentile(times, percent).as_secs_f64() * 1e3;
    Ok(format!(
        "{rate} log-ins a second on {cores} cores for {} s: {done} of {} done, by status \
         {answers:?}\nreads meanwhile: {:.0}/s, p50 {:.2} ms, p99 {:.2} ms; \
         without log-ins p99 {:.2} ms",
        FLOOD.as_secs(),
        rate * FLOOD.as_secs() as u32,
        busy.len() as f64 / took.as_secs_f64(),
        ms(&mut busy, 50),
        ms(&mut busy, 99),
        ms(&mut quiet, 99),
    ))
}

#[expect(clippy::disallowed_methods, reason = "an open loop sends by the clock")]
fn wait_until(time: Instant) {
    thread::sleep(time.saturating_duration_since(Instant::now()));
}

/// The times of reads on a few connections, as many as there are in that time.
fn read_for(server: &Server, path: &str, token: &str, time: Duration) -> (Vec<Duration>, Duration) {
    let (over, failures) = (AtomicBool::new(false), AtomicU32::new(0));
    let times: Mutex<Vec<Duration>> = Mutex::default();
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..READERS {
            scope.spawn(|| {
                let mut own = Vec::new();
                while !over.load(Ordering::Relaxed) {
                    let start = Instant::now();
                    match server.request("GET", path, Some(token), None) {
                        Ok((200, _)) => own.push(start.elapsed()),
                        _ => _ = failures.fetch_add(1, Ordering::Relaxed),
                    }
                    // A client that thinks: eight that do not would be the load.
                    wait_until(Instant::now() + Duration::from_millis(2));
                }
                if let Ok(mut times) = times.lock() {
                    times.append(&mut own);
                }
            });
        }
        wait_until(start + time);
        over.store(true, Ordering::Relaxed);
    });
    assert_eq!(failures.into_inner(), 0, "a read failed");
    (times.into_inner().unwrap_or_default(), start.elapsed())
}
