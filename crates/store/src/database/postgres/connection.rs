//! One connection: how it begins, what is known of the other side, and how it ends.

use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
    time::{Duration, Instant},
};

use tokio::task::AbortHandle;
use tokio_postgres::{Client, Error, SimpleQueryMessage};

use super::{
    cancel::{self, Canceller},
    connector::Connector,
    drive::{Outgoing, drive},
    failure::{self, Step},
    interrupt::{Interrupts, Sending},
    limits::Limits,
    socket::{Peer, Socket},
    statement::Statements,
    tls::{Encrypted, Handshake},
};
use crate::{
    database::StatementMode,
    error::{Cause, StoreError},
};

type Driver = tokio_postgres::Connection<Socket, Encrypted>;

/// How the connection came about.
pub(super) struct Session {
    pub(super) peer: Peer,
    pub(super) handshake: Handshake,
    pub(super) generation: u64,
    pub(super) purpose: Purpose,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Statements of many callers: none may wait for a lock for long.
    Lane,
    /// One caller at a time.
    Exclusive,
}

/// How long a statement on a lane may wait for a lock, and everybody behind it. Who holds a lock on
/// a row mostly commits, which is the time of the disk: some milliseconds.
const LANE_LOCK_MAX: Duration = Duration::from_millis(25);

/// An open connection. Dropping it ends it, in good order if the server answers.
pub(crate) struct Connection {
    pub(super) client: Client,
    connector: Weak<Connector>,
    generation: u64,
    canceller: Canceller,
    /// Statements are part of the program, so there is an end to them.
    pub(super) statements: Mutex<Statements>,
    purpose: Purpose,
    mode: OnceLock<Mode>,
    driver: AbortHandle,
    /// Of a lane.
    outgoing: Outgoing,
    interrupts: Interrupts,
    /// As of when this server knows everything, where it follows another.
    fresh_as_of: Mutex<Option<Instant>>,
    /// The SQLSTATE with which the server ended it when nobody was asking, or why this side did.
    farewell: Arc<OnceLock<String>>,
    expires: Instant,
}

/// What is on the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mode {
    pub(super) named: bool,
    /// Each transaction may run on another session of the server: nothing can be set for longer.
    pub(super) pooled: bool,
    pub(super) limits: Limits,
    /// The way there and back, as it was while nothing else was under way.
    pub(super) round_trip: Duration,
}

/// Before anything is known.
const UNKNOWN: Mode = Mode {
    named: false,
    pooled: true,
    limits: Limits { statement: Duration::ZERO, lock: Duration::ZERO, idle: Duration::ZERO },
    round_trip: Duration::ZERO,
};

impl Connection {
    pub(super) fn start(
        connector: &Arc<Connector>,
        client: Client,
        driver: Driver,
        session: Session,
    ) -> Self {
        let Session { generation, purpose, .. } = session;
        let lifetime = connector.options.max_lifetime.mul_f64(1.0 - fastrand::f64() / 10.0);
        let farewell = Arc::new(OnceLock::new());
        let (heard, retiring) = (farewell.clone(), Arc::downgrade(connector));
        let outgoing = Outgoing::default();
        let announced = outgoing.clone();
        let driving = tokio::spawn(async move {
            let ended = match purpose {
                Purpose::Lane => drive(driver, announced).await,
                Purpose::Exclusive => driver.await,
            };
            let Err(error) = ended else { return };
            if let Some(code) = error.code() {
                // Nothing else sets it.
                let _ = heard.set(code.code().to_owned());
            }
            if let Some(connector) = retiring.upgrade().filter(|_| failure::retires(&error)) {
                connector.retire(generation);
            }
        });
        Self {
            canceller: Canceller {
                token: client.cancel_token(),
                peer: session.peer,
                handshake: session.handshake,
            },
            client,
            connector: Arc::downgrade(connector),
            generation,
            statements: Mutex::default(),
            purpose: session.purpose,
            outgoing,
            mode: OnceLock::new(),
            driver: driving.abort_handle(),
            interrupts: Interrupts::default(),
            fresh_as_of: Mutex::default(),
            farewell,
            expires: Instant::now() + lifetime,
        }
    }

    /// Finds out who answers, and sets the time limits. Returns whether the session is read-only.
    pub(super) async fn set_up(&self) -> Result<bool, Error> {
        const ASK: &str = "SELECT pg_backend_pid(), current_setting('transaction_read_only')";
        let Some(options) = self.connector.upgrade().map(|c| c.options.clone()) else {
            return Ok(false);
        };
        let (mut process, mut read_only) = (None, false);
        let asked = Instant::now();
        for message in self.client.simple_query(ASK).await? {
            if let SimpleQueryMessage::Row(row) = message {
                process = row.get(0).and_then(|text| text.parse::<i32>().ok());
                read_only = row.get(1) == Some("on");
            }
        }
        let mut round_trip = asked.elapsed();
        let pooled = process != cancel::process_of(&self.canceller.token).await;
        let named = match options.statement_mode {
            StatementMode::Auto => !pooled,
            StatementMode::Named => true,
            StatementMode::Unnamed => false,
        };
        let lock = match self.purpose {
            Purpose::Lane => options.busy_timeout.min(LANE_LOCK_MAX),
            Purpose::Exclusive => options.busy_timeout,
        };
        let limits = Limits {
            statement: options.statement_timeout,
            lock,
            idle: options.transaction_idle_timeout,
        };
        if !pooled {
            let asked = Instant::now();
            self.client.batch_execute(&limits.for_session()).await?;
            round_trip = round_trip.min(asked.elapsed());
        }
        // A driver that was told once is told the same again.
        let _ = self.mode.set(Mode { named, pooled, limits, round_trip });
        Ok(read_only)
    }

