//! The HTTP server over real sockets: raw bytes in, raw bytes out.

mod drain;
mod exchanges;
mod harness;
mod limits;
mod refusals;
