//! What the log says about itself.

use std::io;

use mainstay_core::{Clock as _, SystemClock};
use tracing::Level;

use super::{
    format::{Colours, Format, level_name},
    line::{Line, Within, key, string_key},
    pretty,
};

/// Something that only the writer knows.
pub(super) enum Notice {
    /// So many lines did not fit into the buffer.
    Lost(u64),
    /// The file is due to be put aside, and cannot be.
    NotRotated(io::Error),
    /// The file cannot be opened again.
    NotReopened(io::Error),
}

impl Notice {
    fn message(&self) -> &'static str {
        match self {
            Self::Lost(_) => "log lines lost",
            Self::NotRotated(_) => "log file cannot be rotated",
            Self::NotReopened(_) => "log file cannot be reopened",
        }
    }

    /// Appends a whole line.
    pub(super) fn write(&self, format: Format, out: &mut Vec<u8>) {
        let mut line = Line::default();
        let now = SystemClock::new().now();
        match format {
            Format::Json => {
                line.open(now, level_name(Level::WARN));
                line.text(string_key!("msg"), self.message());
                match self {
                    Self::Lost(lines) => line.number(key!("lost"), *lines),
                    Self::NotRotated(error) | Self::NotReopened(error) => {
                        line.display(string_key!("error"), format_args!("{error}"));
                    }
                }
                line.raw("}\n");
            }
            Format::Pretty(_) => {
                pretty::start(&mut line, now, Level::WARN, Colours::Off);
                line.raw(self.message());
                line.raw(": ");
                match self {
                    Self::Lost(lines) => line.digits(*lines),
                    Self::NotRotated(error) | Self::NotReopened(error) => {
                        line.bounded(format_args!("{error}"), Within::Terminal);
                    }
                }
                line.raw("\n");
            }
        }
        out.append(&mut line.into_bytes());
    }
}
