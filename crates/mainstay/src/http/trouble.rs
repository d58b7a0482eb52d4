//! Why an attempt has no answer to hand on, and what follows from that.

use std::{error::Error, fmt, time::Duration};

use http::{HeaderMap, StatusCode, header};
use hyper_util::client::legacy;

use super::{breaker::Verdict, figures::Ending};

pub(super) type BoxError = Box<dyn Error + Send + Sync>;

/// A longer `Retry-After` is taken for this. Nobody waits that long for an answer, and what is
/// passed on to our own callers should be of some use. Taste.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(1);

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Nothing was sent: the breaker is open, or there are too many calls.
    Refused { why: &'static str, wait: Duration },
    /// There is no connection.
    Unreachable(BoxError),
    /// The connection ended, or made no sense, before the answer was whole.
    Broken(BoxError),
    /// The time was over. Whether it was all the time that an attempt may take, or the request's
    /// own had left less.
    TimedOut { was_whole: bool },
    /// It says that it cannot do it now: 429, 502, 503, 504.
    Unable(Said),
    /// It says that it has failed: any other status of 500 and more, or one below 200.
    Failed(Said),
    /// The answer is longer than what is read.
    TooLarge,
}

/// What the head of an answer says, and the code of a problem.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<Duration>,
    pub(super) code: Option<String>,
}

impl Trouble {
    /// What an answer of this status means, if it is none to hand on.
    pub(super) fn with_status(said: Said) -> Option<Self> {
        match said.status.as_u16() {
            429 | 502 | 503 | 504 => Some(Self::Unable(said)),
            200..500 => None,
            _ => Some(Self::Failed(said)),
        }
    }

    /// Whether another attempt may fare better. Who was asked to come back less often and not told
    /// when stays away.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Broken(_) | Self::TimedOut { .. } => true,
            Self::Unable(said) => {
                said.status != StatusCode::TOO_MANY_REQUESTS || said.retry_after.is_some()
            }
            Self::Refused { .. } | Self::Failed(_) | Self::TooLarge => false,
        }
    }

    /// What it says about the service. A time that was cut short says nothing: otherwise whoever
    /// sends us requests with short deadlines would open the breaker for everybody.
    pub(super) fn verdict(&self) -> Verdict {
        match self {
            Self::TimedOut { was_whole: false } | Self::Refused { .. } => Verdict::Unknown,
            Self::Unable(said) if said.status == StatusCode::TOO_MANY_REQUESTS => Verdict::Well,
            Self::Failed(_) | Self::TooLarge => Verdict::Well,
            Self::Unreachable(_)
            | Self::Broken(_)
            | Self::TimedOut { was_whole: true }
            | Self::Unable(_) => Verdict::Failed,
        }
    }

    /// How long the other service asks to wait.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unable(said) => said.retry_after,
            _ => None,
        }
    }

    /// What the other service answered, if it did.
    pub(super) fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Unable(said) | Self::Failed(said) => Some(said.status),
            _ => None,
        }
    }

    /// The outcome of the step.
    pub(super) const fn outcome(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "refused",
            Self::TimedOut { .. } => "timed_out",
            _ => "failed",
        }
    }

    /// How a call that ends with it is counted.
    pub(super) fn ending(&self) -> Ending {
        match self {
            Self::Refused { .. } => Ending::Refused,
            Self::Unreachable(_) => Ending::Unreachable,
            Self::TimedOut { .. } => Ending::TimedOut,
            Self::Unable(said) | Self::Failed(said) => Ending::of(said.status),
            Self::Broken(_) | Self::TooLarge => Ending::Invalid,
        }
    }
}

impl Said {
    pub(super) fn new(status: StatusCode, headers: &HeaderMap, code: Option<&str>) -> Self {
        let retry_after = retry_after(headers).map(|wait| wait.min(RETRY_AFTER_MAX));
        Self { status, retry_after, code: code.map(str::to_owned) }
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}", self.status.as_u16())?;
        self.code.as_ref().map_or(Ok(()), |code| write!(f, ", code {code}"))
    }
}

/// `Retry-After` in seconds, or as a date: then by the sender's own clock (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok();
    let wait = text(header::RETRY_AFTER)?;
    if !wait.is_empty() && wait.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a number has are a long time too.
        return Some(wait.parse().map_or(RETRY_AFTER_MAX, Duration::from_secs));
    }
    let until = httpdate::parse_http_date(wait).ok()?;
    let now = httpdate::parse_http_date(text(header::DATE)?).ok()?;
    Some(until.duration_since(now).unwrap_or_default())
}

impl From<legacy::Error> for Trouble {
    fn from(error: legacy::Error) -> Self {
        if error.is_connect() {
            Self::Unreachable(error.into())
        } else {
            Self::Broken(error.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(retry_after: &str, date: &str) -> Option<u64> {
        let headers = [(header::RETRY_AFTER, retry_after), (header::DATE, date)];
        let headers = headers.map(|(name, text)| (name, text.parse().expect("a value")));
        let said = Said::new(StatusCode::SERVICE_UNAVAILABLE, &headers.into_iter().collect(), None);
        said.retry_after.map(|wait| wait.as_secs())
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_by_the_senders_clock_and_an_hour_at_most() {
        const DATE: &str = "Thu, 26 Nov 2026 10:00:00 GMT";
        assert_eq!(wait("7", DATE), Some(7));
        assert_eq!(wait("Thu, 26 Nov 2026 10:00:09 GMT", DATE), Some(9));
        assert_eq!(wait("Thu, 26 Nov 2026 09:00:00 GMT", DATE), Some(0));
        for long in ["86400", "99999999999999999999999", "Fri, 26 Nov 2027 10:00:00 GMT"] {
            assert_eq!(wait(long, DATE), Some(3600), "{long}");
        }
        for nonsense in ["", "-1", "1.5", "soon", "+3"] {
            assert_eq!(wait(nonsense, DATE), None, "{nonsense}");
        }
    }
}
