//! `PrivatePostgres`: a server of one test's own, to break in every way.

use std::path::PathBuf;

use super::{
    cluster::{Audience, Cluster, Durability, PID_FILE, Stop},
    processes,
    session::Session,
};
use crate::{
    machine::{Guard, ServerError},
    neighbour::Neighbour,
};

/// A server that nobody else uses; it is gone when it is dropped, or its process ends in whatever
/// way. It takes most of a second to make, so a test that only needs a database has
/// [`TestDatabase`](crate::TestDatabase).
#[derive(Debug)]
pub struct PrivatePostgres {
    cluster: Cluster,
    // The server ends with it.
    _guard: Guard,
}

impl PrivatePostgres {
    /// Makes and starts one; returns once it answers.
    pub fn start(durability: Durability) -> Result<Self, ServerError> {
        let guard = Guard::new(PID_FILE, "QUIT")?;
        let cluster = Cluster::init(guard.folder(), durability, Audience::OneTest)?;
        Self::begin(cluster, guard)
    }

    /// Makes and starts a hot standby: another server that follows this one and can only be read.
    ///
    /// Until `SELECT pg_wal_replay_pause()` it is late by milliseconds, and
    /// `SELECT pg_wal_replay_resume()` lets it catch up.
    pub fn standby(&self) -> Result<Self, ServerError> {
        let guard = Guard::new(PID_FILE, "QUIT")?;
        let cluster = self.cluster.follow(guard.folder())?;
        Self::begin(cluster, guard)
    }

    fn begin(mut cluster: Cluster, guard: Guard) -> Result<Self, ServerError> {
        cluster.start()?;
        Ok(Self { cluster, _guard: guard })
    }

    /// The address of the database that every server has.
    pub fn url(&self) -> String {
        self.cluster.address.url()
    }

    /// Another process at that database.
    ///
    /// # Panics
    /// When the server does not answer.
    pub fn neighbour(&self) -> Neighbour {
        Neighbour::at_server(&self.url())
    }

    /// One of the programs that came with the server, such as `pgbench`.
    pub fn program(&self, name: &str) -> PathBuf {
        self.cluster.program(name)
    }

    /// Ends it without a warning: connections are cut, nothing is tidied.
    pub fn crash(&self) -> Result<(), ServerError> {
        self.cluster.stop(Stop::Immediate)
    }

    /// Starts it again after a [`crash`](Self::crash), at the same address.
    pub fn start_again(&self) -> Result<(), ServerError> {
        self.cluster.start_on_port()
    }

    /// Ends it as its operator does, telling who is connected, and starts it at the same address.
    pub fn restart(&self) -> Result<(), ServerError> {
        self.cluster.stop(Stop::Fast)?;
        self.cluster.start_on_port()
    }

    /// Stops each of its processes: connections stay open and are not served, and the system
    /// accepts new ones that nobody answers.
    pub fn pause(&self) -> Result<(), ServerError> {
        processes::pause(self.cluster.process()?)
    }

    /// Goes on after a [`pause`](Self::pause), with whatever was asked meanwhile.
    pub fn resume(&self) -> Result<(), ServerError> {
        processes::resume(self.cluster.process()?)
    }

    /// Refuses writes, as a primary that was demoted does; returns once new connections see it.
    pub fn make_read_only(&self) -> Result<(), ServerError> {
        self.set_read_only("on")
    }

    /// Takes writes again.
    pub fn make_writable(&self) -> Result<(), ServerError> {
        self.set_read_only("off")
    }

    fn set_read_only(&self, value: &str) -> Result<(), ServerError> {
        let failed = |output| ServerError::Failed { program: "ALTER SYSTEM", output };
        let set = format!("ALTER SYSTEM SET default_transaction_read_only = {value}");
        let session = Session::connect(&self.url()).map_err(failed)?;
        session.run(&set).map_err(failed)?;
        session.run("SELECT pg_reload_conf()").map_err(failed)?;
        let wanted = format!(
            "SELECT count(*) FROM pg_settings WHERE name = 'default_transaction_read_only' \
             AND setting = '{value}'"
        );
        while Session::connect(&self.url()).and_then(|s| s.number(&wanted)).map_err(failed)? == 0 {}
        Ok(())
    }
}

