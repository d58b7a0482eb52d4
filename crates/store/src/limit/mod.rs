//! Rate limits: the conservative ring, one for each policy and key, in this process or in Redis.

mod leased;
mod local;
mod refusals;
mod ring;
mod table;

pub use self::leased::{LimiterCounts, SharedLimiter, SharedLimiterOptions};
pub use self::local::{LocalLimiter, LocalLimiterOptions};
pub use self::refusals::{Refusals, Refused};
