//! What is found, at the border of each check.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use mainstay_core::Timestamp;
use mainstay_store::{DatabaseOptions, PgBouncer, Pooler, RedisDiagnosis, Server, StatementMode};

use super::{
    Patient, database,
    finding::{Finding, Report, Severity},
    host, pooler, redis, timeouts,
};
use crate::config::{ConfigFile, Framework, Loader, Sources};

fn framework(environment: &[(&str, &str)]) -> Framework {
    let owned = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let sources = Sources { file: ConfigFile::None, environment: owned.collect() };
    let mut loader = Loader::new(sources);
    let framework = Framework::load(&mut loader);
    loader.finish().expect("no mistake");
    framework
}

fn with_patient<T>(
    environment: &[(&str, &str)],
    options: &DatabaseOptions,
    url: &str,
    look: impl FnOnce(&Patient<'_>) -> T,
) -> T {
    let (framework, url) = (framework(environment), url.parse().expect("an address"));
    look(&Patient { framework: &framework, url: &url, options })
}

fn server() -> Server {
    Server {
        clock: Timestamp::UNIX_EPOCH,
        connections_max: 100,
        connections_reserved: 3,
        connections_used: 7,
        is_encrypted: false,
        is_remote: true,
        is_standby: false,
    }
}

#[test]
fn a_fleet_fits_into_the_server_to_the_last_connection() {
    let fit = |replicas: &str, reserve: &str| {
        let environment = [
            ("MAINSTAY_FLEET__REPLICAS", replicas),
            ("MAINSTAY_FLEET__CONNECTIONS_RESERVE", reserve),
        ];
        database::fit(&framework(&environment).fleet, 22, &server())
    };
    let fits = fit("4", "9");
    assert_eq!(fits.severity, Severity::Ok);
    let sum = "4 replicas x 22 connections + 9 for others = 97, and the server has 100 - 3 \
               reserved = 97 (7 in use now)";
    assert_eq!(fits.what, sum);
    assert_eq!(fit("4", "10").severity, Severity::Error);
    assert_eq!(fit("5", "0").severity, Severity::Error);
}

fn redis() -> RedisDiagnosis {
    RedisDiagnosis {
        server: "valkey",
        version: "8.1.3".to_owned(),
        round_trip: Duration::from_micros(300),
        memory_max: 100 << 20,
        memory_used: 80 << 20,
        memory_policy: "noeviction".to_owned(),
        is_replica: false,
        is_exposed: false,
    }
}

#[test]
fn a_redis_that_loses_or_refuses_is_found() {
    let severities = |change: fn(&mut RedisDiagnosis)| {
        let mut diagnosis = redis();
        change(&mut diagnosis);
        let findings = redis::findings(&diagnosis, Duration::from_millis(50));
        findings.into_iter().map(|finding| finding.severity).skip(1).collect::<Vec<_>>()
    };
    assert_eq!(severities(|_| {}), []);
    assert_eq!(severities(|redis| redis.version = "5.0.7".to_owned()), [Severity::Error]);
    assert_eq!(severities(|redis| redis.round_trip *= 100), [Severity::Warning]);
    assert_eq!(severities(|redis| redis.is_replica = true), [Severity::Error]);
    assert_eq!(severities(|redis| redis.is_exposed = true), [Severity::Warning]);
    assert_eq!(severities(|redis| redis.memory_used += 1 << 20), [Severity::Warning]);
    let lru = |redis: &mut RedisDiagnosis| redis.memory_policy = "volatile-lru".to_owned();
    assert_eq!(severities(lru), [Severity::Warning]);
    assert_eq!(
        severities(|redis| (redis.memory_max, redis.memory_policy) = (0, "allkeys-lru".into())),
        []
    );
}

#[test]
fn replicas_that_share_nothing_are_found() {
    let alone = |replicas| redis::alone(&framework(&[("MAINSTAY_FLEET__REPLICAS", replicas)]));
    assert!(alone("1").is_none());
    assert_eq!(alone("2").expect("is found").severity, Severity::Warning);
}

/// As a careful operator sets it up for the defaults of a service.
fn pgbouncer() -> PgBouncer {
    PgBouncer {
        pool_mode: "transaction".to_owned(),
        clients_max: 100,
        pool_max: 20,
        servers_max: 20,
        prepared_statements_max: 0,
        query_wait_timeout: Some(Duration::from_secs(5)),
        query_timeout: None,
        client_idle_timeout: None,
        idle_transaction_timeout: None,
        transaction_timeout: None,
    }
}

/// What is wrong with a pooler, for so many replicas.
fn wrong(replicas: &str, options: &DatabaseOptions, found: PgBouncer) -> Vec<(Severity, String)> {
    let environment = [("MAINSTAY_FLEET__REPLICAS", replicas)];
    let findings = with_patient(&environment, options, "postgres://h/db", |patient| {
        pooler::examine(patient, &Pooler::PgBouncer(found), &server())
    });
    let wrong = findings.into_iter().filter(|finding| finding.severity != Severity::Ok);
    wrong.map(|finding| (finding.severity, finding.what)).collect()
}

/// The same for one replica, as it is by default.
fn wrong_alone(found: PgBouncer) -> Vec<(Severity, String)> {
    wrong("1", &DatabaseOptions::default(), found)
}

#[test]
fn a_fleet_fits_into_the_pooler_and_that_into_the_server_to_the_last_connection() {
    let options = DatabaseOptions::default();
    // 4 x (20 + 4 + 1) clients; 20 + 5 sessions of 97.
    assert_eq!(wrong("4", &options, pgbouncer()), []);
    let narrow = wrong("4", &options, PgBouncer { clients_max: 99, ..pgbouncer() });
    let sum = "4 replicas x (24 connections + 1 probe) = 100, and PgBouncer takes 99 clients";
    assert_eq!(narrow, [(Severity::Error, sum.to_owned())]);
    assert_eq!(wrong_alone(PgBouncer { servers_max: 92, ..pgbouncer() }), []);
    let wide = wrong_alone(PgBouncer { servers_max: 93, ..pgbouncer() });
    let sum = "PgBouncer may open 93 sessions + 5 for others = 98, and the server has 100 - 3 \
               reserved = 97 (7 in use now)";
    assert_eq!(wide, [(Severity::Error, sum.to_owned())]);
}

#[test]
fn a_pooler_that_gives_no_session_for_a_transaction_is_named() {
    let mode =
        |mode: &str, pool_max| PgBouncer { pool_mode: mode.to_owned(), pool_max, ..pgbouncer() };
    let statement = wrong_alone(mode("statement", 20));
    assert_eq!(statement[0].0, Severity::Error, "{statement:?}");
    let session = wrong_alone(mode("session", 24));
    assert_eq!((session.len(), session[0].0), (1, Severity::Warning), "{session:?}");
    let full = wrong_alone(mode("session", 23));
    let sum = "1 replicas x 24 connections = 24, and the pool has 23 sessions";
    assert_eq!(full[1], (Severity::Error, sum.to_owned()));
}

#[test]
fn named_statements_need_a_pooler_that_keeps_track_of_them() {
    let named =
        DatabaseOptions { statement_mode: StatementMode::Named, ..DatabaseOptions::default() };
    let found = wrong("1", &named, pgbouncer());
    assert_eq!(found[0].0, Severity::Error, "{found:?}");
    let tracking = PgBouncer { prepared_statements_max: 100, ..pgbouncer() };
    assert_eq!(wrong("1", &named, tracking), []);
}

#[test]
fn a_pooler_that_cuts_off_before_our_own_limits_is_named() {
    let queue = |wait| {
        let found = wrong_alone(PgBouncer { query_wait_timeout: wait, ..pgbouncer() });
        found.first().map(|(severity, _)| *severity)
    };
    let ms = |ms| Some(Duration::from_millis(ms));
    assert_eq!(queue(ms(1999)), Some(Severity::Error), "the wait for a connection is 2 s");
    assert_eq!(queue(ms(2000)), None);
    assert_eq!(queue(ms(10_000)), None, "the deadline");
    assert_eq!(queue(ms(10_001)), Some(Severity::Warning));
    assert_eq!(queue(None), Some(Severity::Warning));

    for (name, found) in [
        ("query_timeout", PgBouncer { query_timeout: ms(5000), ..pgbouncer() }),
        ("transaction_timeout", PgBouncer { transaction_timeout: ms(5000), ..pgbouncer() }),
        (
            "idle_transaction_timeout",
            PgBouncer { idle_transaction_timeout: ms(1000), ..pgbouncer() },
        ),
        ("client_idle_timeout", PgBouncer { client_idle_timeout: ms(1_800_000), ..pgbouncer() }),
    ] {
        let wrong = wrong_alone(found);
        assert_eq!((wrong.len(), wrong[0].0), (1, Severity::Warning), "{name}: {wrong:?}");
        assert!(wrong[0].1.starts_with(&format!("{name} of PgBouncer (")), "{wrong:?}");
    }
    let above = PgBouncer {
        query_timeout: ms(5001),
        transaction_timeout: ms(5001),
        idle_transaction_timeout: ms(1001),
        client_idle_timeout: ms(1_800_001),
        ..pgbouncer()
    };
    assert_eq!(wrong_alone(above), []);
}

#[test]
fn a_pooler_that_shows_nothing_is_said() {
    let found = with_patient(&[], &DatabaseOptions::default(), "postgres://h/db", |patient| {
        pooler::examine(patient, &Pooler::Opaque("not allowed, 08P01".to_owned()), &server())
    });
    let [found] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(found.severity, Severity::Warning);
    let told = Report(vec![found.clone()]).to_string();
    assert!(told.contains("not allowed, 08P01") && told.contains("stats_users"), "{told}");
}

#[test]
fn an_unencrypted_connection_over_the_network_is_a_warning() {
    assert_eq!(database::encryption(&server()).severity, Severity::Warning);
    let near = Server { is_remote: false, ..server() };
    assert_eq!(database::encryption(&near).severity, Severity::Ok);
    let encrypted = Server { is_encrypted: true, ..server() };
    assert_eq!(database::encryption(&encrypted).severity, Severity::Ok);
}

#[test]
fn clocks_that_differ_by_more_than_a_second_are_a_warning() {
    let at = |ms| Timestamp::from_millisecond(ms).expect("in range");
    for (theirs, expected) in [
        (0, Severity::Ok),
        (1040, Severity::Ok),
        (-960, Severity::Ok),
        (1200, Severity::Warning),
        (-1200, Severity::Warning),
    ] {
        let found = database::skew(at(0), Duration::from_millis(20), at(theirs - 30));
        assert_eq!(found.severity, expected, "{theirs}: {found:?}");
    }
}

#[test]
fn each_link_of_the_chain_of_timeouts_is_held_against_the_next() {
    let broken = |environment: &[(&str, &str)], url, options: &DatabaseOptions| -> Vec<String> {
        let findings = with_patient(environment, options, url, timeouts::examine);
        let errors = findings.into_iter().filter(|finding| finding.severity == Severity::Error);
        errors.map(|finding| finding.what).collect()
    };
    let options = DatabaseOptions::default();
    let proxy = |ms| [("MAINSTAY_FLEET__PROXY_TIMEOUT_MS", ms)];
    let (file, server) = ("sqlite:a.db", "postgres://h/db");
    assert!(broken(&[], file, &options).is_empty());
    assert!(broken(&proxy("10001"), server, &options).is_empty());
    let found = broken(&proxy("10000"), file, &options);
    assert!(found[0].contains("fleet.proxy_timeout_ms (10000 ms) > http.deadline_ms"), "{found:?}");
    let late = Duration::from_secs(10);
    let waiting =
        DatabaseOptions { queue_wait_max: late, acquire_timeout: late, ..options.clone() };
    assert_eq!(broken(&[], file, &waiting).len(), 1);
    assert_eq!(broken(&[], server, &waiting).len(), 1);
    let connecting = DatabaseOptions { connect_timeout: Duration::from_secs(3), ..options };
    assert_eq!(broken(&[], server, &connecting).len(), 1);
}

#[test]
fn files_are_counted_against_the_limit_of_the_process() {
    let environment = [("MAINSTAY_HTTP__CONNECTIONS_MAX", "100")];
    let with = |limit| {
        let options = DatabaseOptions::default();
        with_patient(&environment, &options, "sqlite:a.db", |patient| host::files(patient, limit))
    };
    // 100 clients, three connections with three files each, and 64.
    assert_eq!(with(Some(173)).severity, Severity::Ok);
    assert_eq!(with(None).severity, Severity::Ok);
    let short = with(Some(172));
    assert_eq!(short.severity, Severity::Warning);
    assert!(short.what.contains("= 173 open files, and this process may open 172"), "{short:?}");
}

#[test]
fn a_database_that_others_can_read_is_a_warning() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("app.db");
    let severities = || -> Vec<Severity> {
        let findings = host::database_file(&file);
        findings.iter().filter(|f| f.check == "permissions").map(|f| f.severity).collect()
    };
    assert_eq!(severities(), [Severity::Ok], "the folder is there, the file is not yet");
    fs::write(&file, "").expect("writable");
    for (mode, expected) in [(0o600, Severity::Ok), (0o644, Severity::Warning)] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("is ours");
        assert_eq!(severities(), [Severity::Ok, expected, Severity::Ok], "{mode:o}");
    }
}

