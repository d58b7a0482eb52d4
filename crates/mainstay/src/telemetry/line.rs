//! A log line under construction: text that no value can break out of.

use std::{
    cell::Cell,
    fmt::{self, Write as _},
    net::IpAddr,
};

use mainstay_core::{RequestId, Timestamp, TraceContext};

use super::sink::Sink;
use crate::config::ClientAddress;

/// The longest text taken from one value, in bytes. A cause or a debug dump says what matters in
/// less, and a request must not be able to fill the log.
pub(crate) const TEXT_BYTES_MAX: usize = 1024;

/// A buffer that grew beyond this is not kept for the next line; usual lines have 400 bytes.
const KEPT_BYTES_MAX: usize = 16 * 1024;

/// The key of a member whose value follows, as it stands in a line: `,"status":`. It is made whole
/// when it is compiled, because a line consists of keys for the most part.
macro_rules! key {
    ($name:literal) => {
        concat!(",\"", $name, "\":")
    };
}

/// The same of a string, with its first quote.
macro_rules! string_key {
    ($name:literal) => {
        concat!(",\"", $name, "\":\"")
    };
}

pub(super) use {key, string_key};

/// A line, and what is reused between lines of one thread.
#[derive(Default)]
pub(super) struct Line {
    bytes: Vec<u8>,
    clock: SecondText,
}

thread_local! {
    static SPARE: Cell<Option<Line>> = const { Cell::new(None) };
}

impl Line {
    /// Fills a line and appends it to the sink. May be called while another line of the thread is
    /// being filled: a value's `Display` may log.
    pub(super) fn write(sink: &Sink, fill: impl FnOnce(&mut Self)) {
        // The thread may be ending, its thread-local values gone.
        let mut line = SPARE.try_with(Cell::take).ok().flatten().unwrap_or_default();
        fill(&mut line);
        line.raw("\n");
        sink.append(&line.bytes);
        if line.bytes.capacity() <= KEPT_BYTES_MAX {
            line.bytes.clear();
            let _ = SPARE.try_with(|spare| spare.set(Some(line)));
        }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Text that is part of the format.
    pub(super) fn raw(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
    }

    /// Spaces up to a column that starts at `from`.
    pub(super) fn pad(&mut self, from: usize, width: usize) {
        self.bytes.resize(self.bytes.len().max(from + width), b' ');
    }

    /// Begins an object: `{"time":…,"level":…`.
    pub(super) fn open(&mut self, time: Timestamp, level: &str) {
        self.raw("{\"time\":\"");
        self.time(time);
        self.raw("\",\"level\":\"");
        self.raw(level);
        self.raw("\"");
    }

    /// The ids of the request a line belongs to.
    pub(super) fn request(&mut self, id: &RequestId, trace: &TraceContext) {
        // All three are made of characters that need no escape; their types see to it.
        self.token(string_key!("id"), id.as_bytes());
        self.token(string_key!("trace_id"), &trace.trace_id.to_ascii());
        self.token(string_key!("span_id"), &trace.span_id.to_ascii());
    }

    /// ASCII that needs no escape, after a [`string_key!`].
    pub(super) fn token(&mut self, key: &'static str, value: &[u8]) {
        self.raw(key);
        self.bytes.extend_from_slice(value);
        self.bytes.push(b'"');
    }

    /// A string, after a [`string_key!`].
    pub(super) fn text(&mut self, key: &'static str, value: &str) {
        self.raw(key);
        escape(&mut self.bytes, value, Within::Json);
        self.bytes.push(b'"');
    }

    /// A string made by `Display` or `Debug`, cut at [`TEXT_BYTES_MAX`], after a [`string_key!`].
    pub(super) fn display(&mut self, key: &'static str, value: fmt::Arguments<'_>) {
        self.raw(key);
        self.bounded(value, Within::Json);
        self.bytes.push(b'"');
    }

    /// Text of any origin, cut at [`TEXT_BYTES_MAX`].
    pub(super) fn bounded(&mut self, value: fmt::Arguments<'_>, within: Within) {
        let mut bounded = Bounded { out: &mut self.bytes, left: Some(TEXT_BYTES_MAX), within };
        // The error says that the rest was cut, which the text shows.
        let _ = bounded.write_fmt(value);
    }

    /// A number, after a [`key!`].
    pub(super) fn number(&mut self, key: &'static str, value: impl itoa::Integer) {
        self.raw(key);
        self.digits(value);
    }

    pub(super) fn digits(&mut self, value: impl itoa::Integer) {
        self.raw(itoa::Buffer::new().format(value));
    }

    /// Thousands with three decimals: microseconds as milliseconds.
    pub(super) fn thousandths(&mut self, value: u64) {
        self.digits(value / 1000);
        self.raw(".");
        self.three_digits((value % 1000) as u16);
    }

    fn three_digits(&mut self, value: u16) {
        let digit = |unit: u16| b'0' + (value / unit % 10) as u8;
        self.bytes.extend_from_slice(&[digit(100), digit(10), digit(1)]);
    }

    /// `2026-01-31T12:00:00.123Z`
    pub(super) fn time(&mut self, time: Timestamp) {
        let text = self.clock.of(time);
        self.bytes.extend_from_slice(text.as_bytes());
        self.milliseconds(time);
    }

    /// `12:00:00.123Z`
    pub(super) fn time_of_day(&mut self, time: Timestamp) {
        let text = self.clock.of(time);
        let time_of_day = text.rsplit('T').next().unwrap_or_default();
        self.bytes.extend_from_slice(time_of_day.as_bytes());
        self.milliseconds(time);
    }

    fn milliseconds(&mut self, time: Timestamp) {
        self.raw(".");
        self.three_digits(time.as_millisecond().rem_euclid(1000) as u16);
        self.raw("Z");
    }

    /// As much of the address as may be told. An IPv4 address is shown as one, however it arrived.
    pub(super) fn client(&mut self, address: IpAddr, told: ClientAddress) {
        match (address.to_canonical(), told) {
            (_, ClientAddress::Off) => {}
            (IpAddr::V4(address), told) => {
                let [a, b, c, d] = address.octets();
                for octet in [a, b, c] {
                    self.digits(octet);
                    self.raw(".");
                }
                match told {
                    ClientAddress::Network => self.raw("0/24"),
                    _ => self.digits(d),
                }
            }
            (IpAddr::V6(address), ClientAddress::Network) => {
                let [a, b, c, ..] = address.segments();
                let network = std::net::Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0);
                self.bounded(format_args!("{network}/48"), Within::Json);
            }
            (IpAddr::V6(address), _) => self.bounded(format_args!("{address}"), Within::Json),
        }
    }
}

