//! The command line: what it prints, what it refuses, and with which exit code.

use std::fs;

use serde_json::json;

use crate::{
    process::{Home, Output, Service, run, run_in},
    support::{PASSWORD, assert_outcome, until},
};

/// Asserts the exit code, and that every text is in what was printed on the stream that belongs to
/// it: standard output for a success, else standard error.
#[track_caller]
fn check(output: &Output, code: i32, texts: &[&str]) {
    assert_eq!(output.code, Some(code), "{output:?}");
    let (told, silent) =
        if code == 0 { (&output.stdout, &output.stderr) } else { (&output.stderr, &output.stdout) };
    for text in texts {
        assert!(told.contains(text), "{text:?} is not in {told}");
    }
    assert_eq!(silent, "", "the other stream");
}

#[tokio::test]
async fn a_taken_port_ends_the_start_with_what_why_and_fix() {
    let homes = [(); 2].map(|()| Home::new());
    let first = homes[0].start(&[]).await;
    for (variable, other, address) in
        [("PORT", "OPS_PORT", first.api), ("OPS_PORT", "PORT", first.ops)]
    {
        let port = address.port().to_string();
        let environment = [(variable, port.as_str()), (other, "0")];
        let second = homes[1].run(&["serve"], &environment, "");
        assert_eq!(second.code, Some(1), "{second:?}");
        let what = format!("error: cannot listen on {address}");
        for text in [&*what, "  why: ", "  fix: stop the other process", variable] {
            assert!(second.stderr.contains(text), "{text:?} is not in {}", second.stderr);
        }
    }
    assert_eq!(first.call("GET", "/docs").send().await.status, 200, "the first one lives on");
}

#[test]
fn every_mistake_of_a_configuration_is_named_before_anything_is_touched() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let environment = [
        ("PORT", "eighty"),
        ("MAINSTAY_HTTP__PROT", "80"),
        ("MAINSTAY_DATABASE__STATEMENT_TIMEOUT_MS", "60000"),
    ];
    let output = run_in(folder.path(), &["serve"], &environment, "");
    let expected = [
        "the configuration has 3 mistakes",
        "http.port is \"eighty\"",
        "environment PORT",
        "no knob MAINSTAY_HTTP__PROT",
        "did you mean `MAINSTAY_HTTP__PORT`?",
        "a statement would outlive the request it is for",
    ];
    check(&output, 2, &expected);
    let left = fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(left, 0, "nothing was created");
}

#[test]
fn an_unknown_command_is_a_mistake_of_the_caller() {
    for arguments in [&["serv"] as &[&str], &["migrate"], &["admin", "create"], &["--port", "1"]] {
        check(&run(arguments, &[], ""), 2, &["Usage"]);
    }
    check(&run(&["--help"], &[], ""), 0, &["serve", "migrate", "admin", "config"]);
    check(&run(&["--version"], &[], ""), 0, &[concat!("accounts ", env!("CARGO_PKG_VERSION"))]);
}

#[tokio::test]
async fn an_administrator_is_created_from_the_first_line_of_standard_input() {
    let home = Home::new();
    let create =
        |email: &str, stdin: &str| home.run(&["admin", "create", "--email", email], &[], stdin);
    let refused = create("root", "short\n");
    check(&refused, 1, &["error: ", "email must be", "password must have at least 15", "fix: "]);
    assert!(!refused.stderr.contains("short"), "{}", refused.stderr);
    let lines = format!("{PASSWORD}\r\nanother line\n");
    check(&create("root@example.com", &lines), 0, &["created administrator "]);

    let service = home.start(&[]).await;
    let log_in = async |password: &str| {
        let body = json!({ "email": "root@example.com", "password": password });
        service.call("POST", "/sessions").json(&body).send().await
    };
    let reply = log_in(PASSWORD).await;
    assert_outcome(&reply, 201, "", "the new administrator");
    let token = reply.json()["token"].as_str().expect("a token").to_owned();
    let list = || service.call("GET", "/users").bearer(&token).send();
    assert_outcome(&list().await, 200, "", "a list");

    // Beside the running service, which notices soon.
    let again = create("ROOT@example.com", "another long password\n");
    check(&again, 0, &["the password is new and their sessions ended"]);
    let is_over = async || (list().await.code() == "UNAUTHENTICATED").then_some(());
    until("the old session is over", is_over).await;
    assert_outcome(&log_in(PASSWORD).await, 401, "INVALID_CREDENTIALS", "the old password");
    assert_outcome(&log_in("another long password").await, 201, "", "the new password");
}