#[test]
fn space_ports_and_addresses_are_judged() {
    let space = |free| host::space(Path::new("data"), free).severity;
    assert_eq!(space(1 << 30), Severity::Ok);
    assert_eq!(space((1 << 30) - 1), Severity::Warning);
    assert_eq!(space((64 << 20) - 1), Severity::Error);

    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    assert_eq!(host::port("PORT", address).severity, Severity::Warning);
    drop(taken);
    assert_eq!(host::port("PORT", address).severity, Severity::Ok);
    let foreign = "192.0.2.1:80".parse().expect("an address");
    assert_eq!(host::port("PORT", foreign).severity, Severity::Error);

    for (host, expected) in [
        ("127.0.0.1", Severity::Ok),
        ("10.1.2.3", Severity::Ok),
        ("fd00::1", Severity::Ok),
        ("0.0.0.0", Severity::Warning),
        ("::", Severity::Warning),
        ("203.0.113.9", Severity::Warning),
    ] {
        let host = host.parse().expect("an address");
        assert_eq!(host::operators(host, false).severity, expected, "{host}");
        assert_eq!(host::operators(host, true).severity, Severity::Ok, "{host} with a token");
    }
}

#[test]
fn a_report_is_read_by_people_and_by_programs() {
    let report = Report(vec![
        Finding::ok("disk", "there is room"),
        Finding::warning("ports", "a port is taken", "by another", "stop it"),
    ]);
    assert_eq!(
        report.to_string(),
        "ok       disk         there is room\n\
         warning  ports        a port is taken\n\
         \x20                     why: by another\n\
         \x20                     fix: stop it\n\
         0 errors, 1 warnings\n"
    );
    let json = report.to_json();
    assert_eq!(
        (&json["worst"], &json["findings"][1]["fix"]),
        (&"warning".into(), &"stop it".into())
    );
    assert!(json["findings"][0]["why"].is_null());
}
