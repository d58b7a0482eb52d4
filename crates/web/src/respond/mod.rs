//! What a handler can answer with. Each responder says in the contract what a client gets.

mod body;
mod problem;
mod session;
mod tagged;

pub use body::{Created, Json, NoContent, Page};
pub use problem::Problem;
pub(crate) use problem::Rendered;
pub use session::WithSession;
pub use tagged::Tagged;