    pub(super) fn mode(&self) -> &Mode {
        self.mode.get().unwrap_or(&UNKNOWN)
    }

    pub(super) fn round_trip(&self) -> Duration {
        self.mode().round_trip
    }

    /// Whether a statement may still be sent.
    pub(super) fn is_open(&self) -> bool {
        !self.client.is_closed()
    }

    /// Whether a statement on a lane waits to be sent.
    pub(super) fn is_about_to_send(&self) -> bool {
        self.outgoing.is_some()
    }

    /// Whether its server is still the one to ask.
    pub(super) fn is_current(&self) -> bool {
        let current = self.connector.upgrade().map(|connector| connector.generation());
        self.is_open() && current == Some(self.generation)
    }

    /// Whether it may be used again by somebody else.
    pub(super) fn is_fit(&self) -> bool {
        self.is_current() && Instant::now() < self.expires
    }

    /// Ends the connection without a word to the server. Who still waits is told `why`.
    pub(super) fn abort(&self, why: &str) {
        // Unless the server said something before.
        let _ = self.farewell.set(why.to_owned());
        self.driver.abort();
    }

    pub(super) async fn cancel(&self) -> bool {
        self.canceller.cancel().await
    }

    /// The driver's client, for work that has the connection to itself.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Runs SQL of ours that takes no values and has no rows.
    pub(super) async fn command(&self, sql: &'static str) -> Result<(), StoreError> {
        let done = self.client.batch_execute(sql).await;
        done.map_err(|error| self.failed(&error, sql, Step::Run))
    }

    /// Begins a transaction, within these time limits.
    pub(super) async fn begin(&self, limits: &Limits) -> Result<(), StoreError> {
        let mode = self.mode();
        let done = if mode.pooled || *limits != mode.limits {
            self.client.batch_execute(&limits.begin()).await
        } else {
            self.client.batch_execute("BEGIN").await
        };
        done.map_err(|error| self.failed(&error, "BEGIN", Step::Run))
    }

    /// Whether no transaction is open: inside one, `now()` is when it began.
    pub(super) async fn is_idle(&self) -> bool {
        const ASK: &str = "SELECT now() = statement_timestamp()";
        let Ok(answers) = self.client.simple_query(ASK).await else { return false };
        answers.iter().any(|answer| match answer {
            SimpleQueryMessage::Row(row) => row.get(0) == Some("t"),
            _ => false,
        })
    }

    /// Called before a statement is sent, which is now, on a connection that others use too.
    pub(super) fn sending(&self, now: Instant) -> Sending {
        self.outgoing.announce();
        self.interrupts.sending(now)
    }

    /// Whether an error is the effect of [`interrupt`](Self::interrupt) on a statement that was not
    /// meant. Nothing of that was kept.
    pub(super) fn is_mistaken(&self, sending: &Sending, error: &Error) -> bool {
        self.interrupts.may_have_hit(sending, error, self.mode().limits.statement)
    }

    /// Cancels what a shared connection does, whosever it is.
    pub(super) async fn interrupt(&self) {
        self.interrupts.interrupt(&self.canceller).await;
    }

    /// Takes note of how fresh the data of the server is; `None` when nobody knows.
    pub(super) fn knows_everything(&self, as_of: Option<Instant>) {
        *self.fresh_as_of.lock().unwrap_or_else(PoisonError::into_inner) = as_of;
    }

    /// As of when the server knew everything.
    pub(super) fn fresh_as_of(&self) -> Option<Instant> {
        *self.fresh_as_of.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Translates an error, and retires the generation where it says that the server goes away.
    pub(super) fn failed(&self, error: &Error, sql: &'static str, step: Step) -> StoreError {
        if let Some(connector) = self.connector.upgrade().filter(|_| failure::retires(error)) {
            connector.retire(self.generation);
        }
        match self.farewell.get().filter(|_| error.is_closed()) {
            Some(code) if code == IDLE_IN_TRANSACTION => {
                StoreError::TimedOut(failure::lost(sql, "the transaction was idle for too long"))
            }
            Some(code) => StoreError::Unavailable(failure::lost(sql, code)),
            None => failure::translate(error, sql, step),
        }
    }
}

/// `idle_in_transaction_session_timeout`
const IDLE_IN_TRANSACTION: &str = "25P03";

/// Nobody answers any more.
pub(super) fn closed() -> StoreError {
    StoreError::Unavailable(Cause::text("the database was closed"))
}
