//! `Handler`: an ordinary async function whose arguments and answer describe themselves.

use std::future::Future;

use axum::{
    extract::{FromRequest, FromRequestParts, Request},
    response::{IntoResponse, Response},
};
use mainstay_core::{Fault, FaultSet};

use super::operation::Operation;
use crate::{context, respond::Problem};

/// A part of an endpoint (an argument, an answer) that writes itself into the contract.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of an endpoint: it does not describe itself",
    label = "not one of Body, Path, Query, Headers, IfMatch, SignedIn, Use",
    note = "wrap a foreign axum extractor in a type of your own and implement `Describe` for that: \
            it says what is taken from the request and which codes can be answered"
)]
pub trait Describe {
    /// Adds what this part takes, answers and may refuse.
    fn describe(operation: &mut Operation);
}

/// What a handler answers.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the answer of an endpoint",
    label = "not one of Json, Created, NoContent, Page, Tagged, or a `Result` of one and a `Fault`",
    note = "wrap the body: `Json(body)`; in a `Result` the error must derive `Fault`"
)]
pub trait Respond {
    /// Adds the answers to the contract.
    fn describe(operation: &mut Operation);

    /// Makes the response.
    fn respond(self) -> Response;
}

impl<T: Respond, E: Fault + FaultSet> Respond for Result<T, E> {
    fn describe(operation: &mut Operation) {
        T::describe(operation);
        operation.declares::<E>();
    }

    fn respond(self) -> Response {
        match self {
            Ok(answer) => answer.respond(),
            Err(fault) => Problem::from_fault(&fault).into_response(),
        }
    }
}

/// An async function that can serve an endpoint of a module with state `S`.
///
/// Implemented for functions of up to eight arguments which are extractors, the last of which may
/// take the body. `T` tells the argument lists apart and is never named.
#[diagnostic::on_unimplemented(
    message = "this function cannot serve an endpoint",
    label = "not a handler",
    note = "a handler is an `async fn` whose arguments are extractors (Use, Path, Query, Headers, \
            IfMatch, SignedIn, and last of all Body) and whose answer is a responder (Json, \
            Created, NoContent, Page, Tagged) or a `Result` of one and an error that derives \
            `Fault`",
    note = "`Use<S>` must name the state that its `Routes<S>` was made with"
)]
pub trait Handler<T, S>: Clone + Send + Sync + 'static {
    /// Adds every argument and the answer to the contract.
    fn describe(operation: &mut Operation);

    /// Extracts, runs, answers.
    fn call(self, request: Request, state: S) -> impl Future<Output = Response> + Send + 'static;
}

impl<F, Fut, R, S> Handler<((),), S> for F
where
    F: FnOnce() -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = R> + Send + 'static,
    R: Respond + 'static,
    S: Send + Sync + 'static,
{
    fn describe(operation: &mut Operation) {
        R::describe(operation);
    }

    async fn call(self, _: Request, _: S) -> Response {
        context::begin();
        self().await.respond()
    }
}

macro_rules! impl_handler {
    ($($part:ident)* ; $last:ident) => {
        #[expect(non_snake_case, reason = "the type parameters name the arguments")]
        impl<F, Fut, R, S, M, $($part,)* $last> Handler<(M, $($part,)* $last,), S> for F
        where
            F: FnOnce($($part,)* $last,) -> Fut + Clone + Send + Sync + 'static,
            Fut: Future<Output = R> + Send + 'static,
            R: Respond + 'static,
            M: 'static,
            S: Send + Sync + 'static,
            $($part: FromRequestParts<S> + Describe + Send + 'static,)*
            $last: FromRequest<S, M> + Describe + Send + 'static,
        {
            fn describe(operation: &mut Operation) {
                $($part::describe(operation);)*
                $last::describe(operation);
                R::describe(operation);
            }

            async fn call(self, request: Request, state: S) -> Response {
                let (mut head, body) = request.into_parts();
                let parts = &mut head;
                $(
                    let $part = match $part::from_request_parts(parts, &state).await {
                        Ok(value) => value,
                        Err(rejection) => return rejection.into_response(),
                    };
                )*
                let _ = parts;
                let request = Request::from_parts(head, body);
                let $last = match $last::from_request(request, &state).await {
                    Ok(value) => value,
                    Err(rejection) => return rejection.into_response(),
                };
                context::begin();
                self($($part,)* $last,).await.respond()
            }
        }
    };
}

impl_handler!(; T1);
impl_handler!(T1; T2);
impl_handler!(T1 T2; T3);
impl_handler!(T1 T2 T3; T4);
impl_handler!(T1 T2 T3 T4; T5);
impl_handler!(T1 T2 T3 T4 T5; T6);
impl_handler!(T1 T2 T3 T4 T5 T6; T7);
impl_handler!(T1 T2 T3 T4 T5 T6 T7; T8);
