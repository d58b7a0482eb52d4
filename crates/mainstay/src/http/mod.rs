//! Requests to other services: a [`Client`] for each, made by [`Clients`].
//!
//! A call carries the trace, the id and the deadline of the request that it is made for, takes a
//! bounded time and a bounded answer, and is repeated only where that is harmless and affordable.
//! `docs/calling-services.md` shows it in use.

mod attempt;
mod base;
mod breaker;
mod budget;
mod call;
mod carry;
mod client;
mod clients;
mod connector;
mod error;
mod figures;
mod options;
mod repeat;
mod response;
mod target;
#[cfg(test)]
mod tests;
mod trouble;

pub use ::http::{HeaderMap, HeaderName, Method, StatusCode, header};

pub use self::{
    base::{BaseUrl, InvalidBaseUrl},
    call::Call,
    client::Client,
    clients::Clients,
    error::{CallError, Reason, UPSTREAM_FAILED, UPSTREAM_TIMED_OUT, UPSTREAM_UNAVAILABLE},
    options::{Backoff, BreakerOptions, ClientOptions, RetryBudget},
    response::Response,
};
pub(crate) use self::{
    connector::{Connector, connector},
    figures::Ending,
};
