//! Each class has its share, the slowest are the slowest, and a burst is no larger sample.

use std::time::Duration;

use proptest::prelude::*;

use super::{
    super::{recorder::Filter, slowest::WINDOW_MS, wire::Record},
    Ended, Kept, ids, recorder,
};

const BUDGET: usize = 400_000;

#[test]
fn a_flood_of_one_class_pushes_out_no_other() {
    // 200 fills the class of the slowest and the sample.
    let classes = [(503, Kept::Failure), (404, Kept::Refusal), (200, Kept::Slow)];
    for (flood, _) in classes.into_iter().chain([(499, Kept::Failure)]) {
        let recorder = recorder(BUDGET);
        let first = |status: u16| Ended { id: format!("first-{status}"), ..Ended::new(status, 0) };
        for (status, _) in classes {
            first(status).taking(Duration::from_secs(9)).record(&recorder);
        }
        for at in 0..5000 {
            let way = at as usize % 3;
            Ended { way, cause: "why ".repeat(200), ..Ended::new(flood, at) }.record(&recorder);
        }
        for (status, kept) in classes {
            let is_there = ids(&recorder, kept).contains(&format!("first-{status}"));
            // The oldest of its own class makes room; what is slower than the flood does not.
            assert_eq!(is_there, status != flood || kept == Kept::Slow, "{status} in {flood}");
        }
    }
}

#[test]
fn of_a_class_the_oldest_leaves() {
    let recorder = recorder(BUDGET);
    for at in 0..5000 {
        Ended::new(503, at).record(&recorder);
    }
    let kept = ids(&recorder, Kept::Failure);
    assert!((50..4000).contains(&kept.len()), "{}", kept.len());
    let expected: Vec<_> =
        (0..5000).rev().take(kept.len()).map(|at| format!("request-{at}")).collect();
    assert_eq!(kept, expected);
}

proptest! {
    #[test]
    fn the_slowest_of_each_way_are_the_slowest(
        all in prop::collection::vec((0..3_usize, 0..1_000_000_u64), 0..200),
    ) {
        let recorder = recorder(4_000_000);
        let mut expected = Vec::new();
        for (at, (way, micros)) in all.iter().enumerate() {
            let duration = Duration::from_micros(*micros);
            Ended { way: *way, ..Ended::new(200, at as i64).taking(duration) }.record(&recorder);
        }
        for way in 0..3 {
            let mut durations: Vec<_> =
                all.iter().filter(|(other, _)| *other == way).map(|(_, micros)| *micros).collect();
            durations.sort_unstable_by(|a, b| b.cmp(a));
            expected.extend(durations.into_iter().take(8));
        }
        let filter = Filter { kept: Some(Kept::Slow), ..Default::default() };
        let kept = recorder.list(&filter, usize::MAX);
        let micros = |record: &Record| (record.ms * 1000.0).round() as u64;
        let mut kept: Vec<_> = kept.iter().map(micros).collect();
        kept.sort_unstable();
        expected.sort_unstable();
        prop_assert_eq!(kept, expected);
    }
}

#[test]
fn an_ancient_outlier_does_not_reign() {
    let recorder = recorder(BUDGET);
    let window = WINDOW_MS as i64;
    Ended::new(200, 0).taking(Duration::from_secs(9)).record(&recorder);
    let is_there = || ids(&recorder, Kept::Slow).contains(&"request-0".to_owned());
    for (at, expected) in [(1, true), (window, true), (2 * window - 10, true), (2 * window, false)]
    {
        Ended::new(200, at).record(&recorder);
        assert_eq!(is_there(), expected, "after {at} ms");
    }
    let newest = ids(&recorder, Kept::Slow);
    assert!(newest.contains(&format!("request-{}", 2 * window)), "{newest:?}");
}

#[test]
fn a_thread_that_is_late_does_not_turn_the_window_back() {
    let recorder = recorder(BUDGET);
    let window = WINDOW_MS as i64;
    for at in [1, window, window - 1, window + 1, window - 2] {
        Ended::new(200, at).record(&recorder);
    }
    assert_eq!(ids(&recorder, Kept::Slow).len(), 5);
    // A clock that was set back by an hour is followed.
    for at in [10 * window, 2 * window] {
        Ended::new(200, at).record(&recorder);
    }
    let kept = ids(&recorder, Kept::Slow);
    assert_eq!(kept, [format!("request-{}", 10 * window), format!("request-{}", 2 * window)]);
}

#[test]
fn a_burst_is_no_larger_a_sample_than_its_time() {
    let recorder = recorder(4_000_000);
    // These are the slowest.
    for at in 0..8 {
        Ended::new(200, at).taking(Duration::from_secs(9)).record(&recorder);
    }
    for at in 0..10_000 {
        Ended::new(200, 20_000 + at / 10).record(&recorder);
    }
    assert_eq!(ids(&recorder, Kept::Sample).len(), 9, "eight a second, and where it began");
}
