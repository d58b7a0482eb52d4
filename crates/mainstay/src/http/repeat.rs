//! Whether a call is tried once more, and when.

use std::time::{Duration, Instant};

use super::{Backoff, attempt::MARGIN, call::Ready, client::Shared, trouble::Trouble};

/// How long to wait before another attempt; `None` when there is none. Who may try again has paid
/// for it.
pub(super) fn after(
    client: &Shared,
    call: &Ready,
    made: u32,
    trouble: &Trouble,
    deadline: Instant,
) -> Option<Duration> {
    if !call.is_repeatable || !trouble.is_passing() || made >= client.options.attempts_max {
        return None;
    }
    let asked = trouble.retry_after().unwrap_or_default();
    let wait = asked + jittered(client.options.backoff, made);
    let now = Instant::now();
    // Another attempt has to have some time as well.
    if deadline.saturating_duration_since(now) <= wait + MARGIN {
        return None;
    }
    let is_paid = client.budget.withdraw(now);
    if !is_paid {
        client.figures.exhaust();
    }
    is_paid.then_some(wait)
}

/// Any time up to the longest one after so many attempts.
fn jittered(backoff: Backoff, made: u32) -> Duration {
    longest(backoff, made).mul_f64(fastrand::f64())
}

fn longest(backoff: Backoff, made: u32) -> Duration {
    let doublings = made.saturating_sub(1).min(31);
    backoff.first.saturating_mul(1 << doublings).min(backoff.max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_their_maximum() {
        let backoff = Backoff::default();
        let waits = [1, 2, 3, 4, 5, 6, 7, u32::MAX].map(|made| longest(backoff, made).as_millis());
        assert_eq!(waits, [50, 100, 200, 400, 800, 1000, 1000, 1000]);
        assert!((0..1000).all(|_| jittered(backoff, 1) <= backoff.first));
    }
}
