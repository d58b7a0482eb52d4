//! What a command prints.

use std::io::Write;

pub(super) fn print(text: &str) {
    // A reader that has gone away (`| head`) is no failure.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

#[expect(clippy::print_stderr, reason = "there is no log yet, or nobody reads it")]
pub(super) fn complain(text: &dyn std::fmt::Display) {
    eprintln!("{text}");
}