#[test]
fn migrations_are_shown_planned_and_applied() {
    let home = Home::new();
    let migrate = |what: &str| home.run(&["migrate", what], &[], "");
    check(&migrate("status"), 0, &["0001 users", "0002 sessions", "pending"]);
    check(&migrate("plan"), 0, &["-- 0001 users", "CREATE TABLE users", "CREATE TABLE sessions"]);

    // In an empty database every table is new, so nobody waits for any.
    check(&migrate("plan"), 0, &["-- locks", "nobody waits"]);
    check(&migrate("check"), 0, &["no migration holds up a PostgreSQL that is in use"]);

    let manual = [("MAINSTAY_DATABASE__MIGRATE_AT_START", "manual"), ("PORT", "0")];
    let refused = home.run(&["serve"], &manual, "");
    assert_eq!(refused.code, Some(1), "{refused:?}");
    for text in ["7 migrations have not been applied", "run `accounts migrate up`"] {
        assert!(refused.stderr.contains(text), "{}", refused.stderr);
    }

    check(&migrate("up"), 0, &["0001 users", "0002 sessions", "applied"]);
    check(&migrate("up"), 0, &["nothing to do"]);
    check(&migrate("plan"), 0, &["nothing to do"]);
    let status = migrate("status");
    check(&status, 0, &["applied"]);
    assert!(!status.stdout.contains("pending"), "{}", status.stdout);
}

#[test]
fn no_migration_holds_up_a_postgres_in_use() {
    let findings = <accounts::Accounts as mainstay::Application>::migrations().findings();
    let told: Vec<_> = findings.iter().map(ToString::to_string).collect();
    assert!(told.is_empty(), "{}", told.join("\n"));
}

#[test]
fn the_doctor_looks_changes_nothing_and_says_how_bad_it_is_by_its_exit_code() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let ports = [("PORT", "0"), ("OPS_PORT", "0"), ("MAINSTAY_HTTP__CONNECTIONS_MAX", "10")];
    let doctor = |more: &[(&str, &str)], arguments: &[&str]| {
        let arguments = [&["doctor"], arguments].concat();
        run_in(folder.path(), &arguments, &[&ports, more].concat(), "")
    };
    check(&doctor(&[], &[]), 0, &["is not there yet", "0 errors, 0 warnings"]);
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0, "nothing was created");

    check(&run_in(folder.path(), &["migrate", "up"], &[], ""), 0, &["0001 users"]);
    check(&doctor(&[], &[]), 0, &["sqlite 3.", "all 7 are applied", "is its owner's only"]);
    let warned = doctor(&[("OPS_HOST", "0.0.0.0")], &[]);
    assert_eq!(warned.code, Some(1), "{warned:?}");
    for text in
        ["warning  operators", "why: it asks nobody for a token", "fix: set OPS_TOKEN, or OPS_HOST"]
    {
        assert!(warned.stdout.contains(text), "{text:?} is not in {}", warned.stdout);
    }
    let failed = doctor(&[("MAINSTAY_FLEET__PROXY_TIMEOUT_MS", "5000")], &["--json"]);
    assert_eq!(failed.code, Some(2), "{failed:?}");
    let report: serde_json::Value = serde_json::from_str(&failed.stdout).expect("JSON");
    assert_eq!(report["worst"], "error");
    let unreachable = [("DATABASE_URL", "postgres://ada:hunter2@127.0.0.1:1/x")];
    let unreachable = doctor(&unreachable, &[]);
    assert_eq!(unreachable.code, Some(2), "{unreachable:?}");
    assert!(!unreachable.stdout.contains("hunter2"), "{}", unreachable.stdout);
}

