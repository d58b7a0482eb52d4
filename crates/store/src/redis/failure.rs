//! Why Redis did not answer a question.

use redis::{ErrorKind, RedisError, ServerErrorKind};

/// Why there is no answer. All but the last mean that it is not known whether the question was
/// heard.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RedisFailure {
    /// There is no connection; somebody tries to make one. Nothing was sent.
    #[error("redis is out of reach")]
    Down,
    /// No answer came in time.
    #[error("redis did not answer in time")]
    TimedOut,
    /// The connection was lost, or leads to a server that cannot do its work.
    #[error("the connection to redis was lost")]
    Lost(#[source] RedisError),
    /// The server answered, with an error.
    #[error("redis refused")]
    Refused(#[source] RedisError),
}

impl RedisFailure {
    /// What it is, in a word for journals.
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::Down => "out_of_reach",
            Self::TimedOut => "timed_out",
            Self::Lost(_) => "lost",
            Self::Refused(_) => "refused",
        }
    }
}

impl From<RedisError> for RedisFailure {
    fn from(error: RedisError) -> Self {
        let is_lost = match error.kind() {
            ErrorKind::Server(kind) => matches!(
                kind,
                // A primary that is none any more, or not yet: another connection may lead to the
                // one that is.
                ServerErrorKind::ReadOnly
                    | ServerErrorKind::MasterDown
                    | ServerErrorKind::ClusterDown
                    | ServerErrorKind::BusyLoading
            ),
            ErrorKind::Client | ErrorKind::Extension => false,
            _ => true,
        };
        match is_lost {
            _ if error.is_timeout() => Self::TimedOut,
            true => Self::Lost(error),
            false => Self::Refused(error),
        }
    }
}
