//! The rate limit as a step of the request life.

use std::{array, time::Duration};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;
use mainstay_core::{
    CHARGES_MAX, Charge, Decision, Outcome, Standing, Step as Recorder, StepKind, Verdict, Work,
};
use sha2::{Digest, Sha256};

use super::{Edge, address, line::Line};
use crate::{
    codes,
    context::Context,
    endpoint::{LimitKey, SettledLimit, Step},
    respond::Problem,
};

const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Room for what is left of the limits of a usual endpoint.
const STATE_BYTES_USUAL: usize = 128;

/// `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10).
pub(super) struct RateHeaders {
    policy: HeaderValue,
    state: Vec<u8>,
}

impl RateHeaders {
    /// Adds what a step has charged to what was charged before it.
    fn charged(line: &mut Line<'_>, step: &Step, decision: &Decision) {
        let earlier = line.rate.take().map(|headers| headers.state);
        let mut state = earlier.unwrap_or_else(|| Vec::with_capacity(STATE_BYTES_USUAL));
        for (limit, standing) in step.limits.iter().zip(decision.standings()) {
            if !state.is_empty() {
                state.extend_from_slice(b", ");
            }
            member(&mut state, &limit.policy.name, standing);
        }
        line.rate = Some(Self { policy: step.header.clone(), state });
    }

    /// Writes both.
    pub(super) fn write(self, headers: &mut HeaderMap) {
        headers.insert(RATELIMIT_POLICY, self.policy);
        if let Ok(state) = HeaderValue::from_maybe_shared(Bytes::from(self.state)) {
            headers.insert(RATELIMIT, state);
        }
    }
}

impl Edge {
    /// Charges the limits of a step together, or refuses.
    pub(super) async fn charge(
        &self,
        step: &Step,
        headers: &HeaderMap,
        line: &mut Line<'_>,
        context: &Context,
    ) -> Result<(), Problem> {
        let Some(first) = step.limits.first() else { return Ok(()) };
        // An array, so that nothing is allocated; what follows the last limit is left out again.
        let charges: [Charge<'_>; CHARGES_MAX] = array::from_fn(|n| match step.limits.get(n) {
            Some(limit) => charge(limit, key(limit.key, headers, context)),
            None => charge(first, 0),
        });
        let charges = &charges[..step.limits.len()];
        let decision = match self.parts.limiter.decide(charges) {
            Verdict::Now(decision) => {
                let (name, outcome, remaining) = told(&step.limits, &decision);
                Recorder::note(StepKind::Limit, name, outcome, Some(remaining));
                decision
            }
            Verdict::Later(asking) => {
                let recorder = Recorder::begin(StepKind::Limit, first.label);
                let decision = Work::part_of(recorder.id(), asking).await;
                let (name, outcome, remaining) = told(&step.limits, &decision);
                recorder.rename(name).end(outcome, Some(remaining));
                decision
            }
        };
        RateHeaders::charged(line, step, &decision);
        let wait = decision.retry_after.max(Duration::from_millis(1));
        match decision.outcome {
            Outcome::Admitted => Ok(()),
            Outcome::Refused => Err(Problem::new(codes::RATE_LIMITED).with_retry_after(wait)),
            Outcome::Uncounted => Err(Problem::new(codes::OVERLOADED)
                .with_retry_after(wait)
                .caused_by("the limiter cannot count, and the limit is closed then")),
        }
    }
}

/// The limit that decided, for the journal: the first that says what was decided, and of several
/// that admit the one with the least left.
fn told(limits: &[SettledLimit], decision: &Decision) -> (&'static str, &'static str, i64) {
    let outcome = match decision.outcome {
        Outcome::Admitted => "admitted",
        Outcome::Refused => "refused",
        Outcome::Uncounted => "uncounted",
    };
    let each = limits.iter().zip(decision.standings());
    let deciding = each.filter(|(_, standing)| standing.outcome == decision.outcome);
    let (name, remaining) = deciding
        .min_by_key(|(_, standing)| standing.remaining)
        .map_or(("", 0), |(limit, standing)| (limit.label, standing.remaining));
    (name, outcome, remaining.into())
}

fn charge(limit: &SettledLimit, key: u128) -> Charge<'_> {
    Charge { policy: &limit.policy, key, cost: limit.cost }
}

/// Whoever a request counts for.
fn key(key: LimitKey, headers: &HeaderMap, context: &Context) -> u128 {
    let caller = || context.caller();
    match key {
        LimitKey::Client => address::limit_key(context.client),
        LimitKey::Header(name) => {
            value_key(headers, name).unwrap_or_else(|| address::limit_key(context.client))
        }
        LimitKey::Principal => caller().map_or(0, |caller| caller.subject.0.as_u128()),
        LimitKey::Credential => caller().map_or(0, |caller| caller.credential.as_u128()),
    }
}

/// A value of any length as a key. A digest, so that nobody finds a value that is counted as
/// somebody else's.
fn value_key(headers: &HeaderMap, name: &str) -> Option<u128> {
    let mut values = headers.get_all(name).iter().peekable();
    values.peek()?;
    let mut digest = Sha256::new();
    for value in values {
        // A value holds no line feed, so two values are never taken for one.
        digest.update(value.as_bytes());
        digest.update(b"\n");
    }
    let digest: [u8; 32] = digest.finalize().into();
    digest.first_chunk().map(|half| u128::from_be_bytes(*half))
}

/// `"name";r=REMAINING` of a limit, and `;t=SECONDS` until more is released once nothing is left.
fn member(text: &mut Vec<u8>, name: &str, standing: &Standing) {
    text.push(b'"');
    text.extend_from_slice(name.as_bytes());
    text.extend_from_slice(b"\";r=");
    text.extend_from_slice(itoa::Buffer::new().format(standing.remaining).as_bytes());
    if standing.remaining == 0 {
        let wait = standing.reset_after;
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        text.extend_from_slice(b";t=");
        text.extend_from_slice(itoa::Buffer::new().format(seconds).as_bytes());
    }
}