impl Drop for PrivatePostgres {
    fn drop(&mut self) {
        // The guard ends the server, and a paused process would keep it waiting. It may have
        // crashed.
        let _ = self.resume();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::mpsc::{self, RecvTimeoutError},
        thread,
        time::{Duration, Instant},
    };

    use super::*;

    fn server() -> PrivatePostgres {
        PrivatePostgres::start(Durability::Risked).expect("starts")
    }

    #[test]
    fn a_server_that_crashes_keeps_what_was_committed() {
        for durability in [Durability::Kept, Durability::Risked] {
            let server = PrivatePostgres::start(durability).expect("starts");
            server.neighbour().run("CREATE TABLE notes (id bigint); INSERT INTO notes VALUES (1)");
            server.crash().expect("ends");
            server.start_again().expect("starts again");
            let neighbour = server.neighbour();
            assert_eq!(neighbour.number("SELECT count(*) FROM notes"), 1);
            let sync = "SELECT count(*) FROM pg_settings WHERE name = 'fsync' AND setting = 'on'";
            assert_eq!(neighbour.number(sync) == 1, durability == Durability::Kept);
        }
    }

    #[test]
    fn a_server_that_is_restarted_is_another_process_at_the_same_address() {
        let server = server();
        let before = (server.url(), server.cluster.process().expect("runs"));
        server.restart().expect("is restarted");
        assert_eq!(server.neighbour().number("SELECT 1"), 1);
        assert_eq!(server.url(), before.0);
        assert_ne!(server.cluster.process().expect("runs"), before.1);
    }

    #[test]
    fn a_paused_server_answers_nobody_until_it_goes_on() {
        let server = server();
        let neighbour = server.neighbour();
        server.pause().expect("is stopped");
        let (sender, answers) = mpsc::channel();
        let old = sender.clone();
        thread::spawn(move || old.send(neighbour.number("SELECT 1")));
        let url = server.url();
        thread::spawn(move || sender.send(Neighbour::at_server(&url).number("SELECT 1")));
        let soon = Duration::from_millis(300);
        assert_eq!(answers.recv_timeout(soon), Err(RecvTimeoutError::Timeout), "it answers");
        server.resume().expect("goes on");
        for _ in ["the old connection", "the new one"] {
            assert_eq!(answers.recv(), Ok(1));
        }
        // One that is dropped while it is paused does not wait for itself.
        server.pause().expect("is stopped");
        let begun = Instant::now();
        drop(server);
        assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    }

    #[test]
    fn a_read_only_server_refuses_writes_until_it_is_writable() {
        let server = server();
        let read_only = "SELECT count(*) FROM pg_settings \
                         WHERE name = 'transaction_read_only' AND setting = 'on'";
        server.make_read_only().expect("is set");
        assert_eq!(server.neighbour().number(read_only), 1);
        let write = Session::connect(&server.url()).and_then(|s| s.run("CREATE TABLE notes ()"));
        assert!(write.is_err_and(|error| error.contains("read-only")));
        server.make_writable().expect("is set");
        server.neighbour().run("CREATE TABLE notes ()");
    }

    #[test]
    fn a_standby_follows_unless_its_replay_is_paused() {
        let primary = server();
        primary.neighbour().run("CREATE TABLE notes (id bigint)");
        let standby = primary.standby().expect("starts");
        let (writing, reading) = (primary.neighbour(), standby.neighbour());
        assert_eq!(reading.number("SELECT pg_is_in_recovery()::int"), 1);
        let count = "SELECT count(*) FROM notes";
        let follows = |rows| {
            let begun = Instant::now();
            while reading.number(count) < rows {
                assert!(begun.elapsed() < Duration::from_secs(30), "it does not follow");
            }
        };
        writing.run("INSERT INTO notes VALUES (1)");
        follows(1);
        reading.run("SELECT pg_wal_replay_pause()");
        let paused = "SELECT (pg_get_wal_replay_pause_state() = 'paused')::int";
        while reading.number(paused) == 0 {}
        writing.run("INSERT INTO notes VALUES (2)");
        assert_eq!((writing.number(count), reading.number(count)), (2, 1), "it is behind");
        reading.run("SELECT pg_wal_replay_resume()");
        follows(2);
    }
}
