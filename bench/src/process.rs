//! Servers under measurement: started, asked, stopped.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// Where servers keep their files, and which database is theirs.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    folder: &'a Path,
    /// The address of one that all of them share; otherwise each makes a file.
    shared: Option<&'a str>,
}

impl<'a> Place<'a> {
    /// Each server has an embedded database of its own.
    pub(crate) fn embedded(folder: &'a Path) -> Self {
        Self { folder, shared: None }
    }

    /// Every server has this database.
    pub(crate) fn at(folder: &'a Path, url: &'a str) -> Self {
        Self { folder, shared: Some(url) }
    }

    /// Whether what one server has written is there for the next.
    pub(crate) fn is_shared(self) -> bool {
        self.shared.is_some()
    }
}

/// A server process; killed when it is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
    database: String,
}

/// An administrator of a running `accounts`.
pub(crate) struct Admin {
    pub(crate) id: String,
    pub(crate) token: String,
}

const PASSWORD: &str = "measured, not guessed";

impl Server {
    /// Starts one of the binaries beside this one and waits for its first answer.
    pub(crate) fn start(binary: &str, place: Place<'_>) -> Result<Self> {
        Self::start_by(command(binary)?, place)
    }

    /// Starts it by a command that ends up running it.
    pub(crate) fn start_by(mut command: Command, place: Place<'_>) -> Result<Self> {
        let port = free_port()?;
        let embedded = || format!("sqlite:{}", place.folder.join(format!("{port}.db")).display());
        let database = place.shared.map_or_else(embedded, ToOwned::to_owned);
        let child = command
            .env("DATABASE_URL", &database)
            .env("PORT", port.to_string())
            .env("OPS_PORT", free_port()?.to_string())
            .env("LOG_FILE", place.folder.join(format!("{port}.log")))
            // Loopback is one client; measuring refusals is not the point here.
            .env("MAINSTAY_LIMITS__MULTIPLIER", "1000000")
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("start {command:?}"))?;
        let server = Self { child, port, database };
        server.wait_for_answer()?;
        Ok(server)
    }

    /// Asks it to stop and waits until it has; what it says on standard error meanwhile.
    pub(crate) fn stop(mut self) -> Result<String> {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status()?;
        let mut text = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            stderr.read_to_string(&mut text)?;
        }
        self.child.wait()?;
        Ok(text)
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn wait_for_answer(&self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_mins(1);
        while Instant::now() < deadline {
            if self.request("GET", "/noop", None, None).is_ok() {
                return Ok(());
            }
            std::thread::yield_now();
        }
        bail!("no answer from port {}", self.port)
    }

    /// One request on a connection of its own; the status and the body.
    pub(crate) fn request(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> Result<(u16, Value)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        let body = body.map(ToString::to_string).unwrap_or_default();
        let bearer = token.map(|t| format!("authorization: Bearer {t}\r\n")).unwrap_or_default();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{bearer}\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let status = text.split(' ').nth(1).and_then(|s| s.parse().ok()).context("a status")?;
        let (_, body) = text.split_once("\r\n\r\n").context("a body")?;
        Ok((status, serde_json::from_str(body).unwrap_or_default()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A binary of this build.
fn path(binary: &str) -> Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name(binary))
}

fn command(binary: &str) -> Result<Command> {
    let (program, arguments) = words(binary)?;
    let mut command = Command::new(program);
    command.args(arguments);
    Ok(command)
}

/// A binary of this build and its arguments, which follow its name.
pub(crate) fn words(binary: &str) -> Result<(PathBuf, impl Iterator<Item = &str>)> {
    let mut words = binary.split(' ');
    let name = words.next().unwrap_or_default();
    Ok((path(name)?, words))
}

/// Creates an administrator by the service's own command and logs in.
pub(crate) fn admin(accounts: &Server, email: &str) -> Result<Admin> {
    let mut child = command("accounts")?
        .env("DATABASE_URL", &accounts.database)
        .args(["admin", "create", "--email", email])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()?;
    child.stdin.take().context("a pipe")?.write_all(format!("{PASSWORD}\n").as_bytes())?;
    anyhow::ensure!(child.wait()?.success(), "`admin create` failed");
    let login = serde_json::json!({ "email": email, "password": PASSWORD });
    let (status, session) = accounts.request("POST", "/sessions", None, Some(&login))?;
    anyhow::ensure!(status == 201, "the log-in answered {status}");
    let token = session["token"].as_str().context("a token")?.to_owned();
    let (_, me) = accounts.request("GET", "/me", Some(&token), None)?;
    Ok(Admin { id: me["id"].as_str().context("an id")?.to_owned(), token })
}

/// An administrator's own path and the header they read it with.
pub(crate) fn reader(accounts: &Server) -> Result<(String, String)> {
    let admin = admin(accounts, "reader@example.com").context("an administrator to read as")?;
    Ok((format!("/users/{}", admin.id), format!("Authorization: Bearer {}", admin.token)))
}

/// Where an administrator asks whether a flag is on, and the header they ask with.
pub(crate) fn evaluator(accounts: &Server) -> Result<(String, String)> {
    let admin = admin(accounts, "evaluator@example.com").context("an administrator to ask as")?;
    let flag = serde_json::json!({
        "key": "measured", "description": "", "enabled": true, "rollout_basis_points": 5000,
        "allow": [], "prerequisites": [],
    });
    let (status, _) = accounts.request("POST", "/flags", Some(&admin.token), Some(&flag))?;
    anyhow::ensure!(status == 201, "making a flag answered {status}");
    let header = format!("Authorization: Bearer {}", admin.token);
    Ok(("/flags/measured/evaluation".to_owned(), header))
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
