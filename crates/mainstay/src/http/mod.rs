//! Requests to other services.

mod connector;

pub(crate) use connector::{Connector, connector};
