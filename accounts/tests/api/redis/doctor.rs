//! `doctor` and what processes share.

use mainstay_testing::{EncryptedRedis, Memory, PrivateCluster, PrivateRedis, PrivateSentinel};

use crate::process::{Output, run};

/// What `doctor` says about a Redis, and its exit code.
fn doctor(url: &str, more: &[(&str, &str)]) -> (Vec<String>, Option<i32>) {
    let usual = [("REDIS_URL", url), ("PORT", "0"), ("OPS_PORT", "0")];
    let Output { code, stdout, .. } = run(&["doctor"], &[&usual[..], more].concat(), "");
    let lines = stdout.lines().filter(|line| line.contains(" redis "));
    (lines.map(str::to_owned).collect(), code)
}

#[test]
fn a_redis_is_asked_whatever_stands_for_it() {
    let server = PrivateRedis::start(Memory::Lost).expect("starts");
    let cluster = PrivateCluster::start(3).expect("starts");
    let sentinel = PrivateSentinel::start().expect("starts");
    for url in [server.url(), cluster.url(), sentinel.url()] {
        let (lines, code) = doctor(&url, &[]);
        assert!(lines[0].starts_with("ok       redis"), "{url}: {lines:?}");
        assert!(lines[0].contains(" answers in "), "{url}: {lines:?}");
        assert_eq!((lines.len(), code), (1, Some(0)), "{url}: {lines:?}");
    }
}

#[test]
fn a_certificate_that_nobody_believes_is_refused() {
    let server = EncryptedRedis::start().expect("starts");
    let file = server.certificate();
    let trusted = doctor(&server.url(), &[("SSL_CERT_FILE", &file.to_string_lossy())]);
    assert_eq!(trusted.1, Some(0), "{trusted:?}");
    let (lines, code) = doctor(&server.url(), &[]);
    assert!(lines[0].starts_with("error    redis"), "{lines:?}");
    assert_eq!(code, Some(2));
}

#[test]
fn an_address_that_leads_nowhere_is_an_error_without_its_password() {
    for url in ["redis://ada:canary@127.0.0.1:1", "mysql://ada:canary@127.0.0.1/x"] {
        let usual = [("REDIS_URL", url), ("PORT", "0"), ("OPS_PORT", "0")];
        let output = run(&["doctor"], &usual, "");
        assert_eq!(output.code, Some(2), "{}", output.stdout);
        assert!(output.stdout.contains("error    redis"), "{}", output.stdout);
        assert!(!format!("{output:?}").contains("canary"), "{}", output.stdout);
    }
}
