//! Errors: the set is closed by the edge; here each member has to have been seen by a test.

use mainstay_core::Code;

use super::{Cell, Subject};
use crate::codes;

/// Answered before it is known which endpoint is asked for, so for all of them in one place.
const BEFORE_THE_ROUTE: [Code; 4] =
    [codes::MALFORMED_REQUEST, codes::INVALID_HOST, codes::HEAD_TOO_LARGE, codes::URI_TOO_LONG];

/// Answered in a mode that an operator may choose, for all endpoints in one place, which has tests
/// of its own; a service that is tested in the default mode need not be tested in the other.
const OF_A_MODE: [Code; 1] = [codes::CROSS_SITE_REQUEST];

/// The line that proves a code at an endpoint. What goes wrong before the route or behind the
/// handler goes wrong the same way everywhere, and is proved by any endpoint.
fn line(subject: &Subject<'_>, code: Code) -> String {
    let of_the_endpoint = codes::status(code.kind).is_client_error();
    if of_the_endpoint && !BEFORE_THE_ROUTE.contains(&code) {
        format!("{}\t{}\t{code}", subject.endpoint.method, subject.endpoint.path)
    } else {
        format!("*\t*\t{code}")
    }
}

/// Every line of evidence that an endpoint needs; a raw router declares nothing.
pub(super) fn demanded<'s>(subject: &'s Subject<'_>) -> impl Iterator<Item = String> + use<'s> {
    let declared = subject.endpoint.codes.iter().filter(|code| !OF_A_MODE.contains(code));
    declared.filter(|_| subject.endpoint.raw.is_none()).map(move |code| line(subject, *code))
}

pub(super) fn judge(subject: &Subject<'_>) -> Cell {
    let declared = subject.endpoint.codes.iter();
    let codes: Vec<_> = declared.filter(|code| !OF_A_MODE.contains(code)).collect();
    let missing: Vec<_> = codes
        .iter()
        .filter(|code| !subject.evidence.holds(&line(subject, ***code)))
        .map(|code| code.name)
        .collect();
    let says = format!("{} of {} tested", codes.len() - missing.len(), codes.len());
    Cell::of(says).but((!missing.is_empty()).then(|| {
        format!(
            "no test is known to produce {}; write one that does, run `cargo xtask test` and then \
             `cargo xtask evidence`",
            missing.join(", ")
        )
    }))
}
