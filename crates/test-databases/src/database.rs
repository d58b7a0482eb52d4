//! `TestDatabase`: empty, its test's own, and gone with it.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use crate::{
    engine::Engine,
    neighbour::Neighbour,
    postgres::{Session, shared},
};

/// An empty database. Soon after it is dropped it is gone, whoever is still connected.
///
/// It is made without a template: on this server a copy of a migrated one takes as long as an empty
/// one (28 ms), and the migrations of the reference service take less than that again.
pub struct TestDatabase {
    place: Place,
    url: String,
}

enum Place {
    Folder(TempDir),
    Server { name: String },
}

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
                Self { place: Place::Folder(folder), url }
            }
            Engine::Postgres => {
                let name = format!("test_{}", crate::postgres::random_word());
                let url = shared::url(&name);
                let server = Session::connect(&shared::url("postgres"));
                let created = server.and_then(|s| s.run(&format!("CREATE DATABASE {name}")));
                created.unwrap_or_else(|error| panic!("no database: {error}"));
                Self { place: Place::Server { name }, url }
            }
        }
    }

    /// Its address, as `DATABASE_URL` takes it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Who keeps it.
    pub fn engine(&self) -> Engine {
        match self.place {
            Place::Folder(_) => Engine::Sqlite,
            Place::Server { .. } => Engine::Postgres,
        }
    }

    /// Its file, when SQLite keeps it. It is there once somebody has opened it.
    pub fn file(&self) -> Option<PathBuf> {
        match &self.place {
            Place::Folder(folder) => Some(folder.path().join(FILE)),
            Place::Server { .. } => None,
        }
    }

    /// Another process at it.
    pub fn neighbour(&self) -> Neighbour {
        match &self.place {
            Place::Folder(folder) => Neighbour::at_file(&folder.path().join(FILE)),
            Place::Server { .. } => Neighbour::at_server(&self.url),
        }
    }
}

impl fmt::Debug for TestDatabase {
    /// Without the address: it holds the password of the server.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match &self.place {
            Place::Folder(folder) => folder.path(),
            Place::Server { name } => Path::new(name),
        };
        f.debug_tuple("TestDatabase").field(&name).finish()
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if let Place::Server { name } = &self.place {
            // What cannot be dropped goes with the server's folder.
            let _ = shared::drop_database(name);
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

    #[tokio::test]
    async fn a_database_of_the_server_is_gone_soon_after_its_test() {
        let database = TestDatabase::on(Engine::Postgres);
        let Place::Server { name } = &database.place else { panic!("{database:?}") };
        let count = format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'");
        let server = Neighbour::at_server(&shared::url("postgres"));
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
        for engine in [Engine::Sqlite, Engine::Postgres] {
            assert_eq!(TestDatabase::on(engine).neighbour().number("SELECT 1"), 1);
        }
    }
}
