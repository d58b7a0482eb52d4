//! Whether the trace of a request is kept, decided when it arrives.
//!
//! A trace that begins here is kept by its id, as OpenTelemetry's consistent probability sampling
//! does (<https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/>): every
//! service with the same ratio, or a larger one, keeps it too. A caller's decision is followed, but
//! anybody can send one, so only so many of them are followed each second.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use mainstay_core::TraceId;

/// The random part of a trace id by W3C Trace Context level 2: its last seven bytes.
const RANDOM_BITS: u32 = 56;

/// Decides. Clones are the same.
#[derive(Clone)]
pub struct Sampler(Arc<Shared>);

struct Shared {
    /// Random parts below are not kept.
    threshold: u64,
    /// `None`: all callers are followed.
    followed: Option<Pace>,
    began: Instant,
    unheeded: AtomicU64,
}

impl Sampler {
    /// Keeps `ratio` (0 to 1) of the traces that begin here, and at most so many a second of those
    /// that a caller wants kept; what is beyond is kept by the same ratio.
    pub fn new(ratio: f64, followed_per_second: u32) -> Self {
        Self::of(ratio, Some(Pace::new(followed_per_second)))
    }

    fn of(ratio: f64, followed: Option<Pace>) -> Self {
        let all = 1_u64 << RANDOM_BITS;
        let threshold = ((1.0 - ratio.clamp(0.0, 1.0)) * all as f64) as u64;
        let (began, unheeded) = (Instant::now(), AtomicU64::new(0));
        Self(Arc::new(Shared { threshold, followed, began, unheeded }))
    }

    /// Requests so far whose caller wanted a trace, beyond what is followed each second.
    pub fn unheeded(&self) -> u64 {
        self.0.unheeded.load(Relaxed)
    }

    /// A trace that begins here.
    pub(super) fn begins(&self, id: TraceId) -> bool {
        let mut random = [0; 8];
        random[1..].copy_from_slice(&id.0[9..]);
        self.keeps(u64::from_be_bytes(random))
    }

    /// A trace that a caller has begun, who keeps it or does not.
    pub(super) fn continues(&self, is_kept: bool) -> bool {
        is_kept && (self.follows() || self.keeps(fastrand::u64(..1 << RANDOM_BITS)))
    }

    /// Whoever floods the service with traces to be kept has chosen their ids as well, so what is
    /// beyond is decided by numbers of our own.
    fn follows(&self) -> bool {
        let Some(pace) = &self.0.followed else { return true };
        let follows = pace.admits(self.0.began.elapsed());
        if !follows {
            self.0.unheeded.fetch_add(1, Relaxed);
        }
        follows
    }

    fn keeps(&self, random: u64) -> bool {
        random >= self.0.threshold
    }
}

/// Nobody exports: no trace that begins here is kept, and callers' decisions are passed on.
impl Default for Sampler {
    fn default() -> Self {
        Self::of(0.0, None)
    }
}

impl fmt::Debug for Sampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sampler").field("unheeded", &self.unheeded()).finish_non_exhaustive()
    }
}

/// So many a second, and a second's worth at once: the generic cell rate algorithm (ITU-T I.371),
/// whose whole state is the time at which everything admitted so far would have come evenly.
struct Pace {
    /// Nanoseconds between two; `None` admits nobody.
    interval: Option<u64>,
    even: AtomicU64,
}

impl Pace {
    const BURST: Duration = Duration::from_secs(1);

    const fn new(per_second: u32) -> Self {
        let second = Self::BURST.as_nanos() as u64;
        Self { interval: second.checked_div(per_second as u64), even: AtomicU64::new(0) }
    }

    fn admits(&self, now: Duration) -> bool {
        let Some(interval) = self.interval else { return false };
        let now = now.as_nanos() as u64;
        let latest = now + Self::BURST.as_nanos() as u64;
        let next = |even: u64| Some(even.max(now) + interval).filter(|next| *next <= latest);
        self.even.fetch_update(Relaxed, Relaxed, next).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(random: u64) -> TraceId {
        TraceId((u128::MAX << 56 | u128::from(random)).to_be_bytes())
    }

    fn kept(sampler: &Sampler, count: u32) -> usize {
        (0..count).filter(|_| sampler.begins(TraceId(fastrand::u128(1..).to_be_bytes()))).count()
    }

    #[test]
    fn a_trace_is_kept_by_the_last_seven_bytes_of_its_id() {
        let quarter = Sampler::new(0.25, 0);
        // The threshold of a quarter is `th:c` in the specification.
        assert!(!quarter.begins(id(0xbf_ffff_ffff_ffff)));
        assert!(quarter.begins(id(0xc0_0000_0000_0000)));
        assert!(quarter.begins(id(0xff_ffff_ffff_ffff)));
    }

    #[test]
    fn no_ratio_keeps_nothing_and_the_whole_keeps_everything() {
        assert!(!Sampler::new(0.0, 0).begins(id(0xff_ffff_ffff_ffff)));
        assert!(Sampler::new(1.0, 0).begins(id(0)));
    }

    #[test]
    fn as_many_traces_are_kept_as_the_ratio_says() {
        // Five standard deviations of 10,000 draws at 5 % are 109.
        let kept = kept(&Sampler::new(0.05, 0), 10_000);
        assert!((390..=610).contains(&kept), "{kept}");
    }

    #[test]
    fn who_keeps_a_smaller_part_keeps_a_part_of_the_same() {
        let (few, many) = (Sampler::new(0.1, 0), Sampler::new(0.3, 0));
        for _ in 0..1000 {
            let id = TraceId(fastrand::u128(1..).to_be_bytes());
            assert!(many.begins(id) || !few.begins(id));
        }
    }

    #[test]
    fn callers_are_followed_up_to_the_pace_and_then_by_chance() {
        let sampler = Sampler::new(0.0, 3);
        let followed = (0..100).filter(|_| sampler.continues(true)).count();
        // A machine that stops in between makes it a few more.
        assert!((3..50).contains(&followed), "{followed}");
        assert_eq!(sampler.unheeded() as usize, 100 - followed);
        assert!(!sampler.continues(false), "a caller who keeps nothing is followed too");
        let all = Sampler::new(1.0, 0);
        assert!((0..100).all(|_| all.continues(true)), "the ratio holds beyond the pace");
    }

    #[test]
    fn a_pace_admits_a_second_at_once_and_then_evenly() {
        let pace = Pace::new(10);
        let at = |tenths: u64| pace.admits(Duration::from_millis(tenths * 100));
        assert_eq!((0..20).filter(|_| at(0)).count(), 10);
        assert!(at(1) && !at(1));
        assert!(at(4) && at(4) && at(4) && !at(4));
        assert_eq!((0..20).filter(|_| at(100)).count(), 10, "nobody saves up for more");
    }

    #[test]
    fn who_exports_nothing_passes_callers_decisions_on() {
        let passive = Sampler::default();
        assert!((0..10_000).all(|_| passive.continues(true)));
        assert_eq!((kept(&passive, 1000), passive.unheeded()), (0, 0));
    }
}
