//! What can go wrong when somebody asks for a request.

use std::{borrow::Cow, fmt};

use mainstay_core::{Code, Fault, FaultSet, Kind, Timestamp};

use super::entry::in_milliseconds;

/// This process does not know the request, or no longer.
const REQUEST_NOT_KEPT: Code = Code::new(
    "REQUEST_NOT_KEPT",
    Kind::NotFound,
    "This process keeps no request with this id, and none of this trace",
);

/// Why there is nothing to tell.
#[derive(Debug)]
pub(super) enum NotKept {
    /// Nothing is recorded.
    Off,
    /// It was before, elsewhere, or nothing special; or it had to make room.
    Unknown { count: usize, bytes_max: usize, since: Timestamp },
}

impl fmt::Display for NotKept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("nothing is recorded: why.bytes is 0"),
            Self::Unknown { count, bytes_max, since } => write!(
                f,
                "{count} requests since {} are kept, in at most {bytes_max} bytes: failures, \
                 refusals, the slowest and a sample, and this is none of them",
                in_milliseconds(*since)
            ),
        }
    }
}

impl std::error::Error for NotKept {}

impl Fault for NotKept {
    fn code(&self) -> Code {
        REQUEST_NOT_KEPT
    }

    fn detail(&self) -> Cow<'static, str> {
        self.to_string().into()
    }
}

impl FaultSet for NotKept {
    fn declare(codes: &mut Vec<Code>) {
        codes.push(REQUEST_NOT_KEPT);
    }
}
