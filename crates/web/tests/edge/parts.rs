//! What the edge needs from outside, made for tests: it remembers, and never surprises.

use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use mainstay_core::{
    Authenticator, BoxFault, Caller, CallerFuture, Charge, Clock, Code, Decision, Fault, Health,
    HealthCheck, HealthFuture, Kind, Limiter, OutageMode, Outcome, RequestLine, RequestLog,
    RoleName, ScopeName, Scopes, Secret, Standing, Subject, Timestamp, Verdict,
};
use uuid::Uuid;

pub(crate) const ADMIN: RoleName = RoleName("admin");

/// What `/context` asks of a credential that is not good for everything.
pub(crate) const READ: ScopeName = ScopeName("things:read");

/// Alice has no role.
pub(crate) const ALICE: Uuid = Uuid::from_u128(0xa11c_e000_0000_7000_8000_0000_0000_00aa);

/// The administrator.
pub(crate) const ROOT: Uuid = Uuid::from_u128(0xadd1_0000_0000_7000_8000_0000_0000_00bb);

/// The one instant of these tests: 2026-01-02T03:04:05Z.
pub(crate) const NOW: Timestamp = Timestamp::constant(1_767_323_045, 0);

/// How long [`Quotas`] says that a full window takes to open; between two whole seconds.
pub(crate) const RESET_AFTER: Duration = Duration::from_millis(29_500);

#[derive(Debug)]
pub(crate) struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        NOW
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

/// Admits every key `quota` times, ever. Answers at once for clients and later for principals' keys
/// of policies whose name ends in `later`.
#[derive(Default)]
pub(crate) struct Quotas {
    counts: Mutex<HashMap<(String, u128), u32>>,
    /// Whether it cannot count: then what is closed is refused, and the rest admitted.
    pub(crate) blind: AtomicBool,
}

impl Quotas {
    /// How many units `policy` has counted, over all keys.
    pub(crate) fn charged(&self, policy: &str) -> u32 {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.iter().filter(|((name, _), _)| name == policy).map(|(_, count)| count).sum()
    }

    /// How many keys it has seen under `policy`.
    pub(crate) fn keys(&self, policy: &str) -> usize {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.keys().filter(|(name, _)| name == policy).count()
    }

    fn count(&self, charges: &[Charge<'_>]) -> Decision {
        let blind = self.blind.load(Ordering::Relaxed);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut stand = |charge: &Charge<'_>, charged: u32| {
            let Charge { policy, key, cost } = *charge;
            let count = counts.entry((policy.name.clone(), key)).or_default();
            let outcome = match *count + cost - charged <= policy.quota {
                _ if blind && policy.outage == OutageMode::Closed => Outcome::Uncounted,
                true => Outcome::Admitted,
                false => Outcome::Refused,
            };
            *count += charged;
            let remaining = policy.quota - *count;
            let reset_after = if remaining == 0 { RESET_AFTER } else { Duration::ZERO };
            let retry_after = match outcome {
                Outcome::Admitted => Duration::ZERO,
                _ if policy.window > Duration::from_mins(1) => RESET_AFTER * 10,
                _ => RESET_AFTER,
            };
            Standing { outcome, remaining, reset_after, retry_after }
        };
        let asked = Decision::of(charges.iter().map(|charge| stand(charge, 0)));
        if !asked.is_admitted() {
            return asked;
        }
        Decision::of(charges.iter().map(|charge| stand(charge, charge.cost)))
    }
}

impl Limiter for Quotas {
    fn decide<'a>(&'a self, charges: &'a [Charge<'a>]) -> Verdict<'a> {
        let decision = self.count(charges);
        if charges.iter().any(|charge| charge.policy.name.ends_with("later")) {
            return Verdict::Later(Box::pin(async move {
                tokio::task::yield_now().await;
                decision
            }));
        }
        Verdict::Now(decision)
    }
}

/// The session store is out of reach.
pub(crate) const SESSIONS_UNAVAILABLE: Code =
    Code::new("SESSIONS_UNAVAILABLE", Kind::Unavailable, "Sessions cannot be looked up now");

