//! What is decided about an endpoint before it can be served: access, limit, deadline, body size,
//! inputs, answers.

mod access;
mod builder;
mod decision;
mod handler;
mod limit;
mod operation;
mod routes;

pub use access::{Access, Authenticated, PathParams, Permission, Policy, SelfOr};
pub use builder::{Decided, Endpoint, Undecided, delete, get, patch, post, put};
pub use decision::{Cache, Repeat};
pub use handler::{Describe, Handler, Respond};
pub use limit::{Limit, LimitKey};
pub(crate) use limit::{SettledLimit, SettledLimits, Step};
pub use operation::{Operation, Parameter, RequestBody, ResponseSpec};
pub use routes::{AccessDecided, Routes, TakesState};

pub(crate) use builder::{DeadlineDecision, Draft, LimitDecision, Serve};
pub(crate) use decision::Decisions;
pub(crate) use routes::Settled;
