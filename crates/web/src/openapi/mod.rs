//! The contract as documents, made from the endpoints that run: OpenAPI 3.1, the error registry,
//! the error catalogue, the route table.

mod document;
mod example;
mod fields;
mod operation;
mod page;
mod registry;
mod schemas;
mod serve;
mod table;

pub use document::Document;
pub use registry::{errors_json, errors_markdown};
pub use serve::routes;
pub use table::route_table;

pub(crate) use schemas::Schemas;
pub(crate) use serve::{JsonText, Static};
pub(crate) use table::{bytes, short};
