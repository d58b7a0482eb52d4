//! A service of Mainstay that shows users to anybody: `GET /users/{id}` of the reference service
//! without its authentication, so that one statement is compared with one statement.

use std::process::ExitCode;

use accounts::Accounts;
use mainstay::{
    Application, Assembly, Fault, Resources,
    config::Loader,
    core::{Code, Kind},
    store::{Database, FromRow, Migrations, Row, StoreError, params},
    web::{Cache, Json, Path, Routes, Use, get},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct OpenUsers;

impl Application for OpenUsers {
    const NAME: &'static str = "open-users";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");

    type Settings = ();

    fn settings(_: &mut Loader) {}

    fn migrations() -> Migrations {
        Accounts::migrations()
    }

    fn assemble(resources: &Resources, (): &()) -> Assembly {
        let show = get("/users/{id}", show).public().cache(Cache::NoStore);
        Assembly::new().mount(Routes::new("users", resources.database.clone()).add(show))
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ById {
    id: Uuid,
}

#[derive(Serialize, JsonSchema)]
struct User {
    id: Uuid,
    email: String,
    name: String,
    age: Option<i64>,
    role: String,
    created_at: jiff::Timestamp,
}

impl FromRow for User {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.get("id")?,
            email: row.get("email")?,
            name: row.get("name")?,
            age: row.get("age")?,
            role: row.get("role")?,
            created_at: row.get("created_at")?,
        })
    }
}

const USER_NOT_FOUND: Code =
    Code::new("USER_NOT_FOUND", Kind::NotFound, "There is no user with this id");

#[derive(Debug, thiserror::Error, Fault)]
enum ShowError {
    #[error("no user has this id")]
    #[fault(USER_NOT_FOUND)]
    NotFound,
    #[error(transparent)]
    #[fault(from)]
    Store(#[from] StoreError),
}

async fn show(database: Use<Database>, Path(path): Path<ById>) -> Result<Json<User>, ShowError> {
    let select = "SELECT id, email, name, age, role, created_at FROM users WHERE id = $1";
    let found = database.query_optional(select, params![path.id]).await?;
    found.map(Json).ok_or(ShowError::NotFound)
}

fn main() -> ExitCode {
    mainstay::run::<OpenUsers>()
}
