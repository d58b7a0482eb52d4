//! A request for people: what it was, then its steps as a tree beside the time they took.

use std::{fmt::Write as _, iter};

use super::{
    paint::{Colour, Paint, plain, short},
    verdict,
};
use crate::why::{Record, Stage};

/// Columns of a step's name, indented. With the rest, a line has 110 columns at most in most cases.
const NAME_WIDTH: usize = 46;

/// Columns of a bar: each is a thirtieth of the request.
const BAR_WIDTH: usize = 30;

/// How deep a tree is indented at most.
const DEPTH_MAX: usize = 8;

pub(super) fn show(record: &Record, paint: Paint) -> String {
    let mut text = header(record, paint);
    if !record.steps.is_empty() {
        text.push('\n');
        let whole = whole(record);
        for (at, depth) in order(&record.steps) {
            text += &row(&record.steps[at], depth, whole, paint);
        }
        if record.omitted > 0 {
            // Writing to a `String` cannot fail.
            let _ = writeln!(text, "  … and {} steps more", record.omitted);
        }
    }
    if let Some(verdict) = verdict::of(record) {
        let _ = writeln!(text, "\n  {}", paint.text(Colour::Bold, &plain(&verdict)));
    }
    text
}

fn header(record: &Record, paint: Paint) -> String {
    let colour = match record.status {
        499.. => Colour::Red,
        400.. => Colour::Yellow,
        _ => Colour::Green,
    };
    let code = record.code.as_deref().unwrap_or_default();
    let status = format!("{} {}", record.status, plain(code));
    let mut text = format!(
        "{} → {}  {:.3} ms{}\n",
        paint.text(Colour::Bold, &plain(&format!("{} {}", record.method, record.route))),
        paint.text(colour, status.trim_end()),
        record.ms,
        if record.replayed { ", the answer to an earlier request" } else { "" },
    );
    let mut field = |name: &str, value: &str| {
        let name = paint.text(Colour::Dim, &format!("{name:8}"));
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "  {name} {}", plain(value));
    };
    field("when", &record.time);
    field("request", &record.id);
    let from = record.parent_id.as_ref().map(|id| format!(", called by span {id}"));
    let from = from.unwrap_or_default();
    field("trace", &format!("{}, span {}{from}", record.trace_id, record.span_id));
    if let Some(user) = &record.user_id {
        field("user", user);
    }
    if !record.release.is_empty() {
        field("service", &format!("{}, process {}", record.release, record.instance));
    }
    if let Some(meaning) = &record.meaning {
        field("meaning", &format!("{meaning} (/docs#{code})"));
    } else if !code.is_empty() {
        field("meaning", &format!("/docs#{code}"));
    }
    if let Some(cause) = &record.cause {
        field("cause", cause);
    }
    text
}

/// How long the line of time is: that of the request, or of a step that outlasted it.
fn whole(record: &Record) -> f64 {
    record.steps.iter().map(|step| step.at_ms + step.ms.unwrap_or(0.0)).fold(record.ms, f64::max)
}

/// Every step once, below the one that it is a part of, with its depth.
fn order(steps: &[Stage]) -> Vec<(usize, usize)> {
    let mut below: Vec<Vec<usize>> = iter::repeat_with(Vec::new).take(steps.len()).collect();
    let mut open = Vec::new();
    for (at, step) in steps.iter().enumerate().rev() {
        match step.parent {
            // A step begins after what it is a part of. Any other parent is a mistake, and could
            // make a circle.
            Some(parent) if parent < at => below[parent].push(at),
            _ => open.push((at, 0)),
        }
    }
    let mut order = Vec::with_capacity(steps.len());
    while let Some((at, depth)) = open.pop() {
        order.push((at, depth));
        open.extend(below[at].iter().map(|child| (*child, depth + 1)));
    }
    order
}

fn row(step: &Stage, depth: usize, whole: f64, paint: Paint) -> String {
    let indent = 2 * depth.min(DEPTH_MAX);
    let name = short(&format!("{} {}", step.kind, step.name), NAME_WIDTH - indent);
    let name = format!("{:indent$}{name}", "");
    let took = step.ms.map_or_else(|| "…".to_owned(), |ms| format!("{ms:.3} ms"));
    let (waiting, working, rest) = bar(step, whole);
    let colour = if step.failed { Colour::Red } else { Colour::Green };
    let bar =
        format!("{}{}{}", paint.text(Colour::Yellow, &waiting), paint.text(colour, &working), rest);
    let outcome = outcome(step);
    let outcome = if step.failed { paint.text(Colour::Red, &outcome) } else { outcome };
    format!("  {name:NAME_WIDTH$} {took:>12}  {bar} {outcome}\n")
}

/// What is before the work (blank, then `░` while it waited), the work (`█`), and what is blank
/// again. Together they are as wide as any other bar.
fn bar(step: &Stage, whole: f64) -> (String, String, String) {
    let width = BAR_WIDTH as f64;
    let column = |ms: f64| {
        let part = if whole > 0.0 { (ms / whole).clamp(0.0, 1.0) } else { 0.0 };
        (part * width).round() as usize
    };
    let took = step.ms.unwrap_or_else(|| (whole - step.at_ms).max(0.0));
    let from = column(step.at_ms).min(BAR_WIDTH - 1);
    let length = column(took).min(BAR_WIDTH - from);
    let waited = column(step.waited_ms).min(length);
    let waiting = format!("{}{}", " ".repeat(from), "░".repeat(waited));
    // What is too short for a column is seen as well.
    let working = if length == 0 { "▏".to_owned() } else { "█".repeat(length - waited) };
    (waiting, working, " ".repeat(BAR_WIDTH - from - length.max(1)))
}

/// What came of it, what there is to count, and how long it waited.
fn outcome(step: &Stage) -> String {
    let mut text = plain(if step.ms.is_none() { "unfinished" } else { &step.outcome });
    if let Some(number) = step.number {
        let _ = match &*step.kind {
            "sql" => write!(text, ", {number} {}", if number == 1 { "row" } else { "rows" }),
            "limit" => write!(text, ", {number} left"),
            "flags" => write!(text, ", {number} of them"),
            _ => write!(text, " {number}"),
        };
    }
    if step.waited_ms > 0.0 {
        let _ = write!(text, ", waited {:.3} ms", step.waited_ms);
    }
    text
}

#[cfg(test)]
pub(super) mod tests;
