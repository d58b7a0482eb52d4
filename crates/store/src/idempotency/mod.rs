//! Requests that have one effect however often they are sent: claims in a table, and answers that
//! become durable in the transaction of their effect.
//!
//! [`mod@claim`] decides who does a request, [`mod@attempt`] is the doing, `table.sql` what is
//! kept. How the statements of a handler become one transaction is in `database/unit.rs`.

mod answer;
mod attempt;
mod claim;

pub use claim::Idempotency;
