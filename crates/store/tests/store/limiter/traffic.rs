//! Arrivals of the kinds that limiters meet, or fear, at a quota of 100 a minute.

use super::judge::QUOTA;

/// Arrivals of the kinds that limiters meet, or fear. Seeded: a failure can be repeated.
pub(super) struct Traffic {
    random: u64,
    now: f64,
    arrivals: Vec<u64>,
}

impl Traffic {
    const LENGTH: usize = 20_000;

    pub(super) fn new() -> Self {
        Self { random: 0x9e37_79b9_7f4a_7c15, now: 0.0, arrivals: Vec::new() }
    }

    /// Uniform in (0, 1]; xorshift64.
    pub(super) fn uniform(&mut self) -> f64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        ((self.random >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    fn after(&mut self, seconds: f64) {
        self.now += seconds;
        self.arrivals.push((self.now * 1e9) as u64);
    }

    fn exponential(&mut self, rate: f64) {
        let gap = -self.uniform().ln() / rate;
        self.after(gap);
    }

    /// Independent arrivals at a multiple of the quota's rate.
    pub(super) fn poisson(times: f64) -> Vec<u64> {
        let mut traffic = Self::new();
        for _ in 0..Self::LENGTH {
            traffic.exponential(f64::from(QUOTA) / 60.0 * times);
        }
        traffic.arrivals
    }

    /// Bursts of half as much again as the quota, every 20 to 70 s.
    pub(super) fn on_off() -> Vec<u64> {
        let mut traffic = Self::new();
        while traffic.arrivals.len() < Self::LENGTH {
            traffic.now += 20.0 + 50.0 * traffic.uniform();
            for _ in 0..150 {
                traffic.exponential(75.0);
            }
        }
        traffic.arrivals
    }

    /// A quota at the end of an aligned window, then more than enough over the next one.
    pub(super) fn boundary() -> Vec<u64> {
        let mut traffic = Self::new();
        for window in (2..200).step_by(5) {
            traffic.now = f64::from(window) * 60.0 - 0.5;
            (0..QUOTA).for_each(|_| traffic.after(0.4 / f64::from(QUOTA)));
            traffic.now = f64::from(window) * 60.0;
            (0..3 * QUOTA).for_each(|_| traffic.after(59.0 / f64::from(3 * QUOTA)));
        }
        traffic.arrivals
    }

    pub(super) fn all() -> [(&'static str, Vec<u64>); 5] {
        [
            ("poisson 0.9", Self::poisson(0.9)),
            ("poisson 1.1", Self::poisson(1.1)),
            ("poisson 10", Self::poisson(10.0)),
            ("on/off", Self::on_off()),
            ("boundary", Self::boundary()),
        ]
    }
}
