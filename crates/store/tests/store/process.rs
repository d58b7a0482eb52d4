//! A process that migrates, to be killed: the test starts itself again, and does that there.

use std::process::{Child, Command, ExitStatus, Stdio};

use mainstay_store::{Database, DatabaseOptions, Migrations};

/// The address of the database, in the environment of such a process.
const VARIABLE: &str = "MAINSTAY_TEST_MIGRATE";

/// Does what this process was started for, if a test has started it to migrate.
#[expect(clippy::disallowed_methods, reason = "set by the test itself, not by a configuration")]
pub(crate) async fn migrates(migrations: Migrations) -> bool {
    let Ok(url) = std::env::var(VARIABLE) else { return false };
    let url = url.parse().expect("an address");
    let db = Database::open(&url, &DatabaseOptions::default()).await.expect("the database opens");
    db.migrate(migrations).up().await.expect("is applied");
    db.close().await;
    true
}

/// A process that migrates; killed when it is dropped.
pub(crate) struct Migrating(Child);

impl Migrating {
    /// Starts it. `test` is the path of the test that calls, which begins with [`migrates`].
    pub(crate) fn start(test: &str, url: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("a program"));
        command.args(["--exact", test, "--nocapture"]).env(VARIABLE, url);
        // What it has to say it says by its exit code, and where it fails beside the test.
        command.stdin(Stdio::null()).stdout(Stdio::null());
        Self(command.spawn().expect("the program starts"))
    }

    /// Ends it without a warning: SIGKILL.
    pub(crate) fn kill(mut self) {
        assert_eq!(self.0.try_wait().expect("a child"), None, "it is in the middle");
        self.0.kill().expect("it runs");
        self.0.wait().expect("it ends");
    }

    /// Asserts that it comes to its end, and has migrated.
    pub(crate) fn succeeds(mut self) {
        let status = self.0.wait().expect("it ends");
        assert!(ExitStatus::success(&status), "{status}");
    }
}

impl Drop for Migrating {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
