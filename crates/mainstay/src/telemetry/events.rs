//! Events of the application (`tracing::info!`) as lines of the same log.
//!
//! Spans are not written: what belongs to a request is found by its id, which every line carries.

use std::{error::Error, fmt, sync::Arc};

use mainstay_core::Clock;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer::Context};

use super::{
    format::{Format, level_name},
    line::{Line, Within, string_key},
    log::CurrentRequest,
    pretty,
    sink::Sink,
};

/// Writes events to the sink.
pub(super) struct Events {
    pub(super) sink: Sink,
    pub(super) format: Format,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) current: CurrentRequest,
}

impl<S: Subscriber> Layer<S> for Events {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        Line::write(&self.sink, |line| self.fill(line, event));
    }
}

impl Events {
    fn fill(&self, line: &mut Line, event: &Event<'_>) {
        let metadata = event.metadata();
        self.start(line, metadata);
        event.record(&mut Message { line, format: self.format });
        match self.format {
            Format::Json => {
                line.text(string_key!("target"), metadata.target());
                (self.current)(&mut |id, trace| line.request(id, trace));
            }
            Format::Pretty(colours) => {
                pretty::field(line, colours, "target", format_args!("{}", metadata.target()));
                (self.current)(&mut |id, _| pretty::id(line, colours, id));
            }
        }
        event.record(&mut Fields { line, format: self.format });
        if self.format == Format::Json {
            line.raw("}");
        }
    }

    fn start(&self, line: &mut Line, metadata: &Metadata<'_>) {
        match self.format {
            Format::Json => line.open(self.clock.now(), level_name(*metadata.level())),
            Format::Pretty(colours) => {
                pretty::start(line, self.clock.now(), *metadata.level(), colours);
            }
        }
    }
}

/// The field that `tracing` keeps the text of an event in.
const MESSAGE: &str = "message";

/// Writes the message and nothing else, so that it stands before the fields.
struct Message<'a> {
    line: &'a mut Line,
    format: Format,
}

impl Visit for Message<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match self.format {
            _ if field.name() != MESSAGE => {}
            Format::Json => self.line.display(string_key!("msg"), format_args!("{value:?}")),
            Format::Pretty(_) => self.line.bounded(format_args!("{value:?}"), Within::Terminal),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

/// Writes the fields.
struct Fields<'a> {
    line: &'a mut Line,
    format: Format,
}

/// Keys that the log itself writes; an event's field of that name is set apart by a prefix, so that
/// no object has a key twice and no event passes for another request's.
const RESERVED: [&str; 7] = ["time", "level", "msg", "target", "id", "trace_id", "span_id"];

impl Fields<'_> {
    fn text(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        if field.name() == MESSAGE {
            return;
        }
        match self.format {
            Format::Json => {
                self.key(field);
                self.line.raw("\"");
                self.line.bounded(value, Within::Json);
                self.line.raw("\"");
            }
            Format::Pretty(colours) => pretty::field(self.line, colours, field.name(), value),
        }
    }

    /// Numbers and booleans look the same in Rust and in JSON.
    fn literal(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        match self.format {
            Format::Json => {
                self.key(field);
                self.line.bounded(value, Within::Json);
            }
            Format::Pretty(_) => self.text(field, value),
        }
    }

    fn key(&mut self, field: &Field) {
        let name = field.name().trim_start_matches("r#");
        self.line.raw(",\"");
        if RESERVED.contains(&name) {
            self.line.raw("field.");
        }
        // A field may be named by any text: `"a b" = 1`.
        self.line.bounded(format_args!("{name}"), Within::Json);
        self.line.raw("\":");
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, format_args!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, format_args!("{value}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.text(field, format_args!("{}", Chain(value)));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.literal(field, format_args!("{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.literal(field, format_args!("{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.literal(field, format_args!("{value}"));
    }

    /// JSON has no infinities and no NaN: those are text.
    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() {
            self.literal(field, format_args!("{value}"));
        } else {
            self.text(field, format_args!("{value}"));
        }
    }
}

/// An error and its causes, from the outside in.
pub(crate) struct Chain<'a>(pub(crate) &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
