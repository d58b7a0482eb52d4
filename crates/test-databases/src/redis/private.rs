//! `PrivateRedis`: a Redis of one test's own, to break in every way.

use std::{
    ffi::OsString,
    fs,
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    WallClock,
    machine::{Guard, ServerError, has_ended, on_free_port, programs},
};

/// The file in a server's folder that holds its process.
const PID_FILE: &str = "pid";

/// What it takes to start or to end, many times over.
const CHANGE_MAX: Duration = Duration::from_secs(10);

/// What a server still knows after its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// Everything that it has acknowledged: each write is on the disk first.
    Kept,
    /// Nothing.
    Lost,
}

/// A server that nobody else uses; it is gone when it is dropped, or its process ends in whatever
/// way. It takes some 20 ms to start.
#[derive(Debug)]
pub struct PrivateRedis {
    program: PathBuf,
    settings: Vec<String>,
    environment: Vec<(&'static str, OsString)>,
    pub(super) port: u16,
    guard: Guard,
}

impl PrivateRedis {
    /// Starts one; returns once it answers.
    pub fn start(memory: Memory) -> Result<Self, ServerError> {
        Self::start_with(memory, &[])
    }

    /// The same with more settings, as on the command line: `["--maxmemory", "1mb"]`.
    pub fn start_with(memory: Memory, settings: &[&str]) -> Result<Self, ServerError> {
        Self::start_as(settings_of(memory, settings), Vec::new())
    }

    /// Starts one that takes the time of day from a clock of the test's.
    pub fn start_by(memory: Memory, clock: &WallClock) -> Result<Self, ServerError> {
        Self::start_as(settings_of(memory, &[]), clock.environment())
    }

    /// Starts one that watches others.
    pub(super) fn start_sentinel() -> Result<Self, ServerError> {
        Self::start_as(vec!["--sentinel".to_owned()], Vec::new())
    }

