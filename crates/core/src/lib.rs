//! The vocabulary every other crate of Mainstay speaks: faults and their codes, callers, personal
//! data, limits, clocks. No I/O and no async runtime live here, so a module's rules can name these
//! types and still be tested without either.

mod caller;
mod clock;
mod code;
mod fault;
mod health;
mod hex;
mod histogram;
mod id;
mod idempotency;
mod journal;
mod limit;
mod personal;
mod precondition;
mod request_line;
mod security;
mod trace;
mod trace_state;
mod transparent;
mod work;

pub use caller::{Authenticator, Caller, CallerFuture, RoleName, ScopeName, Scopes, Subject};
pub use clock::{Clock, SystemClock};
pub use code::{Code, Kind};
pub use fault::{BoxFault, DynFault, Fault, FaultSet, FieldProblem, Location};
pub use health::{Health, HealthCheck, HealthFuture};
pub use hex::hex;
pub use histogram::{Distribution, Histogram};
pub use id::new_id;
pub use idempotency::{
    Attempt, Claim, Completion, IdempotencyFuture, IdempotencyStore, KeptAnswer, KeyedRequest,
};
pub use journal::{Journal, Recorded, Step, StepId, StepKind, Steps};
pub use limit::{
    CHARGES_MAX, Charge, Decision, Limiter, OutageMode, Outcome, Policy, Standing, Verdict,
};
pub use personal::{Pii, Secret};
pub use precondition::Precondition;
pub use request_line::{RequestLine, RequestLog};
pub use security::{SecurityEvent, SecurityRecord, Severity};
pub use trace::{InvalidTraceparent, RequestId, SpanId, TraceContext, TraceId};
pub use trace_state::TraceState;
pub use work::Work;

/// For [`transparent_schema`].
#[doc(hidden)]
pub use schemars;

/// Re-exported so that a service needs no date library of its own to name an instant.
pub use jiff::Timestamp;
