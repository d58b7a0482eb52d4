//! `TestDatabase`: empty, its test's own, and gone with it.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use tempfile::TempDir;

use crate::{
    engine::Engine,
    machine::{Address, random_word},
    neighbour::Neighbour,
    pgbouncer::PrivatePgBouncer,
    postgres::{Session, shared},
    redis::{Memory, PrivateRedis},
};

/// An empty database. Soon after it is dropped it is gone, whoever is still connected.
///
/// It is made without a template: on this server a copy of a migrated one takes as long as an empty
/// one (28 ms), and the migrations of the reference service take less than that again.
pub struct TestDatabase {
    place: Place,
    url: String,
    redis: OnceLock<PrivateRedis>,
}

enum Place {
    Folder(TempDir),
    Server { direct: Address, pooler: Option<PrivatePgBouncer> },
}

/// Sessions that a pooler has for its database: what a service opens by itself, so that no test
/// waits for one.
const POOL_SIZE: usize = 24;

/// The name of the file in the folder.
const FILE: &str = "test.db";

impl TestDatabase {
    /// Makes one on the engine of this run.
    ///
    /// # Panics
    /// As [`on`](Self::on).
    pub fn create() -> Self {
        Self::on(Engine::of_this_run())
    }

    /// Makes one on an engine.
    ///
    /// # Panics
    /// When it cannot be made; the message says what is missing.
    pub fn on(engine: Engine) -> Self {
        match engine {
            Engine::Sqlite => {
                let folder = tempfile::tempdir().expect("a temporary folder");
                let url = format!("sqlite:{}", folder.path().join(FILE).display());
                Self { place: Place::Folder(folder), url, redis: OnceLock::new() }
            }
            Engine::Postgres | Engine::PgBouncer => {
                let name = format!("test_{}", random_word());
                let direct = shared::address(&name);
                let server = Session::connect(&direct.sibling("postgres").url());
                let created = server.and_then(|s| s.run(&format!("CREATE DATABASE {name}")));
                created.unwrap_or_else(|error| panic!("no database: {error}"));
                // One for each database: PgBouncer 1.18 dies of a client that goes away while it
                // cancels, as a test that ends may, and would take the neighbours' with it.
                let pooler = (engine == Engine::PgBouncer).then(|| pooler(&direct));
                let url = pooler.as_ref().map_or_else(|| direct.url(), PrivatePgBouncer::url);
                Self { place: Place::Server { direct, pooler }, url, redis: OnceLock::new() }
            }
        }
    }

    /// Its address, as `DATABASE_URL` takes it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its address without a pooler in between.
    pub fn direct_url(&self) -> String {
        match &self.place {
            Place::Folder(_) => self.url.clone(),
            Place::Server { direct, .. } => direct.url(),
        }
    }

    /// What the processes that use it share beside it: nothing where it is embedded, and else a
    /// Redis of its own, started when it is first asked for.
    ///
    /// # Panics
    /// When it cannot be started; the message says what is missing.
    pub fn redis(&self) -> Option<&PrivateRedis> {
        let start = || {
            PrivateRedis::start(Memory::Lost).unwrap_or_else(|error| panic!("no Redis: {error}"))
        };
        match self.place {
            Place::Folder(_) => None,
            Place::Server { .. } => Some(self.redis.get_or_init(start)),
        }
    }

    /// Who keeps it.
    pub fn engine(&self) -> Engine {
        match &self.place {
            Place::Folder(_) => Engine::Sqlite,
            Place::Server { pooler: None, .. } => Engine::Postgres,
            Place::Server { pooler: Some(_), .. } => Engine::PgBouncer,
        }
    }

    /// Its file, when SQLite keeps it. It is there once somebody has opened it.
    pub fn file(&self) -> Option<PathBuf> {
        match &self.place {
            Place::Folder(folder) => Some(folder.path().join(FILE)),
            Place::Server { .. } => None,
        }
    }

    /// Another process at it, without a pooler in between.
    pub fn neighbour(&self) -> Neighbour {
        match &self.place {
            Place::Folder(folder) => Neighbour::at_file(&folder.path().join(FILE)),
            Place::Server { direct, .. } => Neighbour::at_server(&direct.url()),
        }
    }
}

fn pooler(direct: &Address) -> PrivatePgBouncer {
    let pooler = PrivatePgBouncer::in_front_of(&direct.url(), POOL_SIZE);
    pooler.unwrap_or_else(|error| panic!("no pooler: {error}"))
}

impl fmt::Debug for TestDatabase {
    /// Without the address: it holds the password of the server.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match &self.place {
            Place::Folder(folder) => folder.path(),
            Place::Server { direct, .. } => Path::new(&direct.database),
        };
        f.debug_tuple("TestDatabase").field(&name).finish()
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if let Place::Server { direct, .. } = &self.place {
            // What cannot be dropped goes with the server's folder.
            let _ = shared::drop_database(&direct.database);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn check(engine: Engine) {
        let [one, two] = [(); 2].map(|()| TestDatabase::on(engine));
        for database in [&one, &two] {
            let neighbour = database.neighbour();
            neighbour.run("CREATE TABLE notes (id bigint); INSERT INTO notes VALUES (7), (8)");
            assert_eq!(neighbour.number("SELECT max(id) FROM notes"), 8);
        }
        // Two connections at one database, and a drop under both of them.
        let (holding, looking) = (one.neighbour(), one.neighbour());
        holding.lock("notes");
        assert_eq!(looking.number("SELECT count(*) FROM notes"), 2, "reading needs no lock");
        holding.unlock();
        looking.run("DELETE FROM notes");
        drop(one);
        assert_eq!(two.neighbour().number("SELECT count(*) FROM notes"), 2, "its own");
    }

    #[test]
    fn a_file_is_a_tests_own() {
        check(Engine::Sqlite);
    }

    #[test]
    fn a_database_of_the_server_is_a_tests_own() {
        check(Engine::Postgres);
    }

    #[test]
    fn a_database_behind_a_pooler_is_a_tests_own_and_reached_through_it() {
        check(Engine::PgBouncer);
        let database = TestDatabase::on(Engine::PgBouncer);
        let pooled = Neighbour::at_server(database.url());
        let port = "SELECT inet_server_port()";
        assert_eq!(pooled.number(port), database.neighbour().number(port), "one server");
        let Place::Server { direct, .. } = &database.place else { panic!("{database:?}") };
        assert_ne!(Address::parse(database.url()).port, direct.port, "another way to it");
    }

    #[tokio::test]
    async fn a_database_of_the_server_is_gone_soon_after_its_test() {
        let database = TestDatabase::on(Engine::Postgres);
        let Place::Server { direct, .. } = &database.place else { panic!("{database:?}") };
        let name = &direct.database;
        let count = format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'");
        let server = Neighbour::at_server(&direct.sibling("postgres").url());
        let _connected = database.neighbour();
        assert_eq!(server.number(&count), 1);
        drop(database);
        let begun = Instant::now();
        while server.number(&count) > 0 {
            assert!(begun.elapsed() < Duration::from_secs(30), "it is still there");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    #[tokio::test]
    async fn a_neighbour_comes_and_goes_within_a_runtime() {
        for engine in [Engine::Sqlite, Engine::Postgres, Engine::PgBouncer] {
            assert_eq!(TestDatabase::on(engine).neighbour().number("SELECT 1"), 1);
        }
    }
}
