//! Reading logs of any size: only the lines with the id are kept.

use std::{
    fmt::Write as _,
    fs::File,
    io::{self, BufRead, BufReader, Read as _},
    path::PathBuf,
};

use serde_json::{Map, Value};

use super::{
    super::complain,
    Form,
    paint::{Colour, Paint, plain},
    timeline,
};
use crate::{app::Failure, why::Record};

/// The longest line that is looked at. Those of a service are shorter by far: each text in them is
/// cut at 1 KiB.
const LINE_BYTES_MAX: u64 = 64 << 10;

/// Lines that are kept. A caller may give all requests one trace.
const LINES_MAX: usize = 1000;

/// A line of a log.
type Line = Map<String, Value>;

/// Reads the logs of any number of processes.
pub(super) fn tell<'f>(
    id: &str,
    files: impl Iterator<Item = &'f PathBuf>,
    form: Form,
) -> Result<String, Failure> {
    let mut search = Search::new(id);
    for path in files {
        let read = if path.as_os_str() == "-" {
            search.read(io::stdin().lock())
        } else {
            File::open(path).and_then(|file| search.read(BufReader::with_capacity(1 << 20, file)))
        };
        read.map_err(|error| {
            let path = path.to_string_lossy();
            let what = format!("the log `{}` cannot be read", plain(&path));
            Failure::new(what, error.to_string(), "name a file with JSON lines, or `-`")
        })?;
    }
    let found = search.finish();
    let unread = format!("{} lines are no JSON or too long, and were skipped", found.skipped);
    if found.lines.is_empty() {
        return Err(Failure::new(
            format!("no line has the id {id}"),
            format!("{} lines were read; {unread}", found.read),
            "read the logs of every process, and those put aside: `--log FILE --log FILE.1`",
        ));
    }
    if found.skipped > 0 {
        complain(&format_args!("warning: {unread}"));
    }
    if found.omitted > 0 {
        let omitted = found.omitted;
        complain(&format_args!("warning: {omitted} more lines have this id"));
    }
    let shown = found.lines.into_iter().map(|line| match form {
        Form::Json => plain(&Value::Object(line).to_string()) + "\n",
        Form::Text(paint) => show(&line, paint),
    });
    Ok(shown.collect())
}

/// Looks for an id, in one log after another.
struct Search<'a> {
    id: &'a str,
    found: Found,
}

/// What was found.
#[derive(Debug, Default)]
struct Found {
    /// By time.
    lines: Vec<Line>,
    /// Lines that have the id as well, and for which there was no room.
    omitted: u64,
    /// Lines that could not be read.
    skipped: u64,
    /// All of them.
    read: u64,
}

impl<'a> Search<'a> {
    fn new(id: &'a str) -> Self {
        Self { id, found: Found::default() }
    }

    /// Reads a log to its end.
    fn read(&mut self, mut log: impl BufRead) -> io::Result<()> {
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

    fn finish(self) -> Found {
        let mut found = self.found;
        found.lines.sort_by(|a, b| text(a, "time").cmp(text(b, "time")));
        found
    }
}

fn text<'l>(line: &'l Line, name: &str) -> &'l str {
    line.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A line for people: that of a request with all that it says, any other on one line.
fn show(line: &Line, paint: Paint) -> String {
    if text(line, "msg") == "request"
        && let Ok(record) = serde_json::from_value::<Record>(Value::Object(line.clone()))
    {
        return timeline::show(&record, paint);
    }
    event(line, paint)
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
