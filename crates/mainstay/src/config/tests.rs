//! What the loader promises: layers, every mistake at once, no secret shown.

use std::{io::Write as _, path::PathBuf, time::Duration};

use mainstay_core::Secret;
use tempfile::NamedTempFile;

use super::{
    ConfigErrors, ConfigFile, Effective, Framework, Hsts, Loader, LogFormat, MigrateAtStart,
    Origin, Sources,
};
use crate::section;

section! {
    /// A section of an application.
    struct Mail in "mail" {
        /// Key of the relay's interface.
        api_key: Secret<String> = "", env "MAIL_API_KEY";
        /// Tries before giving up.
        tries: u8 = "3", range 1..=9;
    }
}

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("temporary folder is writable");
    file.write_all(text.as_bytes()).expect("temporary file is writable");
    file
}

fn load(
    text: &str,
    environment: &[(&str, &str)],
) -> (Framework, Mail, Result<Effective, ConfigErrors>) {
    let file = file(text);
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let mut loader = Loader::new(Sources {
        file: ConfigFile::Required(file.path().to_owned()),
        environment: environment.iter().map(owned).collect(),
    });
    let framework = Framework::load(&mut loader);
    let mail = loader.section();
    (framework, mail, loader.finish())
}

fn mistakes(text: &str, environment: &[(&str, &str)]) -> Vec<String> {
    let (_, _, result) = load(text, environment);
    result.map_or_else(|errors| errors.0.iter().map(ToString::to_string).collect(), |_| vec![])
}

/// Asserts that there is one mistake, whose text has all the parts.
#[track_caller]
fn one_mistake(text: &str, environment: &[(&str, &str)], parts: &[&str]) {
    let found = mistakes(text, environment);
    assert_eq!(found.len(), 1, "{found:#?}");
    for part in parts {
        assert!(found[0].contains(part), "{part:?} is not in {}", found[0]);
    }
}

fn value<'a>(effective: &'a Effective, key: &str) -> &'a str {
    &effective.settings().iter().find(|setting| setting.key == key).expect("a known key").value
}

#[test]
fn built_in_defaults_are_good_values() {
    let (framework, mail, result) = load("", &[]);
    result.expect("defaults have no mistakes");
    assert_eq!(framework.http.port, 8080);
    assert_eq!(framework.http.deadline, Duration::from_secs(10));
    assert_eq!(framework.http.hsts, Hsts::Off);
    assert_eq!(framework.limits.window, Duration::from_mins(1));
    assert_eq!(framework.log.format, LogFormat::Auto);
    assert_eq!(framework.database.migrate_at_start, MigrateAtStart::Auto);
    assert_eq!(mail.tries, 3);
}

#[test]
fn environment_overrides_file_and_file_overrides_default() {
    let text = "[http]\nport = 1\nbody_bytes_max = 0x1000\n[ops]\nport = 2\n";
    let (framework, _, result) = load(text, &[("OPS_PORT", "3")]);
    let effective = result.expect("no mistakes");
    assert_eq!((framework.http.port, framework.ops.port), (1, 3));
    assert_eq!(framework.http.body_bytes_max, 4096);
    let origin = |key| {
        let setting = effective.settings().iter().find(|setting| setting.key == key);
        setting.expect("a known key").origin.to_string()
    };
    assert!(origin("http.port").ends_with(":2"), "{}", origin("http.port"));
    assert_eq!(origin("ops.port"), "environment OPS_PORT");
    assert_eq!(origin("http.host"), "default");
}

#[test]
fn a_knobs_own_variable_beats_its_usual_name() {
    let environment = [("PORT", "1"), ("MAINSTAY_HTTP__PORT", "2")];
    assert_eq!(load("", &environment).0.http.port, 2);
    // As `PORT=${PORT:-}` leaves it.
    assert_eq!(load("", &[("PORT", "")]).0.http.port, 8080);
}

