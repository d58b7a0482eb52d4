//! The judge of the bound, which knows nothing of buckets: it slides the window over every
//! admission. Beside it the exact log, and controls that break the bound, which the judge must
//! catch.

use std::collections::VecDeque;

/// The quota of the controls, and of the traffic.
pub(super) const QUOTA: u32 = 100;

/// The window of the controls, and of the traffic.
pub(super) const WINDOW_NS: u64 = 60_000_000_000;

/// Whether one unit is admitted at a time, in nanoseconds.
pub(super) type Admit = Box<dyn FnMut(u64) -> bool>;

/// The exact log: the most that can be admitted.
pub(super) fn log() -> Admit {
    let mut log = VecDeque::new();
    Box::new(move |at| {
        while log.front().is_some_and(|then| then + WINDOW_NS <= at) {
            log.pop_front();
        }
        let admitted = log.len() < QUOTA as usize;
        if admitted {
            log.push_back(at);
        }
        admitted
    })
}

/// Control: a counter that starts anew with each window.
pub(super) fn fixed_window() -> Admit {
    let (mut window, mut count) = (0, 0);
    Box::new(move |at| {
        if at / WINDOW_NS != window {
            (window, count) = (at / WINDOW_NS, 0);
        }
        let admitted = count < QUOTA;
        count += u32::from(admitted);
        admitted
    })
}

/// Control: the weighted counter, `previous · (1 − f) + current`.
pub(super) fn weighted_counter() -> Admit {
    let (mut window, mut previous, mut current) = (0, 0, 0);
    Box::new(move |at| {
        let now = at / WINDOW_NS;
        if now != window {
            previous = if now == window + 1 { current } else { 0 };
            (window, current) = (now, 0);
        }
        let left = 1.0 - (at % WINDOW_NS) as f64 / WINDOW_NS as f64;
        let admitted = f64::from(previous) * left + f64::from(current + 1) <= f64::from(QUOTA);
        current += u32::from(admitted);
        admitted
    })
}

/// Control: the leaky bucket as a meter, with a burst of the quota.
pub(super) fn gcra() -> Admit {
    let step = WINDOW_NS / u64::from(QUOTA);
    let mut theoretical = 0;
    Box::new(move |at| {
        let next = theoretical.max(at);
        let admitted = next - at <= step * u64::from(QUOTA - 1);
        if admitted {
            theoretical = next + step;
        }
        admitted
    })
}

/// The most admissions in any half-open interval of the window's length.
pub(super) fn most_in_any_window(admissions: &[u64], window_ns: u64) -> usize {
    let mut first = 0;
    let mut most = 0;
    for (index, at) in admissions.iter().enumerate() {
        while admissions[first] + window_ns <= *at {
            first += 1;
        }
        most = most.max(index + 1 - first);
    }
    most
}
