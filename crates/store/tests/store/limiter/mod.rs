//! Rate limits: that no interval holds more than the quota, whoever counts.

mod fleet;
mod judge;
mod local;
mod member;
mod outage;
mod redis;
mod shared;
mod traffic;
