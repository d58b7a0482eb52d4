//! What a handler can take from a request. Each extractor is a file, checks its input against the
//! contract before any logic runs, and says in the contract what it takes and refuses.

mod body;
pub(crate) mod contracts;
mod headers;
mod if_match;
mod path;
mod query;
mod signed_in;
mod state;

pub use body::Body;
pub use headers::Headers;
pub use if_match::IfMatch;
pub use path::Path;
pub use query::Query;
pub use signed_in::SignedIn;
pub use state::Use;

use std::sync::Arc;

use axum::http::request::Parts;
use mainstay_core::FieldProblem;

use crate::{codes, context::Context, respond::Problem};

/// The context that the edge puts into every request.
fn context(parts: &Parts) -> Result<&Arc<Context>, Problem> {
    parts.extensions.get::<Arc<Context>>().ok_or_else(|| {
        Problem::new(codes::INTERNAL).caused_by("an extractor of the edge was used outside of it")
    })
}

/// The one answer to inputs that break the contract.
fn invalid(problems: Vec<FieldProblem>) -> Problem {
    Problem::new(codes::VALIDATION_FAILED).with_fields(problems)
}
