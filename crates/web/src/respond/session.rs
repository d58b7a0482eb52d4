//! `WithSession`: an answer that signs a browser in or out, in cookie mode.

use std::{fmt, time::Duration};

use axum::{
    http::{HeaderValue, header},
    response::Response,
};
use mainstay_core::Secret;

use crate::{
    context::current,
    edge::SESSION_COOKIE,
    endpoint::{Operation, Respond},
    extract::Transport,
};

/// An answer and, in cookie mode, the session cookie: `__Host-`, `HttpOnly`, `Secure`,
/// `SameSite=Strict`, for every path of this host. In bearer mode it is the answer alone.
#[derive(Clone)]
pub struct WithSession<R> {
    cookie: Cookie,
    answer: R,
}

#[derive(Clone)]
enum Cookie {
    Begin { token: Secret<String>, lifetime: Duration },
    End,
}

impl<R> WithSession<R> {
    /// Signs in: the browser keeps the token for `lifetime`, in whole seconds. A token is made of
    /// letters, digits, `_` and `-`.
    pub fn begin(token: Secret<String>, lifetime: Duration, answer: R) -> Self {
        Self { cookie: Cookie::Begin { token, lifetime }, answer }
    }

    /// Signs out: the browser forgets the token.
    pub fn end(answer: R) -> Self {
        Self { cookie: Cookie::End, answer }
    }
}

impl Cookie {
    fn value(&self) -> Option<HeaderValue> {
        let (token, seconds) = match self {
            Self::Begin { token, lifetime } => (token.reveal().as_str(), lifetime.as_secs()),
            Self::End => ("", 0),
        };
        let text = format!(
            "{SESSION_COOKIE}={token}; Path=/; Max-Age={seconds}; HttpOnly; Secure; SameSite=Strict"
        );
        let mut value = HeaderValue::try_from(text).ok()?;
        // HTTP/2 then keeps it out of its table of headers.
        value.set_sensitive(true);
        Some(value)
    }
}

impl<R: Respond> Respond for WithSession<R> {
    fn describe(operation: &mut Operation) {
        R::describe(operation);
        operation.answers_credential();
    }

    fn respond(self) -> Response {
        let mut response = self.answer.respond();
        let transport = current(|request| request.transport).unwrap_or_default();
        if transport == Transport::Cookie && response.status().is_success() {
            response.headers_mut().extend(self.cookie.value().map(|v| (header::SET_COOKIE, v)));
        }
        response
    }
}

impl<R> fmt::Debug for WithSession<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithSession").finish_non_exhaustive()
    }
}
