//! The error registry (`errors.json`) and its catalogue for people (`docs/errors.md`).

use std::fmt::Write;

use mainstay_core::Code;
use serde_json::json;

use crate::{codes, contract};

/// The registry as it is committed: sorted by name, a final newline.
pub fn errors_json(codes: &[Code]) -> String {
    let entries: Vec<_> = codes
        .iter()
        .map(|code| {
            json!({
                "code": code.name,
                "kind": codes::kind_name(code.kind),
                "status": codes::status(code.kind).as_u16(),
                "meaning": code.meaning,
            })
        })
        .collect();
    let mut text = serde_json::to_string_pretty(&json!({ "codes": entries })).unwrap_or_default();
    text.push('\n');
    text
}

/// The catalogue: every code by status, and the codes of single fields.
pub fn errors_markdown(codes: &[Code]) -> String {
    let mut sorted: Vec<&Code> = codes.iter().collect();
    sorted.sort_by_key(|code| (codes::status(code.kind).as_u16(), code.name));
    let mut text = String::from(
        "# Errors\n\n\
         Every error has one shape, `application/problem+json` (RFC 9457). Branch on `code`; show\n\
         `title` to people; give `request_id` to whoever runs the service. This page is generated\n\
         (`accounts errors --markdown`) and a test compares it.\n\n\
         | status | code | meaning |\n|---|---|---|\n",
    );
    for code in sorted {
        let status = codes::status(code.kind).as_u16();
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "| {status} | `{}` | {} |", code.name, code.meaning);
    }
    text.push_str(
        "\n## Fields\n\n\
         `VALIDATION_FAILED` lists every input at fault: `in` (body, query, path, header),\n\
         `pointer` (RFC 6901), `code` and `message`. The rejected value is never repeated.\n\n\
         | code | meaning |\n|---|---|\n",
    );
    for (code, meaning) in contract::FIELD_CODES {
        let _ = writeln!(text, "| `{code}` | {meaning} |");
    }
    text
}
