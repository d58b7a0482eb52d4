//! Who uses the connections to a server at this moment: the first question when none are left.

use std::{fmt, sync::Arc, time::Duration};

/// The connections of this process, as they are at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connections {
    /// Single statements under way on the lanes.
    pub lanes_busy: usize,
    /// Single statements that wait for a place on a lane.
    pub lanes_waiting: usize,
    /// Connections of the pool, at most.
    pub pool_max: usize,
    /// Those that are open, or being opened.
    pub pool_open: usize,
    /// Those of them that nobody uses.
    pub pool_idle: usize,
    /// Callers that wait for one.
    pub pool_waiting: usize,
    /// Those who have one, longest first.
    pub holders: Vec<Holder>,
}

/// Everybody who has a connection of the pool for the same purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The route, `GET /users/{id}`; `no request` for work that belongs to none.
    pub name: Arc<str>,
    /// How many connections.
    pub count: usize,
    /// For how long the longest of them has been held.
    pub longest: Duration,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, up to {} ms)", self.name, self.count, self.longest.as_millis())
    }
}
