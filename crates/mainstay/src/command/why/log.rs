//! Reading logs of any size: only the lines with the id are kept.

use std::{
    fmt::Write as _,
    io::{self, BufRead, Read as _},
};

use serde_json::{Map, Value};

use super::{
    paint::{Colour, Paint, plain},
    timeline,
};
use crate::why::Record;

/// The longest line that is looked at. Those of a service are shorter by far: each text in them is
/// cut at 1 KiB.
const LINE_BYTES_MAX: u64 = 64 << 10;

/// Lines that are kept. A caller may give all requests one trace.
const LINES_MAX: usize = 1000;

/// A line of a log.
type Line = Map<String, Value>;

/// Looks for an id, in one log after another.
pub(super) struct Search<'a> {
    id: &'a str,
    found: Found,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// By time.
    pub(super) lines: Vec<Line>,
    /// Lines that have the id as well, and for which there was no room.
    pub(super) omitted: u64,
    /// Lines that could not be read.
    pub(super) skipped: u64,
    /// All of them.
    pub(super) read: u64,
}

impl<'a> Search<'a> {
    pub(super) fn new(id: &'a str) -> Self {
        Self { id, found: Found::default() }
    }

    /// Reads a log to its end.
    pub(super) fn read(&mut self, mut log: impl BufRead) -> io::Result<()> {
        let mut line = Vec::new();
        loop {
            line.clear();
            let length = log.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
            if length == 0 {
                return Ok(());
            }
            self.found.read += 1;
            if length as u64 == LINE_BYTES_MAX && !line.ends_with(b"\n") {
                log.skip_until(b'\n')?;
                self.found.skipped += 1;
                continue;
            }
            self.look(&line);
        }
    }

    fn look(&mut self, line: &[u8]) {
        let line = line.trim_ascii();
        if line.is_empty() {
            return;
        }
        // Only what may be wanted is parsed whole; a glance says of the rest that it is no JSON.
        let text = str::from_utf8(line).ok().filter(|text| text.starts_with('{'));
        let parsed = match text {
            Some(text) if !text.contains(self.id) => return,
            Some(text) => serde_json::from_str::<Line>(text).ok(),
            None => None,
        };
        let Some(parsed) = parsed else {
            self.found.skipped += 1;
            return;
        };
        let has = |name| parsed.get(name).and_then(Value::as_str) == Some(self.id);
        if !has("id") && !has("trace_id") {
            return;
        }
        if self.found.lines.len() == LINES_MAX {
            self.found.omitted += 1;
            return;
        }
        self.found.lines.push(parsed);
    }

    pub(super) fn finish(self) -> Found {
        let mut found = self.found;
        found.lines.sort_by(|a, b| text(a, "time").cmp(text(b, "time")));
        found
    }
}

fn text<'l>(line: &'l Line, name: &str) -> &'l str {
    line.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A line for people: that of a request with all that it says, any other on one line.
pub(super) fn show(line: Line, paint: Paint) -> String {
    if text(&line, "msg") == "request"
        && let Ok(record) = serde_json::from_value::<Record>(Value::Object(line.clone()))
    {
        return timeline::show(&record, paint);
    }
    event(&line, paint)
}

/// What the line begins with, and what is the same in all of them.
const LEADING: [&str; 7] = ["time", "level", "msg", "target", "id", "trace_id", "span_id"];

fn event(line: &Line, paint: Paint) -> String {
    let level = text(line, "level");
    let colour = match level {
        "error" => Colour::Red,
        "warn" => Colour::Yellow,
        _ => Colour::Dim,
    };
    let [time, level, target] = [text(line, "time"), level, text(line, "target")].map(plain);
    let level = paint.text(colour, &format!("{level:5}"));
    let mut shown = format!("{time}  {level} {}  {target}", plain(text(line, "msg")));
    for (name, value) in line.iter().filter(|(name, _)| !LEADING.contains(&name.as_str())) {
        let value = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        // Writing to a `String` cannot fail.
        let _ = write!(shown, " {}={}", plain(name), plain(&value));
    }
    shown + "\n"
}

#[cfg(test)]
mod tests;
