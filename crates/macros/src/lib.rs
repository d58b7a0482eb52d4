//! The derives that pay for themselves.

mod fault;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Derives `Fault` and `FaultSet` for a module's error enum.
///
/// Each variant takes one `#[fault(...)]`:
///
/// - `#[fault(not_found, code = "USER_NOT_FOUND")]`: a kind, and the code clients branch on. The
///   variant's doc comment (its first sentence) is the code's published meaning, and `Display` is
///   the public detail, so it must not contain request data. Optional:
///   `retry_after = 2` (whole seconds), or `retry_after` when the variant's single field is a
///   `Duration`; `fields` when the variant's single field is a
///   `Vec<FieldProblem>`.
/// - `#[fault(CODE_CONST)]`: a code defined elsewhere, by path.
/// - `#[fault(from)]`: the variant's single field is another fault, passed on whole.
///
/// Kinds: `malformed`, `invalid`, `unauthenticated`, `forbidden`, `not_found`, `conflict`, `gone`,
/// `precondition_failed`, `rate_limited`, `overloaded`, `unavailable`, `timeout`,
/// `upstream`, `internal`.
#[proc_macro_derive(Fault, attributes(fault))]
pub fn derive_fault(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    fault::expand(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}
