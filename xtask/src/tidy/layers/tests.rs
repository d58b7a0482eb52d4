//! A bad sample for every row of the tables: tidy must not be blind.

use super::*;

/// The sentences of what is wrong with `text` as `accounts/src/<file>`.
fn caught(file: &str, text: &str) -> Vec<&'static str> {
    let source = Source::new(format!("accounts/src/{file}"), text);
    judge(&source).iter().map(|finding| finding.rule.sentence).collect()
}

#[test]
fn each_layer_is_caught_naming_what_it_must_not() {
    let samples = [
        ("users/mod.rs", "pub fn create() {}"),
        ("users/routes.rs", r#"let q = "SELECT id FROM users";"#),
        ("users/wire.rs", r##"let q = r#"DELETE FROM users"#;"##),
        ("users/service.rs", r#"let q = "UPDATE users SET name = $1";"#),
        ("users/model.rs", r#"const Q: &str = "INSERT INTO users";"#),
        ("users/routes.rs", "use super::repository::Sql;"),
        ("users/routes.rs", "use super::{repository, service};"),
        ("users/routes.rs", "use crate::users::repository;"),
        ("users/routes.rs", "fn f(database: Database) {}"),
        ("users/wire.rs", "let client = redis::Client::open();"),
        ("users/service.rs", "use mainstay::web::Created;"),
        ("users/service.rs", "use mainstay::{core::Clock, web};"),
        ("users/service.rs", "use super::wire::CreateUser;"),
        ("users/service.rs", "fn f() -> axum::Json<u8> {}"),
        ("users/repository.rs", "use super::routes;"),
        ("users/error.rs", "fn status(&self) -> StatusCode {}"),
        ("users/service.rs", "use rusqlite::Connection;"),
        ("users/model.rs", "fn f(row: tokio_postgres::Row) {}"),
        ("users/model.rs", "#[derive(Deserialize)]"),
        ("users/service.rs", "serde_json::to_string(&user)"),
        ("users/error.rs", "use super::repository::Sql;"),
        ("users/model.rs", "use super::service::Users;"),
        ("users/repository.rs", "use super::service::Users;"),
        ("users/error.rs", "Self::Absent => 404,"),
        ("users/error.rs", "const GONE: u16 = 410_u16;"),
    ];
    for (file, text) in samples {
        assert_eq!(caught(file, text).len(), 1, "{file}: {text}");
    }
    let rows = LAYERS.len();
    let all: std::collections::BTreeSet<_> =
        samples.iter().flat_map(|(file, text)| caught(file, text)).collect();
    assert_eq!(all.len(), rows, "every row has a sample");
}

#[test]
fn modules_use_each_other_only_as_the_table_says() {
    let use_inside = "use crate::users::repository::Sql;";
    assert_eq!(caught("users/service.rs", "use crate::sessions::Sessions;"), [NEIGHBOUR.sentence]);
    assert_eq!(caught("users/routes.rs", "super::super::sessions::find()"), [NEIGHBOUR.sentence]);
    assert_eq!(caught("sessions/service.rs", use_inside), [INSIDE.sentence]);
    assert!(caught("sessions/service.rs", "use crate::users::{self, Users};").is_empty());
    assert_eq!(caught("flags/service.rs", "use crate::users::Users;"), [NEIGHBOUR.sentence]);
    assert!(caught("keys/model.rs", "use crate::flags::FLAGS_READ;").is_empty());
}

#[test]
fn a_module_has_its_seven_files_and_no_others() {
    assert_eq!(caught("users/helpers.rs", ""), [STRANGER.sentence]);
    assert_eq!(caught("users/service/more.rs", ""), [STRANGER.sentence]);
    assert_eq!(caught("billing/mod.rs", ""), [UNLISTED.sentence]);
    assert_eq!(caught("users/mod.rs", "pub mod service;"), [OPEN.sentence]);
    for file in FILES {
        assert!(caught(&format!("users/{file}"), "").is_empty(), "{file}");
    }
    assert!(caught("users/service/tests.rs", "").is_empty());
}

#[test]
fn what_a_layer_may_say_is_not_caught() {
    let fine = [
        ("users/mod.rs", "//! Users.\n\nmod routes;\nmod service;\n\npub use service::Users;"),
        ("users/routes.rs", "// SELECT is the repository's.\nuse mainstay::web::Created;"),
        ("users/routes.rs", "use super::{service::Users, wire::CreateUser};"),
        ("users/wire.rs", "use serde::Deserialize;"),
        ("users/service.rs", "use super::{model::User, repository::Repository};"),
        ("users/service.rs", "fn f() {}\n#[cfg(test)]\nmod tests {\n    use super::wire::A;\n}"),
        ("users/repository.rs", r#"db.query("SELECT id FROM users")"#),
        ("users/error.rs", "#[error(\"no http 404 here\")]\nAbsent,"),
    ];
    for (file, text) in fine {
        assert_eq!(caught(file, text), Vec::<&str>::new(), "{file}: {text}");
    }
    let app = Source::new("accounts/src/app.rs".to_owned(), "use crate::users::repository::Sql;");
    assert!(judge(&app).is_empty(), "app.rs is where everything meets");
}
