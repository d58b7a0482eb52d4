//! Rate limits kept in this process: the conservative ring, one for each policy and key.

mod local;
mod ring;
mod table;

pub use self::local::{LocalLimiter, LocalLimiterOptions};
