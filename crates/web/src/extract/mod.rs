//! What a handler can take from a request. Each extractor is a file, checks its input against the
//! contract before any logic runs, and says in the contract what it takes and refuses.

mod body;
pub(crate) mod contracts;
mod device;
mod headers;
mod if_match;
mod path;
mod presented;
mod query;
mod signed_in;
mod state;
mod transport;

pub use body::Body;
pub(crate) use body::read as read_body;
pub use device::Device;
pub use headers::Headers;
pub use if_match::{IfMatch, RequireIfMatch};
pub use path::Path;
pub use presented::Presented;
pub use query::Query;
pub use signed_in::SignedIn;
pub use state::Use;
pub use transport::Transport;

use std::sync::Arc;

use mainstay_core::FieldProblem;

use crate::{
    codes,
    context::{CURRENT, Context},
    respond::Problem,
};

/// The request being served.
fn context() -> Result<Arc<Context>, Problem> {
    CURRENT.try_with(Arc::clone).map_err(|_| {
        Problem::new(codes::INTERNAL).caused_by("an extractor of the edge was used outside of it")
    })
}

/// The one answer to inputs that break the contract.
fn invalid(problems: Vec<FieldProblem>) -> Problem {
    Problem::new(codes::VALIDATION_FAILED).with_fields(problems)
}
