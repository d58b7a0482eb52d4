//! Outputs that block, fail and tear lines apart: what is lost is counted, and nobody waits.

use std::{
    io::{self, Write},
    sync::{Arc, Condvar, Mutex, mpsc},
    time::Duration,
};

use super::{Noon, PATIENCE, Tape, config, nobody};
use crate::telemetry::Telemetry;

/// What an output does with the next write.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Works,
    Blocks,
    Fails,
    /// Takes three bytes, then fails.
    Tears,
}

/// An output whose mood tests change.
#[derive(Clone)]
struct Moody {
    tape: Tape,
    mood: Arc<(Mutex<Mood>, Condvar)>,
}

impl Moody {
    fn new(mood: Mood) -> Self {
        Self { tape: Tape::default(), mood: Arc::new((Mutex::new(mood), Condvar::new())) }
    }

    fn turn(&self, mood: Mood) {
        *self.mood.0.lock().expect("not poisoned") = mood;
        self.mood.1.notify_all();
    }

    fn log(&self) -> Telemetry {
        Telemetry::with_output(Box::new(self.clone()), &config(&[]), nobody, Arc::new(Noon))
            .expect("threads are to be had")
    }
}

impl Write for Moody {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mood = self.mood.0.lock().expect("not poisoned");
        let mut mood =
            self.mood.1.wait_while(mood, |mood| *mood == Mood::Blocks).expect("not poisoned");
        match *mood {
            Mood::Fails => Err(io::ErrorKind::StorageFull.into()),
            Mood::Tears => {
                *mood = Mood::Fails;
                self.tape.write(&bytes[..3])
            }
            Mood::Works | Mood::Blocks => self.tape.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn say(log: &Telemetry, text: &str) {
    tracing::dispatcher::with_default(&log.dispatch(), || tracing::info!("{text}"));
}

#[test]
fn a_blocked_output_never_blocks_who_logs_and_losses_are_told() {
    let output = Moody::new(Mood::Blocks);
    let log = output.log();
    let padding = "x".repeat(1000);
    // Three times what both buffers hold.
    let lines = 6000;
    for _ in 0..lines {
        say(&log, &padding);
    }
    let dropped = log.dropped();
    assert!(dropped > 0 && dropped < lines, "{dropped}");
    assert!(!log.flush(Duration::ZERO));

    output.turn(Mood::Works);
    assert!(log.flush(PATIENCE));
    say(&log, "afterwards");
    assert!(log.flush(PATIENCE));
    let text = output.tape.text();
    assert_eq!(text.matches(&padding).count() as u64, lines - dropped);
    assert_eq!(text.matches("log lines lost").count(), 1);
    assert!(text.contains(&format!("\"lost\":{dropped}}}")));
    assert_eq!(log.dropped(), dropped);
}

#[test]
fn an_output_that_fails_for_a_while_costs_no_line() {
    let output = Moody::new(Mood::Fails);
    let log = output.log();
    say(&log, "kept");
    assert!(!log.flush(Duration::ZERO));
    say(&log, "kept as well");
    output.turn(Mood::Works);
    assert!(log.flush(PATIENCE));
    let text = output.tape.text();
    assert_eq!(text.lines().count(), 2, "{text}");
    assert_eq!(log.dropped(), 0);
}

#[test]
fn what_does_not_fit_while_an_output_fails_is_lost_and_told() {
    let output = Moody::new(Mood::Fails);
    let log = output.log();
    let padding = "x".repeat(1000);
    let lines = 6000;
    for _ in 0..lines {
        say(&log, &padding);
    }
    let dropped = log.dropped();
    assert!(dropped > 0 && dropped < lines, "{dropped}");

    output.turn(Mood::Works);
    assert!(log.flush(PATIENCE));
    let text = output.tape.text();
    assert_eq!(text.matches(&padding).count() as u64, lines - dropped);
    assert!(text.ends_with(&format!("\"lost\":{dropped}}}\n")));
}

#[test]
fn a_line_that_was_torn_is_completed() {
    let output = Moody::new(Mood::Tears);
    let log = output.log();
    say(&log, "whole");
    assert!(!log.flush(Duration::ZERO));
    output.turn(Mood::Works);
    assert!(log.flush(PATIENCE));
    let text = output.tape.text();
    assert!(text.starts_with("{\"time\":") && text.ends_with("}\n"), "{text}");
    assert_eq!((text.lines().count(), log.dropped()), (1, 0));
}

#[test]
fn the_end_of_the_process_does_not_wait_for_an_output_that_fails() {
    let output = Moody::new(Mood::Fails);
    let log = output.log();
    say(&log, "given up");
    drop(log);
    // The writer holds the other handle until it ends.
    let ended = || Arc::strong_count(&output.mood) == 1;
    let start = std::time::Instant::now();
    while !ended() && start.elapsed() < PATIENCE {
        std::thread::yield_now();
    }
    assert!(ended());
    assert_eq!(output.tape.text(), "");
}

/// Hands on every batch as it is written.
struct Channel(mpsc::Sender<Vec<u8>>);

impl Write for Channel {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(bytes.to_vec()).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_line_appears_without_a_flush() {
    let (sender, receiver) = mpsc::channel();
    let log =
        Telemetry::with_output(Box::new(Channel(sender)), &config(&[]), nobody, Arc::new(Noon))
            .expect("threads are to be had");
    for _ in 0..3 {
        say(&log, "hello");
        receiver.recv_timeout(PATIENCE).expect("the line is written");
    }
    // The writer ends with its log, after writing what it has.
    say(&log, "last words");
    drop(log);
    let rest: Vec<u8> = receiver.iter().flatten().collect();
    assert!(String::from_utf8_lossy(&rest).contains("last words"));
}
