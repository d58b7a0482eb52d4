//! The route table for people: what is decided about every endpoint.

use std::time::Duration;

use crate::{Edge, endpoint::Settled};

const HEADINGS: [&str; 8] =
    ["METHOD", "PATH", "MODULE", "ACCESS", "LIMIT", "DEADLINE", "BODY", "ERRORS"];

/// One row per endpoint, columns aligned.
pub fn route_table(edge: &Edge) -> String {
    let rows: Vec<[String; 8]> = std::iter::once(HEADINGS.map(str::to_owned))
        .chain(edge.endpoints().iter().map(|endpoint| row(endpoint)))
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..HEADINGS.len()).filter_map(width).collect();
    let mut text = String::new();
    for row in &rows {
        for (cell, width) in row.iter().zip(&widths) {
            text.push_str(cell);
            text.extend(std::iter::repeat_n(' ', width - cell.chars().count() + 2));
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

fn row(endpoint: &Settled) -> [String; 8] {
    let limits = endpoint.limits.label().unwrap_or_else(|reason| format!("none: {reason}"));
    let deadline = match endpoint.deadline {
        Ok(deadline) => short(deadline),
        Err(reason) => format!("none: {reason}"),
    };
    let body = endpoint.body.as_ref().map(|_| bytes(endpoint.body_bytes_max));
    let errors: Vec<&str> = endpoint.codes.iter().map(|code| code.name).collect();
    [
        endpoint.method.to_string(),
        endpoint.path.to_owned(),
        endpoint.module.to_owned(),
        endpoint.raw.map_or_else(|| endpoint.access.label(), |reason| format!("raw: {reason}")),
        limits,
        deadline,
        body.unwrap_or_else(|| "-".to_owned()),
        errors.join(" "),
    ]
}

/// A duration in its largest whole unit.
pub(crate) fn short(duration: Duration) -> String {
    match duration.as_secs() {
        _ if duration.subsec_millis() > 0 => format!("{}ms", duration.as_millis()),
        seconds if seconds > 0 && seconds % 3600 == 0 => format!("{}h", seconds / 3600),
        seconds if seconds > 0 && seconds % 60 == 0 => format!("{}min", seconds / 60),
        seconds => format!("{seconds}s"),
    }
}

/// A size in its largest whole unit.
pub(crate) fn bytes(count: usize) -> String {
    match count {
        _ if count.is_multiple_of(1 << 20) => format!("{}MiB", count >> 20),
        _ if count.is_multiple_of(1 << 10) => format!("{}KiB", count >> 10),
        _ => format!("{count}B"),
    }
}
