//! Requests that have one effect however often they are sent, as a contract: who remembers them is
//! behind [`IdempotencyStore`].

use std::{fmt, future::Future, pin::Pin, time::Duration};

use crate::{code::Code, fault::BoxFault};

/// The boxed answers of this contract.
pub type IdempotencyFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What identifies a request, and what tells it from another one. Both are hashes: nothing here was
/// sent like this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyedRequest {
    /// Of the key and what it is bound to: the principal, the method, the route, the path.
    pub id: [u8; 32],
    /// Of what has to be the same in a repetition: the query and the body.
    pub fingerprint: [u8; 32],
}

/// An answer as it is kept: everything that a repetition has to get.
#[derive(Clone, PartialEq, Eq)]
pub struct KeptAnswer {
    /// The status.
    pub status: u16,
    /// The name of a problem's code; `None` for any other answer.
    pub code: Option<String>,
    /// The headers of the endpoint itself, names in lower case. A value holds no line break.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
}

impl fmt::Debug for KeptAnswer {
    /// Without headers and body, which may be personal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptAnswer").field("status", &self.status).finish_non_exhaustive()
    }
}

/// What is known about a request.
#[expect(missing_debug_implementations, reason = "holds an attempt")]
pub enum Claim {
    /// Nothing: it is the caller's to do, once.
    Fresh(Box<dyn Attempt>),
    /// It was done, and this was the answer.
    Answered(KeptAnswer),
    /// Somebody is at it.
    InProgress,
    /// Another request came with this key.
    Reused,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completion {
    /// Effect and answer are durable, together.
    Kept,
    /// The claim had gone to somebody else, so nothing was kept.
    Lost,
}

/// A claimed request. Dropped, it is undone and the claim is given up, soon.
pub trait Attempt: Send {
    /// Runs the work: what it writes becomes durable with the answer or not at all.
    fn scope<'a>(&'a mut self, work: IdempotencyFuture<'a, ()>) -> IdempotencyFuture<'a, ()>;

    /// Keeps the effect and the answer, in one transaction. After an error nothing is kept, or
    /// nobody knows; a repetition finds out.
    fn complete(
        self: Box<Self>,
        answer: KeptAnswer,
    ) -> IdempotencyFuture<'static, Result<Completion, BoxFault>>;

    /// Undoes the effect and forgets the claim. A repetition begins anew, with any body.
    fn give_up(self: Box<Self>) -> IdempotencyFuture<'static, ()>;
}

/// Remembers requests.
pub trait IdempotencyStore: Send + Sync + 'static {
    /// Claims a request for `lease`, unless it is known. Of any number of callers at the same time,
    /// in whatever process, one has it. A claim whose lease is over may go to the next caller.
    ///
    /// Fails only when nobody could find out; the fault's code is one of [`codes`](Self::codes).
    fn claim(
        &self,
        request: KeyedRequest,
        lease: Duration,
    ) -> IdempotencyFuture<'_, Result<Claim, BoxFault>>;

    /// The codes that a failure of this, or of [`Attempt::complete`], can carry.
    fn codes(&self) -> Vec<Code>;
}
