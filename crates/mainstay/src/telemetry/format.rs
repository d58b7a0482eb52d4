//! The shape of lines, and what every shape says about lost ones.

use mainstay_core::{Clock as _, SystemClock};
use tracing::Level;

use super::{line::Line, pretty, sink::LossNotice};

/// The shape of lines, decided once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Pretty(Colours),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colours {
    On,
    Off,
}

impl Format {
    pub(super) fn loss_notice(self) -> LossNotice {
        match self {
            Self::Json => |out, lost| {
                let mut line = Line::default();
                line.open(SystemClock::new().now(), level_name(Level::WARN));
                line.raw(",\"msg\":\"log lines lost\"");
                line.number("lost", lost);
                line.raw("}\n");
                out.append(&mut line.into_bytes());
            },
            Self::Pretty(_) => |out, lost| {
                let mut line = Line::default();
                pretty::start(&mut line, SystemClock::new().now(), Level::WARN, Colours::Off);
                line.raw("log lines lost: ");
                line.digits(lost);
                line.raw("\n");
                out.append(&mut line.into_bytes());
            },
        }
    }
}

/// Lower case, as every log of every language has it.
pub(super) fn level_name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}
