//! The real binary in a process of its own.

use std::{
    fs::{self, File},
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use mainstay_testing::{Call, Neighbour, PrivateRedis, TestDatabase, Wire};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{REDIS_PATIENCE, REDIS_TIMEOUT, until};

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_accounts");

/// What a command that has ended leaves behind.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Where processes of a test work: a folder, and a database on the engine of this run.
#[derive(Debug)]
pub(crate) struct Home {
    folder: TempDir,
    database: TestDatabase,
    redis: Option<String>,
}

impl Home {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let database = TestDatabase::create();
        let redis = database.redis().map(PrivateRedis::url);
        Self { folder, database, redis }
    }

    /// Runs a command on the database.
    pub(crate) fn run(&self, arguments: &[&str], changes: &[(&str, &str)], stdin: &str) -> Output {
        run_in(self.folder.path(), arguments, &self.environment(changes), stdin)
    }

    /// Starts the service on the database, on ports that the system chooses, and waits until it
    /// serves.
    pub(crate) async fn start(&self, changes: &[(&str, &str)]) -> Service {
        let folder = self.folder.path();
        Service::spawn(folder, command(folder, &self.environment(changes))).await
    }

    /// Another process at the database.
    pub(crate) fn neighbour(&self) -> Neighbour {
        self.database.neighbour()
    }

    fn environment<'a>(&'a self, changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let redis = self.redis.as_deref().map(|url| ("REDIS_URL", url));
        let usual: Vec<_> =
            [("DATABASE_URL", self.database.url())].into_iter().chain(redis).collect();
        [&usual, changes].concat()
    }
}

/// Runs a command in a folder that is gone afterwards.
pub(crate) fn run(arguments: &[&str], environment: &[(&str, &str)], stdin: &str) -> Output {
    let folder = tempfile::tempdir().expect("a temporary folder");
    run_in(folder.path(), arguments, environment, stdin)
}

/// Runs a command in a folder, with an environment of its own and nothing else in it.
pub(crate) fn run_in(
    folder: &Path,
    arguments: &[&str],
    environment: &[(&str, &str)],
    stdin: &str,
) -> Output {
    let mut child = command(folder, environment)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut pipe = child.stdin.take().expect("a pipe");
    // A command that reads nothing may have closed it already.
    let _ = pipe.write_all(stdin.as_bytes());
    drop(pipe);
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Output { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn command(folder: &Path, environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.current_dir(folder).env_clear().envs(environment.iter().copied());
    command
}

/// A service in a process; killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Service {
    child: Child,
    output: PathBuf,
    pub(crate) api: SocketAddr,
    pub(crate) ops: SocketAddr,
}

impl Service {
    /// Starts it in a folder, where it keeps its database as it does by default.
    pub(crate) async fn start(folder: &Path, environment: &[(&str, &str)]) -> Self {
        Self::spawn(folder, command(folder, environment)).await
    }

    /// Starts it below a shell that has run a script: to set what an environment cannot.
    pub(crate) async fn start_after(folder: &Path, script: &str) -> Self {
        let mut shell = Command::new("sh");
        shell.current_dir(folder).env_clear();
        shell.arg("-c").arg(format!("{script}; exec \"$0\"")).arg(PROGRAM);
        Self::spawn(folder, shell).await
    }

    async fn spawn(folder: &Path, mut command: Command) -> Self {
        let output = folder.join("output.log");
        let file = File::create(&output).expect("a writable folder");
        command.env("PORT", "0").env("OPS_PORT", "0").env("LOG_FORMAT", "json");
        let usual = [("MAINSTAY_LIMITS__MULTIPLIER", "10000"), (REDIS_TIMEOUT.0, REDIS_PATIENCE)];
        for (name, value) in usual {
            if !command.get_envs().any(|(given, _)| given == name) {
                command.env(name, value);
            }
        }
        command.stdin(Stdio::null()).stderr(file.try_clone().expect("a second handle"));
        let log_file = command.get_envs().find(|(name, _)| *name == "LOG_FILE");
        let log = log_file.and_then(|(_, path)| path).map(|path| folder.join(path));
        let log = log.unwrap_or_else(|| output.clone());
        let mut child = command.stdout(file).spawn().expect("the program starts");
        let serving = until("the service serves", async || {
            let ended = child.try_wait().expect("a child");
            let lines = fs::read_to_string(&log).unwrap_or_default();
            assert!(ended.is_none(), "it ended with {ended:?}: {lines}");
            let line = lines.lines().find(|line| line.contains("\"msg\":\"serving\""))?;
            serde_json::from_str::<Value>(line).ok()
        });
        let serving = serving.await;
        let address = |name: &str| {
            let url = serving[name].as_str().expect("a URL").trim_start_matches("http://");
            let authority = url.split('/').next().unwrap_or_default();
            authority.parse().expect("an address")
        };
        Self { child, output, api: address("api"), ops: address("ops") }
    }

    /// A call to the API.
    pub(crate) fn call(&self, method: &str, target: &str) -> Call {
        Call::new(self.api, method.parse().expect("a method"), target)
    }

    /// A `GET` to the operators' listener.
    pub(crate) fn ops(&self, target: &str) -> Call {
        Call::new(self.ops, "GET".parse().expect("a method"), target)
    }

    /// Where the operators' listener is.
    pub(crate) fn ops_address(&self) -> SocketAddr {
        self.ops
    }

    /// A connection to write bytes on.
    pub(crate) async fn wire(&self) -> Wire {
        Wire::connect(self.api).await
    }

    /// Asks it to stop.
    pub(crate) fn terminate(&self) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).expect("it runs");
    }

    /// Tells it that its log file has been moved.
    pub(crate) fn hang_up(&self) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::HUP).expect("it runs");
    }

    /// The memory that it has, in KiB.
    pub(crate) fn memory_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// Lifts the limit of how large its files may grow.
    pub(crate) fn make_room(&self) {
        let none = Rlimit { current: None, maximum: None };
        let pid = Pid::from_child(&self.child);
        prlimit(Some(pid), Resource::Fsize, none).expect("it runs");
    }

    /// Waits for its end and gives the exit code.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        let child = &mut self.child;
        let status = until("the process ends", async || child.try_wait().expect("a child"));
        status.await.code()
    }

    /// Ends it without a warning.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// What it has written so far.
    pub(crate) fn output(&self) -> String {
        fs::read_to_string(&self.output).expect("its output")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