#[tokio::test]
async fn a_backup_is_made_beside_the_running_service_and_starts_another() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let backup = |to: &str| run_in(folder.path(), &["backup", "--to", to], &[], "");
    check(&backup("copy.db"), 1, &["error: there is no database data/accounts.db", "fix: "]);
    let service = Service::start(folder.path(), &[]).await;
    let body = json!({ "email": "ada@example.com", "name": "Ada", "password": PASSWORD });
    let reply = service.call("POST", "/users").json(&body).send().await;
    assert_outcome(&reply, 201, "", "somebody to keep");
    check(&backup("copy.db"), 0, &["backed up sqlite:data/accounts.db to copy.db", "checked"]);
    check(&backup("copy.db"), 1, &["error: cannot back up", "there is a file already"]);
    check(&run(&["backup"], &[], ""), 2, &["--to <FILE>"]);
    drop(service);

    let from_copy = [("DATABASE_URL", "sqlite:copy.db")];
    let service = Service::start(folder.path(), &from_copy).await;
    let body = json!({ "email": "ada@example.com", "password": PASSWORD });
    let reply = service.call("POST", "/sessions").json(&body).send().await;
    assert_outcome(&reply, 201, "", "who was kept logs in");
}

#[test]
fn a_promotion_says_what_it_needs() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let promote = |to: &str| run_in(folder.path(), &["promote", "--to", to], &[], "");
    check(&promote("db.example"), 1, &["error: the address of the target cannot be used"]);
    let url = "postgres://ada:hunter2@127.0.0.1:1/x";
    check(&promote(url), 1, &["error: there is no database data/accounts.db", "fix: "]);
    check(&run_in(folder.path(), &["migrate", "up"], &[], ""), 0, &["0001 users"]);
    let unreachable = promote(url);
    check(&unreachable, 1, &["error: cannot open postgres://ada:", "why: ", "fix: "]);
    assert!(!unreachable.stderr.contains("hunter2"), "{}", unreachable.stderr);
    let told = run_in(folder.path(), &["promote", "--to", "-"], &[], &format!("{url}\r\n"));
    assert_eq!((told.code, told.stderr), (unreachable.code, unreachable.stderr), "the same");
    let silent = run_in(folder.path(), &["promote", "--to", "-"], &[], "");
    check(&silent, 1, &["error: the address of the target cannot be used"]);
    let itself = promote("sqlite:other.db");
    check(&itself, 1, &["it goes from SQLite to PostgreSQL"]);
}

#[test]
fn the_routes_are_printed_with_every_decision_and_without_a_database() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = run_in(folder.path(), &["routes"], &[], "");
    check(&output, 0, &["POST    /users ", "self or admin", "20/1min per client", "EMAIL_TAKEN"]);
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
}

#[test]
fn the_configuration_is_printed_without_passwords() {
    let url = [("DATABASE_URL", "postgres://ada:hunter2@db.example/accounts")];
    let parts = [("DB_HOST", "db.example"), ("DB_USER", "ada"), ("DB_PASSWORD", "hunter2")];
    for environment in [&url as &[_], &parts] {
        let output = run(&["config"], environment, "");
        check(&output, 0, &["postgres://ada:********@db.example", "environment D"]);
        assert!(!output.stdout.contains("hunter2"), "{}", output.stdout);
    }
}

#[test]
fn a_database_that_cannot_be_used_ends_the_start_without_its_password() {
    let environment = [("DATABASE_URL", "postgres://ada:hunter2@db.example/x"), ("PORT", "0")];
    let output = run(&["serve"], &environment, "");
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(output.stderr.contains("  why: ") && output.stderr.contains("  fix: "));
    assert!(!format!("{output:?}").contains("hunter2"), "{output:?}");
}