/// The text of the current second, so that a calendar is consulted once a second.
#[derive(Default)]
struct SecondText {
    second: Option<i64>,
    /// `2026-01-31T12:00:00`
    text: String,
}

impl SecondText {
    fn of(&mut self, time: Timestamp) -> &str {
        let second = time.as_millisecond().div_euclid(1000);
        if self.second != Some(second) {
            self.second = Some(second);
            self.text.clear();
            let whole = Timestamp::from_second(second).unwrap_or_default();
            let _ = write!(self.text, "{}", whole.strftime("%Y-%m-%dT%H:%M:%S"));
        }
        &self.text
    }
}

/// What the text stands in: decides what could break out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Within {
    /// A JSON string.
    Json,
    /// A line of a terminal.
    Terminal,
}

/// Appends text so that it stays one string on one line, whoever shows it: control characters (a
/// terminal obeys them), the line breaks of Unicode and the marks that reverse the direction of
/// writing are escaped.
fn escape(out: &mut Vec<u8>, text: &str, within: Within) {
    let mut rest = text;
    // What needs a look is ASCII or the first byte of a character, so the text splits there.
    while let Some(at) = rest.bytes().position(|byte| NEEDS_A_LOOK[usize::from(byte)]) {
        let (plain, from) = rest.split_at(at);
        out.extend_from_slice(plain.as_bytes());
        let mut characters = from.chars();
        if let Some(character) = characters.next() {
            escape_character(out, character, within);
        }
        rest = characters.as_str();
    }
    out.extend_from_slice(rest.as_bytes());
}

/// Bytes that are special in JSON or begin a character that may have to be escaped: U+0080–U+00BF
/// begin with C2, U+2000–U+2FFF with E2.
const NEEDS_A_LOOK: [bool; 256] = {
    let mut table = [false; 256];
    let mut control = 0;
    while control < 0x20 {
        table[control] = true;
        control += 1;
    }
    table[b'"' as usize] = true;
    table[b'\\' as usize] = true;
    table[0x7f] = true;
    table[0xc2] = true;
    table[0xe2] = true;
    table
};

fn escape_character(out: &mut Vec<u8>, character: char, within: Within) {
    match character {
        '"' | '\\' if within == Within::Json => out.extend_from_slice(&[b'\\', character as u8]),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        '\0'..='\x1f'
        | '\x7f'..='\u{9f}'
        | '\u{200e}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}' => {
            let digit = |shift: u32| HEX[(character as usize >> shift) & 15];
            out.extend_from_slice(&[b'\\', b'u', digit(12), digit(8), digit(4), digit(0)]);
        }
        other => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Escapes what is written to it, up to a length.
struct Bounded<'a> {
    out: &'a mut Vec<u8>,
    /// `None` once something was cut.
    left: Option<usize>,
    within: Within,
}

impl fmt::Write for Bounded<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let left = self.left.ok_or(fmt::Error)?;
        if text.len() <= left {
            escape(self.out, text, self.within);
            self.left = Some(left - text.len());
            return Ok(());
        }
        escape(self.out, &text[..text.floor_char_boundary(left)], self.within);
        self.out.extend_from_slice("…".as_bytes());
        self.left = None;
        Err(fmt::Error)
    }
}