    fn start_as(
        settings: Vec<String>,
        environment: Vec<(&'static str, OsString)>,
    ) -> Result<Self, ServerError> {
        let guard = Guard::new(PID_FILE, "KILL")?;
        let program = programs::redis()?;
        let mut server = Self { program, settings, environment, port: 0, guard };
        server.port = on_free_port(|port| server.begin(port))?;
        Ok(server)
    }

    fn begin(&self, port: u16) -> Result<(), ServerError> {
        let folder = self.guard.folder();
        // A sentinel writes what it learns into it.
        let configuration = folder.join("configuration");
        fs::OpenOptions::new().create(true).append(true).open(&configuration)?;
        let mut command = Command::new(&self.program);
        command.arg(configuration).current_dir(folder).env_clear().stdin(Stdio::null());
        command.envs(self.environment.iter().cloned());
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--daemonize", "yes"]);
        command.args(["--logfile", "log"]);
        command.arg("--pidfile").arg(folder.join(PID_FILE)).args(&self.settings);
        let output = command.output()?;
        if !output.status.success() {
            return Err(self.failed(&String::from_utf8_lossy(&output.stdout)));
        }
        let begun = Instant::now();
        while !ask(port, &["PING"]).is_ok_and(|answer| answer == "PONG") {
            let ended = process(folder).is_some_and(has_ended);
            if ended || begun.elapsed() > CHANGE_MAX {
                return Err(self.failed("it does not answer"));
            }
            std::thread::yield_now();
        }
        Ok(())
    }

    fn failed(&self, why: &str) -> ServerError {
        let log = fs::read_to_string(self.guard.folder().join("log")).unwrap_or_default();
        let output = format!("{}\n{}", why.trim_end(), log.trim_end());
        ServerError::Failed { program: "redis-server", output }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Asks it something on a connection of its own, such as `["FLUSHALL"]`; the answer as text,
    /// with the elements of an array on lines of their own.
    ///
    /// # Panics
    /// When it does not answer, or refuses.
    pub fn ask(&self, words: &[&str]) -> String {
        ask(self.port, words).unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// How often it has been asked for a command, by `INFO commandstats`.
    pub fn calls(&self, command: &str) -> u64 {
        let prefix = format!("cmdstat_{}:calls=", command.to_lowercase());
        let info = self.ask(&["INFO", "commandstats"]);
        let line = info.lines().find_map(|line| line.strip_prefix(prefix.as_str()));
        let number = line.and_then(|rest| rest.split(',').next());
        number.map_or(0, |number| number.parse().expect("a number"))
    }

    /// Ends it without a warning, and waits until it has ended.
    pub fn crash(&self) -> Result<(), ServerError> {
        let Some(pid) = process(self.guard.folder()) else { return Ok(()) };
        signal(pid, Signal::KILL)?;
        let begun = Instant::now();
        while !has_ended(pid) {
            if begun.elapsed() > CHANGE_MAX {
                return Err(self.failed("it does not end"));
            }
            std::thread::yield_now();
        }
        // Or the next start would be taken to have ended.
        fs::remove_file(self.guard.folder().join(PID_FILE))?;
        Ok(())
    }

    /// Loses what it had kept on the disk, after a [`crash`](Self::crash).
    pub fn forget(&self) -> Result<(), ServerError> {
        match fs::remove_dir_all(self.guard.folder().join("appendonlydir")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Starts it again after a [`crash`](Self::crash), at the same address.
    pub fn start_again(&self) -> Result<(), ServerError> {
        self.begin(self.port)
    }

    /// Stops it: connections stay open and are not served, and the system accepts new ones that
    /// nobody answers.
    pub fn pause(&self) -> Result<(), ServerError> {
        process(self.guard.folder()).map_or(Ok(()), |pid| signal(pid, Signal::STOP))
    }

    /// Goes on after a [`pause`](Self::pause), with whatever was asked meanwhile.
    pub fn resume(&self) -> Result<(), ServerError> {
        process(self.guard.folder()).map_or(Ok(()), |pid| signal(pid, Signal::CONT))
    }
}

fn settings_of(memory: Memory, more: &[&str]) -> Vec<String> {
    let append = if memory == Memory::Kept { "yes" } else { "no" };
    let usual = ["--appendonly", append, "--appendfsync", "always", "--save", ""];
    // Tests make it sleep (`DEBUG SLEEP`), which newer versions otherwise refuse.
    let usual = usual.into_iter().chain(["--enable-debug-command", "yes"]);
    usual.chain(more.iter().copied()).map(str::to_owned).collect()
}

fn process(folder: &Path) -> Option<Pid> {
    let text = fs::read_to_string(folder.join(PID_FILE)).ok()?;
    Pid::from_raw(text.trim().parse().ok()?)
}

fn signal(pid: Pid, signal: Signal) -> Result<(), ServerError> {
    match kill_process(pid, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(std::io::Error::from(error).into()),
    }
}

/// One question on one connection, in the protocol's plain form (RESP2).
fn ask(port: u16, words: &[&str]) -> std::io::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    let words = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len()));
    let question = format!("*{}\r\n{}", words.len(), words.collect::<String>());
    stream.write_all(question.as_bytes())?;
    answer(&mut BufReader::new(stream))
}

fn answer(stream: &mut impl BufRead) -> std::io::Result<String> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let line = line.trim_end();
    let invalid = || std::io::Error::other(format!("not an answer: {line:?}"));
    let (kind, rest) = line.split_at_checked(1).ok_or_else(invalid)?;
    match kind {
        "+" | ":" => Ok(rest.to_owned()),
        "-" => Err(std::io::Error::other(rest.to_owned())),
        "$" => {
            let Ok(length) = rest.parse::<usize>() else { return Ok(String::new()) };
            let mut text = vec![0; length + 2];
            stream.read_exact(&mut text)?;
            text.truncate(length);
            Ok(String::from_utf8_lossy(&text).into_owned())
        }
        "*" => {
            let count: usize = rest.parse().unwrap_or_default();
            let items: Result<Vec<_>, _> = (0..count).map(|_| answer(stream)).collect();
            Ok(items?.join("\n"))
        }
        _ => Err(invalid()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{self, RecvTimeoutError};

    use super::*;
    use crate::FaultProxy;

    fn server(memory: Memory) -> PrivateRedis {
        PrivateRedis::start(memory).expect("starts")
    }

    #[test]
    fn a_server_keeps_or_loses_what_it_knew_when_it_crashes() {
        for (memory, left) in [(Memory::Kept, "7"), (Memory::Lost, "")] {
            let server = server(memory);
            assert_eq!(server.ask(&["SET", "key", "7"]), "OK");
            server.crash().expect("ends");
            assert!(ask(server.port, &["PING"]).is_err(), "it is gone");
            server.start_again().expect("starts");
            assert_eq!(server.ask(&["GET", "key"]), left);
            server.crash().expect("ends");
            server.forget().expect("is lost");
            server.start_again().expect("starts");
            assert_eq!(server.ask(&["GET", "key"]), "");
            assert_eq!(server.ask(&["LRANGE", "none", "0", "1"]), "");
            assert_eq!(server.calls("get"), 1);
        }
    }

    #[test]
    fn a_paused_server_answers_nobody_and_is_gone_with_its_owner_all_the_same() {
        let server = server(Memory::Lost);
        let port = server.port;
        server.pause().expect("stops");
        let (sender, answers) = mpsc::channel();
        std::thread::spawn(move || sender.send(ask(port, &["PING"]).expect("is answered")));
        let soon = Duration::from_millis(100);
        assert_eq!(answers.recv_timeout(soon), Err(RecvTimeoutError::Timeout), "it answers");
        server.resume().expect("goes on");
        assert_eq!(answers.recv().as_deref(), Ok("PONG"));
        server.pause().expect("stops");
        drop(server);
        assert!(ask(port, &["PING"]).is_err());
    }

    #[test]
    fn a_proxy_may_lose_only_what_the_server_says() {
        let server = server(Memory::Lost);
        let proxy = FaultProxy::in_front_of(&server.url());
        let port = proxy.url().rsplit_once(':').expect("a port").1.parse().expect("a number");
        assert_eq!(ask(port, &["SET", "key", "1"]).expect("is passed on"), "OK");
        proxy.black_hole_answers();
        let waiting = std::thread::spawn(move || ask(port, &["SET", "key", "2"]));
        let begun = Instant::now();
        while server.ask(&["GET", "key"]) != "2" {
            assert!(begun.elapsed() < CHANGE_MAX, "it was not heard");
        }
        assert!(!waiting.is_finished(), "it was answered");
        proxy.pass();
        assert_eq!(waiting.join().expect("no panic").expect("is passed on"), "OK");
    }
}
