//! Log lines for people at a terminal: one line each, aligned, coloured where that is wanted.

use mainstay_core::{RequestId, RequestLine, Timestamp};
use tracing::Level;

use super::{
    format::{Colours, level_name},
    line::{Line, Within},
    request_line,
};
use crate::config::ClientAddress;

/// Widths of columns: the longest method that is common (`DELETE`), and 99 s with decimals.
const METHOD_WIDTH: usize = 7;
const DURATION_WIDTH: usize = 12;
/// Most routes are shorter, and an 80-column terminal still shows the module.
const ROUTE_WIDTH: usize = 30;

/// Escape sequences of the terminal (ECMA-48, "select graphic rendition").
mod paint {
    pub(super) const RESET: &str = "\x1b[0m";
    pub(super) const DIM: &str = "\x1b[2m";
    pub(super) const RED: &str = "\x1b[31m";
    pub(super) const GREEN: &str = "\x1b[32m";
    pub(super) const YELLOW: &str = "\x1b[33m";
    pub(super) const BLUE: &str = "\x1b[34m";
}

/// Writes a part of the line in a colour.
fn painted(line: &mut Line, colours: Colours, paint: &str, write: impl FnOnce(&mut Line)) {
    if colours == Colours::Off {
        return write(line);
    }
    line.raw(paint);
    write(line);
    line.raw(paint::RESET);
}

/// Time and level: how every line starts.
pub(super) fn start(line: &mut Line, time: Timestamp, level: Level, colours: Colours) {
    painted(line, colours, paint::DIM, |line| line.time_of_day(time));
    line.raw(" ");
    let paint = match level {
        Level::ERROR => paint::RED,
        Level::WARN => paint::YELLOW,
        Level::INFO => paint::GREEN,
        _ => paint::BLUE,
    };
    painted(line, colours, paint, |line| {
        let from = line.len();
        line.raw(level_name(level));
        line.pad(from, 5);
    });
    line.raw(" ");
}

/// ` key=value`, in the background.
pub(super) fn field(line: &mut Line, colours: Colours, key: &str, value: std::fmt::Arguments<'_>) {
    line.raw(" ");
    painted(line, colours, paint::DIM, |line| {
        line.bounded(format_args!("{key}="), Within::Terminal);
        line.bounded(value, Within::Terminal);
    });
}

/// The request a line belongs to; its trace is for machines.
pub(super) fn id(line: &mut Line, colours: Colours, id: &RequestId) {
    field(line, colours, "id", format_args!("{id}"));
}

pub(super) fn request(
    line: &mut Line,
    request: &RequestLine<'_>,
    client: ClientAddress,
    colours: Colours,
) {
    start(line, request.time, request_line::level(request), colours);
    let paint = match request.status {
        ..400 => paint::GREEN,
        400..500 => paint::YELLOW,
        _ => paint::RED,
    };
    painted(line, colours, paint, |line| line.digits(request.status));
    line.raw(" ");
    column(line, METHOD_WIDTH, |line| line.raw(request.method));
    column(line, ROUTE_WIDTH, |line| {
        line.bounded(format_args!("{}", request.route), Within::Terminal);
    });
    column(line, DURATION_WIDTH, |line| {
        line.thousandths(request.duration.as_micros() as u64);
        line.raw(" ms");
    });
    line.raw(request.module);
    if let Some(code) = request.code {
        line.raw(" ");
        painted(line, colours, paint, |line| line.raw(code.name));
    }
    if request.replayed {
        line.raw(" replayed");
    }
    id(line, colours, request.id);
    if let Some(subject) = request.subject {
        field(line, colours, "user", format_args!("{subject}"));
    }
    if client != ClientAddress::Off {
        line.raw(" ");
        painted(line, colours, paint::DIM, |line| line.client(request.client, client));
    }
    if let Some(cause) = request.cause {
        line.raw(" ");
        painted(line, colours, paint::RED, |line| {
            line.bounded(format_args!("{cause}"), Within::Terminal);
        });
    }
}

/// Text that is followed by at least one space, and by more up to a width.
fn column(line: &mut Line, width: usize, write: impl FnOnce(&mut Line)) {
    let from = line.len();
    write(line);
    line.raw(" ");
    line.pad(from, width);
}
