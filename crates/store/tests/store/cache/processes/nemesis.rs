//! What happens to the processes while they work, and what is judged after it.

use std::time::Duration;

use rustix::process::Signal;

use super::{
    fleet::Fleet,
    journal::Judgement,
    worker::{Step, works},
};

/// How many reads a run makes at least: `MAINSTAY_TEST_CACHE_READS`, or what takes seconds.
#[expect(clippy::disallowed_methods, reason = "the length of a test is no configuration")]
fn reads_wanted() -> usize {
    let variable = std::env::var("MAINSTAY_TEST_CACHE_READS").ok();
    variable.map_or(50_000, |text| text.parse().expect("MAINSTAY_TEST_CACHE_READS is a number"))
}

/// Lets everything run: here time is what is tested.
async fn run(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// The figures of a run, for who looks.
#[expect(clippy::print_stderr, reason = "the length of a run is chosen, and seen here")]
fn tell(Judgement { reads, writes, hits, loads, .. }: &Judgement) {
    eprintln!("{reads} reads, {writes} writes; of the survivors {hits} hits, {loads} loads");
}

const MOMENT: Duration = Duration::from_millis(300);
/// Long enough for caches to be trusted again after an outage.
const WHILE: Duration = Duration::from_millis(1700);

#[tokio::test]
async fn nobody_reads_what_was_written_over_longer_ago_than_the_bound() {
    const TEST: &str = "cache::processes::nemesis::\
                        nobody_reads_what_was_written_over_longer_ago_than_the_bound";
    if works().await {
        return;
    }
    let mut fleet = Fleet::start(TEST, false, 0).await;
    run(WHILE).await;
    for round in 0.. {
        let victim = round % 3;
        fleet.proxies[victim].black_hole_answers();
        run(MOMENT).await;
        fleet.proxies[victim].pass();
        fleet.workers[(victim + 1) % 3].0.signal(Signal::STOP);
        run(Duration::from_secs(1)).await;
        fleet.workers[(victim + 1) % 3].0.signal(Signal::CONT);
        let steps = [Step::Committed, Step::Announced, Step::Published];
        fleet.replace((victim + 2) % 3, steps[round % 3]);
        run(MOMENT).await;
        fleet.server.ask(&["FLUSHALL"]);
        run(WHILE).await;
        fleet.kill_unanswered((victim + 1) % 3).await;
        run(MOMENT).await;
        // One of them comes back later than the others, with writes that it could not tell.
        fleet.server.pause().expect("stops");
        fleet.proxies[victim].black_hole();
        run(MOMENT).await;
        fleet.server.resume().expect("goes on");
        run(MOMENT).await;
        fleet.proxies[victim].pass();
        run(WHILE).await;
        fleet.server.crash().expect("ends");
        if round % 2 == 1 {
            fleet.server.forget().expect("is lost");
        }
        run(MOMENT).await;
        fleet.server.start_again().expect("starts");
        run(WHILE).await;
        if fleet.reads() >= reads_wanted() {
            break;
        }
    }
    let judgement = fleet.judge().await;
    tell(&judgement);
    let Judgement { writes, hits, loads, .. } = judgement;
    assert_eq!(judgement.violations(), 0, "{judgement:?}");
    assert!(hits > 10_000 && writes > 100, "{hits} hits, {loads} loads, {writes} writes");
}

/// On a machine that is so busy that hardly anybody reads or writes, there is little to catch.
const RUNS_MAX: usize = 3;

/// A cache as they are often made is caught.
async fn caught(trial: impl AsyncFn() -> Judgement) {
    let mut judgement = trial().await;
    for _ in 1..RUNS_MAX {
        if judgement.too_old.is_empty() {
            judgement = trial().await;
        }
    }
    assert!(!judgement.too_old.is_empty(), "{judgement:?}");
}

#[tokio::test]
async fn the_checker_catches_a_notice_that_is_lost() {
    const TEST: &str = "cache::processes::nemesis::the_checker_catches_a_notice_that_is_lost";
    if works().await {
        return;
    }
    caught(async || {
        let fleet = Fleet::start(TEST, true, 0).await;
        run(WHILE).await;
        fleet.proxies[0].black_hole_answers();
        run(MOMENT).await;
        fleet.proxies[0].pass();
        run(MOMENT).await;
        fleet.judge().await
    })
    .await;
}

#[tokio::test]
async fn the_checker_catches_a_fill_that_ignores_the_write_of_another_process() {
    const TEST: &str = "cache::processes::nemesis::\
                        the_checker_catches_a_fill_that_ignores_the_write_of_another_process";
    if works().await {
        return;
    }
    caught(async || {
        let fleet = Fleet::start(TEST, true, 5).await;
        run(WHILE).await;
        fleet.judge().await
    })
    .await;
}
