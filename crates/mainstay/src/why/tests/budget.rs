//! However many requests come, and however large, the memory stays within the budget.

use std::time::Duration;

use proptest::prelude::*;

use super::{Ended, recorder};

fn ended() -> impl Strategy<Value = Ended> {
    let status = prop::sample::select(vec![200, 204, 304, 404, 422, 429, 499, 500, 503]);
    let id = prop::sample::select(vec![1_usize, 36, 37, 128]);
    // Mostly on, sometimes far ahead, and sometimes back again.
    let at_ms = prop_oneof![8 => 0..100_000_i64, 1 => 0..100_000_000_i64, 1 => -1_000_000..0_i64];
    let duration = prop_oneof![0..2000_u64, 0..10_000_000_u64];
    let cause = prop_oneof![Just(0), 0..5000_usize];
    (id, 0..super::WAYS.len(), status, at_ms, duration, cause, 0..=64_usize).prop_map(
        |(id, way, status, at_ms, duration, cause, steps)| Ended {
            id: "x".repeat(id),
            trace: 7,
            way,
            status,
            at_ms,
            duration: Duration::from_micros(duration),
            cause: "é".repeat(cause / 2),
            steps,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn whatever_ends_the_memory_stays_within_the_budget(
        bytes_max in prop_oneof![0..40_000_usize, 0..400_000_usize],
        all in prop::collection::vec(ended(), 1..400),
    ) {
        let recorder = recorder(bytes_max);
        let places = recorder.bytes();
        // A budget that has no room for the places themselves keeps nothing.
        let bound = bytes_max.max(places);
        for ended in &all {
            ended.record(&recorder);
            let bytes = recorder.bytes();
            prop_assert!(bytes <= bound, "{bytes} of {bytes_max} after {ended:?}");
        }
    }
}

#[test]
fn the_flood_that_the_budget_is_tried_with_does_not_fit_it() {
    let (small, large) = (recorder(100_000), recorder(100_000_000));
    for at in 0..400 {
        for status in [200, 404, 499, 503] {
            let duration = Duration::from_millis(at as u64);
            let ended = Ended::new(status, at * 200).taking(duration);
            let ended = Ended { cause: "why ".repeat(400), steps: 64, ..ended };
            ended.record(&small);
            ended.record(&large);
        }
    }
    assert!(small.bytes() <= 100_000, "{}", small.bytes());
    assert!(small.bytes() > 50_000, "the budget is used: {}", small.bytes());
    assert!(large.bytes() > 8_000_000, "{}", large.bytes());
}
