//! Traces: each request that is kept becomes a span, and each step of it a span below, sent to a
//! collector by OTLP over HTTP.
//!
//! Nobody makes spans while a request is served. When it ends, the [`Exporter`] hears of it as the
//! log does, and copies its line and its steps into a bounded queue; a task of its own makes spans
//! of them and sends batches. So a collector that is slow or away costs no request anything.
//!
//! Names are those of OpenTelemetry's semantic conventions 1.44.0, for HTTP servers and database
//! clients, with two omissions: `url.path` and `client.address` are not known here, because they
//! would be personal data.

mod exporter;
mod figures;
mod kept;
mod otlp;
mod queue;
mod resource;
mod sender;
mod shared;
mod spans;
mod statement;
mod transport;

pub(crate) use exporter::{Exporter, Exporting};
pub(crate) use figures::{Figures, Loss};
