//! The rate limit as a step of the request life.

use std::time::Duration;

use axum::http::HeaderValue;
use bytes::Bytes;
use mainstay_core::{Decision, Verdict};

use super::{Edge, address, line::Line};
use crate::{
    codes,
    context::Context,
    endpoint::{LimitKey, Settled, SettledLimit},
    respond::Problem,
};

/// The quotes, both parameters, and two numbers of at most 20 digits.
const STATE_BYTES_MAX: usize = 48;

/// `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10).
pub(super) struct RateHeaders {
    pub(super) policy: HeaderValue,
    pub(super) state: HeaderValue,
}

impl Edge {
    /// Charges the endpoint's limit if it counts by `key`; refuses when the window is full.
    pub(super) async fn charge(
        &self,
        endpoint: &Settled,
        key: LimitKey,
        line: &mut Line<'_>,
        context: &Context,
    ) -> Result<(), Problem> {
        let limit = match &endpoint.limit {
            // Until the principal is known, guesses at credentials are counted by address.
            SettledLimit::Limited { key: LimitKey::Principal, .. } if key == LimitKey::Client => {
                &self.default_limit
            }
            limit => limit,
        };
        let SettledLimit::Limited { key: counted, policy, header } = limit else { return Ok(()) };
        if *counted != key {
            return Ok(());
        }
        let counted = match key {
            LimitKey::Client => address::limit_key(context.client),
            LimitKey::Principal => context.caller().map_or(0, |caller| caller.subject.0.as_u128()),
        };
        let decision = match self.parts.limiter.decide(policy, counted, 1) {
            Verdict::Now(decision) => decision,
            Verdict::Later(asking) => asking.await,
        };
        line.rate =
            Some(RateHeaders { policy: header.clone(), state: state(&policy.name, decision) });
        if decision.admitted {
            return Ok(());
        }
        let wait = decision.reset_after.max(Duration::from_millis(1));
        Err(Problem::new(codes::RATE_LIMITED).with_retry_after(wait))
    }
}

/// `"name";r=REMAINING`, and `;t=SECONDS` until more is released once nothing is left.
fn state(name: &str, decision: Decision) -> HeaderValue {
    let mut text = Vec::with_capacity(name.len() + STATE_BYTES_MAX);
    text.push(b'"');
    text.extend_from_slice(name.as_bytes());
    text.extend_from_slice(b"\";r=");
    text.extend_from_slice(itoa::Buffer::new().format(decision.remaining).as_bytes());
    if decision.remaining == 0 {
        let wait = decision.reset_after;
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        text.extend_from_slice(b";t=");
        text.extend_from_slice(itoa::Buffer::new().format(seconds).as_bytes());
    }
    HeaderValue::from_maybe_shared(Bytes::from(text))
        .unwrap_or_else(|_| HeaderValue::from_static(""))
}