#[derive(Debug, thiserror::Error)]
#[error("no connection to the session store")]
struct NoSessions;

impl Fault for NoSessions {
    fn code(&self) -> Code {
        SESSIONS_UNAVAILABLE
    }

    fn detail(&self) -> std::borrow::Cow<'static, str> {
        "try again".into()
    }
}

/// Knows the credentials `alice` and `admin`, and `reader`, which is good for [`READ`] alone;
/// `broken` it cannot look up.
pub(crate) struct Credentials;

impl Authenticator for Credentials {
    fn authenticate<'a>(&'a self, credential: &'a Secret<String>) -> CallerFuture<'a> {
        assert!(credential.reveal().len() <= 512, "longer ones are not worth a look");
        let (subject, roles, scopes) = match credential.reveal().as_str() {
            "alice" => (ALICE, vec![], Scopes::All),
            "admin" => (ROOT, vec![ADMIN], Scopes::All),
            "reader" => (ALICE, vec![], Scopes::Only(vec![READ])),
            "broken" => return Box::pin(async { Err(Box::new(NoSessions) as BoxFault) }),
            _ => return Box::pin(async { Ok(None) }),
        };
        let subject = Subject(subject);
        let caller = Caller { subject, roles, credential: Uuid::nil(), scopes };
        Box::pin(async move { Ok(Some(caller)) })
    }

    fn codes(&self) -> Vec<Code> {
        vec![SESSIONS_UNAVAILABLE]
    }

    fn is_scoped(&self) -> bool {
        true
    }
}

/// A request line with everything it borrowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) time: Timestamp,
    pub(crate) id: String,
    pub(crate) trace_id: String,
    pub(crate) span_id: String,
    pub(crate) parent_id: Option<String>,
    pub(crate) subject: Option<Uuid>,
    pub(crate) module: &'static str,
    pub(crate) method: &'static str,
    pub(crate) route: String,
    pub(crate) status: u16,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) code: Option<&'static str>,
    pub(crate) replayed: bool,
    pub(crate) cause: Option<String>,
    pub(crate) client: String,
}

/// Keeps every line.
#[derive(Default)]
pub(crate) struct Lines(Mutex<Vec<Line>>);

impl Lines {
    /// Every line so far; the next call begins anew.
    pub(crate) fn take(&self) -> Vec<Line> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The line of the only request since the last look.
    pub(crate) fn only(&self) -> Line {
        match &self.take()[..] {
            [line] => line.clone(),
            lines => panic!("one request leaves one line, not {lines:#?}"),
        }
    }
}

impl RequestLog for Lines {
    fn record(&self, line: &RequestLine<'_>) {
        let line = Line {
            time: line.time,
            id: line.id.to_string(),
            trace_id: line.trace.trace_id.to_string(),
            span_id: line.trace.span_id.to_string(),
            parent_id: line.trace.parent_id.map(|id| id.to_string()),
            subject: line.subject.map(|subject| subject.0),
            module: line.module,
            method: line.method,
            route: line.route.to_owned(),
            status: line.status,
            bytes_in: line.bytes_in,
            bytes_out: line.bytes_out,
            code: line.code.map(|code| code.name),
            replayed: line.replayed,
            cause: line.cause.map(ToString::to_string),
            client: line.client.to_string(),
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}

/// A dependency that answers as told.
pub(crate) enum Check {
    Ready,
    Unready,
    Silent,
}

impl HealthCheck for Check {
    fn name(&self) -> &'static str {
        match self {
            Self::Ready => "disk",
            Self::Unready => "database",
            Self::Silent => "redis",
        }
    }

    fn check(&self) -> HealthFuture<'_> {
        match self {
            Self::Ready => Box::pin(async { Health::Ready }),
            Self::Unready => {
                Box::pin(async { Health::Unready("refused by 10.1.2.3:5432".to_owned()) })
            }
            Self::Silent => Box::pin(std::future::pending()),
        }
    }
}
