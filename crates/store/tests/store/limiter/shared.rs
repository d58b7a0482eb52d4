//! Four processes and one Redis: no interval holds more than the quota, whatever arrives and whoever
//! is stopped, and nearly as much is admitted as could be.

use std::time::Duration;

use mainstay_test_databases::{Memory, PrivateRedis};

use super::{
    fleet::{Fleet, Record, is_member},
    judge::QUOTA,
};

/// Runs a kind of traffic, with something that happens meanwhile.
fn run(test: &str, traffic: &str, server: &PrivateRedis, happens: impl FnOnce(&Fleet)) -> Record {
    let url = server.url();
    let test = format!("limiter::shared::{test}");
    let fleet = Fleet::start(&test, traffic, [&url, &url, &url, &url]);
    happens(&fleet);
    fleet.end()
}

fn server() -> PrivateRedis {
    PrivateRedis::start(Memory::Lost).expect("starts")
}

#[expect(clippy::print_stdout, reason = "the figures are a result")]
fn check(traffic: &str, record: &Record, utilisation: f64) {
    println!("{traffic}: {}", record.told());
    assert!(record.most() <= QUOTA as usize, "{traffic}: {}", record.told());
    assert!(record.utilisation() >= utilisation, "{traffic}: {}", record.told());
    assert_eq!((record.alone, record.failures), (0, 0), "{traffic}: Redis was there");
}

macro_rules! traffic {
    ($($name:ident $traffic:literal)*) => {
        $(#[test]
        fn $name() {
            if !is_member() {
                let record = run(stringify!($name), $traffic, &server(), |_| {});
                check($traffic, &record, 0.97);
            }
        })*
    };
}

traffic! {
    traffic_below_the_quota_is_admitted "poisson 0.9"
    traffic_above_the_quota_fills_it_and_no_more "poisson 1.1"
    bursts_fill_the_quota_and_no_more "on/off"
    requests_on_both_sides_of_a_boundary_gain_nothing "boundary"
    clients_that_read_every_answer_gain_nothing "greedy"
}

#[test]
fn a_client_at_ten_times_its_quota_hardly_reaches_redis() {
    if is_member() {
        return;
    }
    let server = server();
    let record =
        run("a_client_at_ten_times_its_quota_hardly_reaches_redis", "poisson 10", &server, |_| {});
    check("poisson 10", &record, 0.97);
    let calls = server.calls("evalsha");
    assert!(calls >= record.questions, "each question is a call");
    assert!(record.questions_per_request() <= 0.05, "{}", record.told());
}

#[test]
fn a_process_that_is_stopped_spends_nothing_late() {
    if is_member() {
        return;
    }
    let stops = |fleet: &Fleet| {
        for (n, ms) in (0..).zip([200, 500, 900, 300, 700]) {
            fleet.stop(n % 4, Duration::from_millis(ms));
        }
    };
    let record =
        run("a_process_that_is_stopped_spends_nothing_late", "poisson 1.1", &server(), stops);
    assert!(record.most() <= QUOTA as usize, "{}", record.told());
}
