//! What must hold for any input: each target is a function that panics where it does not.
//!
//! The binaries in `targets` call them with inputs a fuzzer invents, the test of this crate with
//! those in `corpus`. What a fuzzer finds is fixed, and its input joins the corpus.

mod forwarded;
mod json_body;
mod token;
mod trace;

pub use forwarded::forwarded;
pub use json_body::json_body;
pub use token::token;
pub use trace::trace;

/// A target by name; the folder in `corpus` and the binary in `targets` have the same one.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: &[Target] =
    &[("forwarded", forwarded), ("json_body", json_body), ("token", token), ("trace", trace)];
