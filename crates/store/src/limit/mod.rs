//! Rate limits kept in this process: the conservative ring, one for each policy and key.

mod local;
mod ring;

pub use self::local::{LocalLimiter, LocalLimiterOptions};
