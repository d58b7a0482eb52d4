//! `Endpoint`: a handler and everything that must be decided about it, with access in its type.

use std::{
    future::Future, marker::PhantomData, panic::Location, pin::Pin, sync::Arc, time::Duration,
};

use axum::{extract::Request, http::Method, response::Response};
use mainstay_core::ScopeName;

use super::{
    access::{Access, Policy},
    decision::{Cache, Decisions, Repeat},
    handler::Handler,
    limit::Limit,
    operation::Operation,
};

/// Nobody has said yet who may call the endpoint.
#[derive(Debug)]
pub struct Undecided;

/// Somebody has.
#[derive(Debug)]
pub struct Decided;

/// The decision about a limit.
#[derive(Clone, Debug)]
pub(crate) enum LimitDecision {
    /// The service's default policy.
    Default,
    /// Its own, at least one.
    Own(Vec<Limit>),
    /// None, for a reason.
    Unlimited(&'static str),
}

/// The decision about a deadline.
#[derive(Clone, Copy, Debug)]
pub(crate) enum DeadlineDecision {
    /// The service's default.
    Default,
    /// One of its own.
    Own(Duration),
    /// None, for a reason.
    Unbounded(&'static str),
}

pub(crate) type Bound = Pin<Box<dyn Future<Output = Response> + Send>>;

/// A handler with its state bound, behind one pointer.
pub(crate) type Serve = Arc<dyn Fn(Request) -> Bound + Send + Sync>;

/// The part of an endpoint that does not depend on the module's state.
pub(crate) struct Draft {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) name: &'static str,
    pub(crate) summary: Option<&'static str>,
    pub(crate) describe: fn(&mut Operation),
    pub(crate) access: Access,
    pub(crate) decisions: Decisions,
    /// For a router that speaks for itself: why.
    pub(crate) raw: Option<&'static str>,
}

/// An endpoint under construction. `A` says whether access has been decided; only a [`Decided`]
/// endpoint can be added to [`Routes`](super::Routes).
#[must_use = "an endpoint does nothing until it is added to `Routes`"]
pub struct Endpoint<S, A = Undecided> {
    pub(crate) draft: Draft,
    pub(crate) bind: Box<dyn FnOnce(S) -> Serve>,
    access: PhantomData<A>,
}

impl<S, A> std::fmt::Debug for Endpoint<S, A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Endpoint({} {})", self.draft.method, self.draft.path)
    }
}

macro_rules! methods {
    ($($name:ident $method:ident),*) => {
        $(
            #[doc = concat!("A `", stringify!($method), "` endpoint at `path`.")]
            ///
            /// Parameters of the path are written `{name}`.
            #[track_caller]
            pub fn $name<H, T, S>(path: &'static str, handler: H) -> Endpoint<S>
            where
                H: Handler<T, S>,
                S: Clone + Send + Sync + 'static,
            {
                Endpoint::new(Method::$method, path, handler)
            }
        )*
    };
}

methods!(get GET, post POST, put PUT, patch PATCH, delete DELETE);

impl<S: Clone + Send + Sync + 'static> Endpoint<S> {
    #[track_caller]
    fn new<H: Handler<T, S>, T>(method: Method, path: &'static str, handler: H) -> Self {
        let draft = Draft {
            method,
            path,
            name: last_segment(std::any::type_name::<H>()),
            summary: None,
            describe: H::describe,
            // Replaced by `public` or `allow`, without which this value cannot be added to a route
            // table.
            access: Access::Public,
            decisions: Decisions::none(Location::caller()),
            raw: None,
        };
        let bind = Box::new(move |state: S| -> Serve {
            Arc::new(move |request| Box::pin(handler.clone().call(request, state.clone())))
        });
        Self { draft, bind, access: PhantomData }
    }

    /// Anybody may call it.
    pub fn public(self) -> Endpoint<S, Decided> {
        self.decided(Access::Public)
    }

    /// Authenticated callers whom the policy permits may call it.
    pub fn allow(self, policy: impl Policy) -> Endpoint<S, Decided> {
        self.decided(Access::Allow(Arc::new(policy)))
    }

    fn decided(mut self, access: Access) -> Endpoint<S, Decided> {
        self.draft.access = access;
        Endpoint { draft: self.draft, bind: self.bind, access: PhantomData }
    }
}

impl<S, A> Endpoint<S, A> {
    /// One sentence for the documents.
    pub fn summary(mut self, sentence: &'static str) -> Self {
        self.draft.summary = Some(sentence);
        self
    }

    /// Opens it to credentials that are good for this scope, such as an API key.
    pub fn scope(mut self, scope: ScopeName) -> Self {
        self.draft.decisions.scope = Some(Ok(scope));
        self
    }

    /// Opens it only to credentials that are good for everything, such as a session, which is also
    /// what an endpoint does that names no scope. The reason appears in the discipline matrix.
    pub fn without_scope(mut self, reason: &'static str) -> Self {
        self.draft.decisions.scope = Some(Err(reason));
        self
    }

    /// Replaces the service's default limit. Called again it adds one, up to four: a request is
    /// held against all of them.
    pub fn limit(mut self, limit: Limit) -> Self {
        match &mut self.draft.decisions.limit {
            LimitDecision::Own(limits) => limits.push(limit),
            decision => *decision = LimitDecision::Own(vec![limit]),
        }
        self
    }

    /// Takes any number of requests. The reason appears in route tables.
    pub fn unlimited(mut self, reason: &'static str) -> Self {
        self.draft.decisions.limit = LimitDecision::Unlimited(reason);
        self
    }

    /// Replaces the service's default deadline, measured from the request's arrival.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.draft.decisions.deadline = DeadlineDecision::Own(deadline);
        self
    }

    /// May take any time. The reason appears in route tables.
    pub fn without_deadline(mut self, reason: &'static str) -> Self {
        self.draft.decisions.deadline = DeadlineDecision::Unbounded(reason);
        self
    }

    /// Replaces the service's default body limit, in bytes.
    pub fn body_bytes_max(mut self, bytes: usize) -> Self {
        self.draft.decisions.body_bytes_max = Some(bytes);
        self
    }

    /// Says what a second identical request does. `POST` and `PATCH` must.
    pub fn on_repeat(mut self, repeat: Repeat) -> Self {
        self.draft.decisions.repeat = Some(repeat);
        self
    }

    /// Says who may keep a successful answer, and how long. Every `GET` must, and no other method
    /// may.
    pub fn cache(mut self, cache: Cache) -> Self {
        self.draft.decisions.cache = Some(cache);
        self
    }
}

/// `accounts::users::routes::create` is called `create`, and so is `create::<Guest>`.
fn last_segment(type_name: &'static str) -> &'static str {
    let generic = type_name.strip_suffix('>').and_then(|name| name.split_once('<'));
    let plain = generic.map_or(type_name, |(plain, _)| plain);
    plain.rsplit("::").find(|segment| !segment.starts_with('{')).unwrap_or(type_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handler_is_called_by_the_last_word_of_its_path() {
        for (path, name) in [
            ("accounts::users::routes::create", "create"),
            ("accounts::users::routes::create<accounts::users::Guest>", "create"),
            ("accounts::users::routes::routes::{{closure}}", "routes"),
            ("<accounts::Users as accounts::Crud>::list", "list"),
            ("create", "create"),
        ] {
            assert_eq!(last_segment(path), name);
        }
    }
}