#[test]
fn lists_are_arrays_in_the_file_and_separated_by_commas_in_the_environment() {
    let text = "[http]\ntrusted_proxies = [\"10.0.0.0/8\", \"::1\"]\n";
    let environment = [("MAINSTAY_HTTP__CORS_ORIGINS", "https://a.example, http://localhost:3000")];
    let (framework, _, result) = load(text, &environment);
    result.expect("no mistakes");
    let networks: Vec<_> = framework.http.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(networks, ["10.0.0.0/8", "::1/128"]);
    assert_eq!(framework.http.cors_origins.len(), 2);
}

#[test]
fn every_mistake_is_reported_at_once_with_its_place() {
    let text = "[http]\nprot = 1\nport = 70000\nhost = 7\n[htpt]\n[log]\nformat = \"xml\"\n";
    let environment = [
        ("MAINSTAY_HTTP__DEADLINE_SM", "5"),
        ("RUST_LOG", "info,hyper=loud"),
        ("MAINSTAY_HTTP__TRUSTED_PROXIES", "10.0.0.0/8,nonsense"),
    ];
    let found = mistakes(text, &environment).join("\n");
    for part in [
        "section [http] has no key `prot`",
        "did you mean `port`?",
        "http.port is \"70000\"",
        "a whole number from 0 to 65535",
        "http.host has the wrong type",
        "there is no section [htpt]",
        "did you mean `http`?",
        "log.format is \"xml\"",
        "one of auto, json, pretty",
        "there is no knob MAINSTAY_HTTP__DEADLINE_SM",
        "did you mean `MAINSTAY_HTTP__DEADLINE_MS`?",
        "environment RUST_LOG",
        "has an item (number 2) that is not a network",
        ":3\n",
    ] {
        assert!(found.contains(part), "{part:?} is not in {found}");
    }
    assert_eq!(mistakes(text, &environment).len(), 8, "{found}");
}

#[test]
fn one_mistake_reads_as_what_where_why_fix() {
    let errors = load("", &[("PORT", "80x0")]).2.expect_err("not a number");
    assert_eq!(
        errors.to_string(),
        "the configuration has 1 mistake\n\n\
         1. http.port is \"80x0\"\n  \
         where: environment PORT\n  \
         why:   the value is not a whole number from 0 to 65535\n  \
         fix:   set PORT to a whole number from 0 to 65535, or remove it for the default 8080"
    );
}

#[test]
fn values_that_contradict_each_other_are_refused() {
    one_mistake(
        "[http]\nbody_timeout_ms = 20000\n",
        &[],
        &["http.body_timeout_ms is 20000", "http.deadline_ms is 10000", "default", ":2"],
    );
    one_mistake("[http]\nheader_timeout_ms = 80000\n", &[], &["http.idle_timeout_ms is 75000"]);
    one_mistake("", &[("MAINSTAY_SHUTDOWN__DRAIN_DEADLINE_MS", "9999")], &["restart would cut"]);
    one_mistake("[database]\nstatement_timeout_ms = 20000\n", &[], &["outlive the request"]);
    one_mistake("", &[("PORT", "9090")], &["http.port is 9090", "ops.port is 9090"]);
}

#[test]
fn what_follows_from_a_mistake_is_not_reported() {
    one_mistake("", &[("MAINSTAY_HTTP__DEADLINE_MS", "1")], &["http.deadline_ms is \"1\""]);
}

#[test]
fn a_file_that_cannot_be_used_is_a_mistake_like_any_other() {
    let missing = Sources {
        file: ConfigFile::Required(PathBuf::from("/nowhere/mainstay.toml")),
        environment: vec![],
    };
    let errors = Loader::new(missing).finish().expect_err("there is no such file");
    assert_eq!(
        errors.0[0].origins,
        [Origin::File { path: "/nowhere/mainstay.toml".into(), line: 0 }]
    );
    one_mistake("[http]\nport = = 1\n", &[], &["the file is not TOML", ":2"]);
    one_mistake("port = 1\n", &[], &["outside every section"]);
}

#[test]
fn an_absent_usual_file_is_no_mistake() {
    let sources = Sources {
        file: ConfigFile::IfPresent("/nowhere/mainstay.toml".into()),
        environment: vec![],
    };
    assert_eq!(Loader::new(sources).finish().expect("no mistakes").file(), None);
}

