//! `GET /console/events`: the pulse as server-sent events.

use std::{borrow::Cow, convert::Infallible, time::Duration};

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use bytes::Bytes;
use futures_util::stream;
use mainstay_core::{Code, Fault, FaultSet};
use mainstay_web::{
    Use, codes,
    endpoint::{Operation, Respond, ResponseSpec},
};
use tokio::sync::broadcast::error::RecvError;

use super::{
    Console,
    pulse::{Watcher, event},
};

const MEDIA_TYPE: &str = "text/event-stream";

/// Somebody closes a page now and then.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// No place is left for another page.
#[derive(Debug, thiserror::Error)]
#[error("as many pages are open as there are places")]
pub(super) struct NoPlace;

impl Fault for NoPlace {
    fn code(&self) -> Code {
        codes::OVERLOADED
    }

    fn detail(&self) -> Cow<'static, str> {
        "too many consoles are open; close one".into()
    }

    fn retry_after(&self) -> Option<Duration> {
        Some(RETRY_AFTER)
    }
}

impl FaultSet for NoPlace {
    fn declare(codes: &mut Vec<Code>) {
        codes.push(codes::OVERLOADED);
    }
}

pub(super) async fn events(console: Use<Console>) -> Result<Events, NoPlace> {
    console.pulse.watch().map(Events).map_err(|_| NoPlace)
}

/// An answer that goes on until one side has had enough.
pub(super) struct Events(Watcher);

impl Respond for Events {
    fn describe(operation: &mut Operation) {
        operation.answers(ResponseSpec {
            status: StatusCode::OK,
            description: "Events `series`, `beat`, `request` and `lost`, without an end",
            body: Some((MEDIA_TYPE, serde_json::json!({ "type": "string" }))),
            headers: &[],
        });
    }

    fn respond(self) -> Response {
        let mut response = Response::new(Body::from_stream(stream::unfold(self.0, next)));
        let media_type = HeaderValue::from_static(MEDIA_TYPE);
        response.headers_mut().insert(header::CONTENT_TYPE, media_type);
        response
    }
}

/// Asked for only when the connection has taken what came before: who reads slowly loses the oldest
/// events, and is told how many.
async fn next(mut watcher: Watcher) -> Option<(Result<Bytes, Infallible>, Watcher)> {
    if let Some(kept) = watcher.backlog.pop_front() {
        return Some((Ok(kept), watcher));
    }
    let next = tokio::select! {
        () = watcher.ended.draining() => return None,
        next = watcher.events.recv() => next,
    };
    match next {
        Ok(next) => Some((Ok(next), watcher)),
        Err(RecvError::Lagged(count)) => {
            let lost = event("lost", &serde_json::json!({ "events": count }).to_string());
            Some((Ok(lost), watcher))
        }
        Err(RecvError::Closed) => None,
    }
}
