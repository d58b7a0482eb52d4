//! One server: its folder, its start and its ends.

use std::{
    fs::{self, File},
    io::{self, Write},
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{account::Account, programs, random_word};

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// It is not installed.
    #[error(
        "PostgreSQL is needed and its server is not installed; on Debian and Ubuntu: \
         `apt-get install postgresql`, elsewhere put its programs on the PATH"
    )]
    NotInstalled,
    /// Root may not run it, and nobody else can.
    #[error(
        "PostgreSQL does not run as root, and there is no account `postgres` to run it as; \
         Debian's package makes one: `apt-get install postgresql`"
    )]
    NoAccount,
    /// One of its programs fails.
    #[error("`{program}` failed: {output}")]
    Failed {
        /// Which one.
        program: &'static str,
        /// What it has written, and the end of the server's log.
        output: String,
    },
    /// Its folder cannot be made or used.
    #[error("the folder of a PostgreSQL server: {0}")]
    Folder(#[from] io::Error),
    /// Somebody else's files are where the shared server's should be.
    #[error("{0} belongs to somebody else")]
    NotOurs(String),
}

/// Whether what was committed survives an end of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// As in production: a commit is on the disk before it is answered.
    Kept,
    /// Nothing waits for the disk: for tests about anything else. Survives the end of the server,
    /// not of the machine.
    Risked,
}

/// Who owns every server here.
pub(super) const USER: &str = "postgres";

/// Settings of every server. It is found by its port only. Nothing is replicated, and databases
/// that live for a second are not vacuumed.
const SETTINGS: &[&str] = &[
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    // More tests run at a time than cores, each with a pool or two.
    "max_connections=200",
    "wal_level=minimal",
    "max_wal_senders=0",
    "autovacuum=off",
];

/// What a [`Durability::Risked`] server has in addition. Commits stay synchronous: without a disk
/// to wait for that costs nothing, and a crash of the server alone keeps them.
const UNSAFE: &[&str] = &["fsync=off", "full_page_writes=off"];

/// A port may be taken between its choice and its use; three times in a row it is something else.
const STARTS_MAX: u32 = 3;

/// A server's files and how to reach it.
#[derive(Clone, Debug)]
pub(super) struct Cluster {
    programs: PathBuf,
    account: Account,
    data: PathBuf,
    durability: Durability,
    pub(super) port: u16,
    pub(super) password: String,
}

impl Cluster {
    /// Makes a server in a folder, which must let its account pass.
    pub(super) fn init(folder: &Path, durability: Durability) -> Result<Self, ServerError> {
        let (programs, account) = (programs::folder()?, Account::find()?);
        let data = folder.join("data");
        let password = random_word();
        fs::DirBuilder::new().mode(0o700).create(&data)?;
        let secret = folder.join("password");
        keep_secret(&secret, &password)?;
        account.give(&data)?;
        account.give(&secret)?;
        let cluster = Self { programs, account, data, durability, port: 0, password };
        let mut init = cluster.command("initdb");
        init.args(["--no-locale", "--encoding=UTF8", "--username", USER, "--no-sync"]);
        // In plain text over the loopback: scrambling it takes unoptimised code 40 ms a connection.
        init.arg("--auth=password").arg("--pwfile").arg(&secret);
        cluster.finish("initdb", &mut init)?;
        fs::remove_file(&secret)?;
        Ok(cluster)
    }

    /// Starts it on a free port; returns once it answers.
    pub(super) fn start(&mut self) -> Result<(), ServerError> {
        let mut attempt = 1;
        loop {
            self.port = free_port()?;
            match self.start_on_port() {
                Err(_) if attempt < STARTS_MAX => attempt += 1,
                result => return result,
            }
        }
    }

    /// Starts it on the port it had.
    pub(super) fn start_on_port(&self) -> Result<(), ServerError> {
        let durable = match self.durability {
            Durability::Kept => &[],
            Durability::Risked => UNSAFE,
        };
        let settings = SETTINGS.iter().chain(durable).map(|setting| format!("-c {setting}"));
        let options = settings.chain([format!("-p {}", self.port)]).collect::<Vec<_>>().join(" ");
        let mut start = self.command("pg_ctl");
        start.args(["start", "--wait", "--silent", "--options", &options]);
        start.arg("--log").arg(self.log());
        self.finish("pg_ctl start", &mut start)
    }

    /// Ends it as a crash would: nothing is tidied, and what is connected is cut.
    pub(super) fn crash(&self) -> Result<(), ServerError> {
        let mut stop = self.command("pg_ctl");
        stop.args(["stop", "--mode=immediate", "--wait", "--silent"]);
        self.finish("pg_ctl stop", &mut stop)
    }

    /// The address of one of its databases.
    pub(super) fn url(&self, database: &str) -> String {
        url(self.port, &self.password, database)
    }

    fn log(&self) -> PathBuf {
        self.data.join("server.log")
    }

    /// One of the programs of its version.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.program(program));
        self.account.run_as(&mut command);
        // The folder that the tests run in may be closed to the account.
        command.current_dir(&self.data).env_clear().env("PGDATA", &self.data).stdin(Stdio::null());
        command
    }

    fn finish(&self, program: &'static str, command: &mut Command) -> Result<(), ServerError> {
        let output = command.output()?;
        if output.status.success() {
            return Ok(());
        }
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let (said, log) = (String::from_utf8_lossy(&output.stderr), log.trim_end());
        let output = format!("{}\n{log}", said.trim_end());
        Err(ServerError::Failed { program, output })
    }
}

/// The address of a database of one of these servers.
pub(super) fn url(port: u16, password: &str, database: &str) -> String {
    format!("postgres://{USER}:{password}@127.0.0.1:{port}/{database}")
}

/// Writes a file for its owner only.
pub(super) fn keep_secret(path: &Path, text: &str) -> io::Result<()> {
    let mut options = File::options();
    options.mode(0o600).write(true).create(true).truncate(true);
    options.open(path)?.write_all(text.as_bytes())
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
