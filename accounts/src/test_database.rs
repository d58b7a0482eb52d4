//! A database for the tests of a module.

use mainstay::{
    Application as _,
    store::{Database, DatabaseOptions},
};
use mainstay_testing::TestDatabase;

use crate::Accounts;

/// An empty one with the schema of the service, on the engine of this run; the handle last.
pub(crate) async fn open_database() -> (TestDatabase, Database) {
    let place = TestDatabase::create();
    let url = place.url().parse().expect("an address");
    let database = Database::open(&url, &DatabaseOptions::default()).await.expect("opens");
    database.migrate(Accounts::migrations()).up().await.expect("the schema applies");
    (place, database)
}
