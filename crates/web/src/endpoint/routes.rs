//! A module's route table, and what becomes of it once every decision is settled.

use std::{fmt, sync::Arc, time::Duration};

use axum::{extract::Request, http::Method, response::Response};
use mainstay_core::{Code, ScopeName, Step, StepKind, Work};

use super::{
    access::Access,
    builder::{Decided, Draft, Endpoint, Serve},
    decision::{Decisions, Repeat},
    limit::SettledLimits,
    operation::{Parameter, RequestBody, ResponseSpec},
};

/// The endpoints of one module and the state their handlers use.
///
/// Only an endpoint whose access has been decided can be added:
///
/// ```compile_fail
/// use mainstay_web::{Json, Routes, get};
/// async fn hello() -> Json<String> { Json("hello".to_owned()) }
/// let routes = Routes::new("greetings", ()).add(get("/hello", hello));
/// ```
#[must_use = "routes do nothing until they are mounted"]
pub struct Routes<S> {
    pub(crate) module: &'static str,
    state: S,
    pub(crate) endpoints: Vec<(Draft, Serve)>,
}

impl<S> fmt::Debug for Routes<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Routes({}, {} endpoints)", self.module, self.endpoints.len())
    }
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// A table for the module of this name, whose handlers take `Use<S>`.
    pub fn new(module: &'static str, state: S) -> Self {
        Self { module, state, endpoints: Vec::new() }
    }

    /// Adds an endpoint whose access is decided.
    #[expect(clippy::should_implement_trait, reason = "a table is added to, not summed")]
    pub fn add<E: AccessDecided + TakesState<S>>(mut self, endpoint: E) -> Self {
        let endpoint = endpoint.into_endpoint();
        let serve = (endpoint.bind)(self.state.clone());
        self.endpoints.push((endpoint.draft, serve));
        self
    }
}

/// An endpoint on which `.public()` or `.allow(policy)` has been called.
#[diagnostic::on_unimplemented(
    message = "nobody has decided who may call this endpoint",
    label = "access is undecided",
    note = "call `.public()` if anybody may, or `.allow(policy)`, for example \
            `.allow(Authenticated)`, `.allow(SelfOr(ADMIN))`"
)]
pub trait AccessDecided: sealed::Sealed {}

impl<S> AccessDecided for Endpoint<S, Decided> {}

/// An endpoint whose handler takes `Use<S>`, or no state at all.
#[diagnostic::on_unimplemented(
    message = "the handler takes the state of another module",
    label = "not an endpoint over `{S}`",
    note = "`Use<S>` must name the state that its `Routes<S>` was made with"
)]
pub trait TakesState<S>: sealed::Sealed {
    #[doc(hidden)]
    type Access;

    #[doc(hidden)]
    fn into_endpoint(self) -> Endpoint<S, Self::Access>;
}

impl<S, A> TakesState<S> for Endpoint<S, A> {
    type Access = A;

    fn into_endpoint(self) -> Self {
        self
    }
}

mod sealed {
    //! Keeps both traits ours: access is decided by the builder and nowhere else.

    pub trait Sealed {}
    impl<S, A> Sealed for super::Endpoint<S, A> {}
}

/// An endpoint with nothing left to decide: what the edge, the documents and the tables read.
pub(crate) struct Settled {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    /// Both, as people name it: `GET /users/{id}`.
    pub(crate) title: Arc<str>,
    pub(crate) path_names: Vec<String>,
    pub(crate) module: &'static str,
    pub(crate) name: &'static str,
    pub(crate) summary: Option<&'static str>,
    pub(crate) access: Access,
    /// What a caller's credential has to be good for, unless it is good for everything.
    pub(crate) scope: Option<ScopeName>,
    pub(crate) limits: SettledLimits,
    /// `None` only for a reason the table shows.
    pub(crate) deadline: Result<Duration, &'static str>,
    pub(crate) body_bytes_max: usize,
    pub(crate) body: Option<RequestBody>,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) responses: Vec<ResponseSpec>,
    /// The closed set, sorted.
    pub(crate) codes: Vec<Code>,
    /// What `Cache-Control` a success has instead of the standing one.
    pub(crate) cache: Option<axum::http::HeaderValue>,
    /// Whether a private answer must not be shown to another credential.
    pub(crate) varies_by_caller: bool,
    pub(crate) decisions: Decisions,
    /// For a router that speaks for itself: why. It answers every method, and its answers are held
    /// to no contract.
    pub(crate) raw: Option<&'static str>,
    pub(crate) serve: Serve,
}

impl Settled {
    /// Runs the handler, which is a step of the request.
    pub(crate) async fn handle(&self, request: Request) -> Response {
        let step = Step::begin(StepKind::Handler, self.name);
        let response = Work::part_of(step.id(), (self.serve)(request)).await;
        step.end("answered", Some(response.status().as_u16().into()));
        response
    }

    /// Whether a key makes two requests one.
    pub(crate) fn is_by_key(&self) -> bool {
        self.decisions.repeat == Some(Repeat::ByKey)
    }

    /// Whether the endpoint has declared that it may answer with this code.
    pub(crate) fn declares(&self, code: Code) -> bool {
        self.codes.binary_search(&code).is_ok()
    }
}

impl fmt::Debug for Settled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}