#[test]
fn secrets_are_never_shown() {
    let environment = [
        ("MAIL_API_KEY", "canary"),
        ("DATABASE_URL", "postgres://ada:canary@db/shop?password=canary"),
    ];
    let (framework, mail, result) = load("", &environment);
    let effective = result.expect("no mistakes");
    assert_eq!(mail.api_key.reveal(), "canary");
    assert!(framework.database.url.reveal().contains("canary"));
    assert_eq!(value(&effective, "mail.api_key"), "********");
    assert_eq!(value(&effective, "database.url"), "postgres://ada:********@db/shop?********");
    let shown = format!("{effective} {effective:?} {framework:?} {mail:?}");
    assert!(!shown.contains("canary"), "{shown}");

    let found = mistakes("[mail]\napi_key = 7\n", &[("DATABASE_URL", "canary")]).join("\n");
    assert!(!found.contains("canary"), "{found}");
}

#[test]
fn a_url_is_composed_from_its_parts() {
    let parts = [
        ("DB_HOST", "db.internal"),
        ("DB_PORT", "5433"),
        ("DB_NAME", "shop"),
        ("DB_USER", "ada"),
        ("DB_PASSWORD", "p@ss:word"),
    ];
    let composed = "postgres://ada:p%40ss%3Aword@db.internal:5433/shop";
    let url = |text: &str, parts: &[_]| load(text, parts).0.database.url.reveal().to_owned();
    assert_eq!(url("", &parts), composed);
    assert_eq!(url("[database]\nurl = \"sqlite:a.db\"\n", &parts), composed);
    assert_eq!(url("", &[("DB_HOST", "::1")]), "postgres://[::1]");

    let with_url = [&parts[..], &[("DATABASE_URL", "sqlite:a.db")]].concat();
    assert_eq!(url("", &with_url), "sqlite:a.db");
    one_mistake("", &parts[2..3], &["database.name is shop", "without a host"]);
}

#[test]
fn an_application_replaces_a_default_and_only_of_a_knob_that_exists() {
    let load = |key| {
        let mut loader = Loader::new(Sources::none()).with_default(key, "sqlite:data/shop.db");
        let framework = Framework::load(&mut loader);
        (framework, loader.finish())
    };
    let (framework, result) = load("database.url");
    assert_eq!(framework.database.url.reveal(), "sqlite:data/shop.db");
    assert!(result.expect("no mistakes").markdown().contains("`sqlite:data/shop.db`"));
    assert!(load("database.uri").1.is_err());
}

#[test]
fn variables_of_a_standard_that_are_not_read_are_ignored_aloud() {
    let (_, _, result) = load("", &[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://canary")]);
    let effective = result.expect("no mistakes");
    assert_eq!(
        effective.warnings(),
        ["environment OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is ignored: set \
             OTEL_EXPORTER_OTLP_ENDPOINT, without /v1/traces"]
    );
}

#[test]
fn a_ratio_is_a_number_of_the_file() {
    for (text, ratio) in [("0.25", 0.25), ("1", 1.0), ("2.5e-1", 0.25)] {
        let (framework, _, result) = load(&format!("[traces]\nsample_ratio = {text}"), &[]);
        result.expect("no mistakes");
        assert!((framework.traces.sample_ratio.0 - ratio).abs() < f64::EPSILON, "{text}");
    }
    for text in ["1.5", "inf", "\"0.25\"", "true"] {
        assert!(load(&format!("[traces]\nsample_ratio = {text}"), &[]).2.is_err(), "{text}");
    }
}

#[test]
fn the_reference_has_a_row_for_every_knob() {
    let effective = load("", &[]).2.expect("no mistakes");
    let page = effective.markdown();
    let rows = page.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(rows, effective.settings().len());
    assert!(page.contains(
        "| `port` | `PORT`, `MAINSTAY_HTTP__PORT` | whole number, 0 to 65535 | `8080` | \
         Port; 0 lets the system choose. |"
    ));
}
