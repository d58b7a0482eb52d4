//! `Body<T>`: the JSON body, bounded, parsed and checked against the contract of `T`.

use std::sync::atomic::Ordering;

use axum::{
    extract::{FromRequest, Request},
    http::{HeaderMap, header::CONTENT_LENGTH},
};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};

use super::{context, contracts, invalid};
use crate::{
    codes,
    context::Context,
    contract::BodyProblem,
    endpoint::{Describe, Operation},
    respond::Problem,
};

/// Media types a JSON body may come in. Merge patches (RFC 7396) are taken wherever JSON is.
pub(crate) const MEDIA_TYPES: &[&str] = &["application/json", "application/merge-patch+json"];

/// The JSON body of the request.
///
/// Answers `PAYLOAD_TOO_LARGE`, `UNSUPPORTED_MEDIA_TYPE`, `REQUEST_TIMEOUT`, `MALFORMED_JSON` and
/// `VALIDATION_FAILED`; the last lists every problem at once, with a JSON Pointer each and never
/// the rejected value.
#[derive(Clone, Copy, Debug)]
pub struct Body<T>(pub T);

impl<T: JsonSchema + 'static> Describe for Body<T> {
    fn describe(operation: &mut Operation) {
        operation.takes_body::<T>(MEDIA_TYPES);
    }
}

impl<T, S> FromRequest<S> for Body<T>
where
    T: DeserializeOwned + JsonSchema + 'static,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = read(&parts.headers, body, &*context()?).await?;
        let contract = contracts::mounted::<T>()?;
        match contract.read_body(&bytes) {
            Ok(value) => Ok(Self(value)),
            Err(BodyProblem::Malformed(malformed)) => {
                Err(Problem::new(codes::MALFORMED_JSON).with_detail(malformed.to_string()))
            }
            Err(BodyProblem::Invalid(problems)) => Err(invalid(problems)),
        }
    }
}

/// Reads the whole body within the endpoint's size and the edge's body timeout.
pub(crate) async fn read(
    headers: &HeaderMap,
    body: axum::body::Body,
    context: &Context,
) -> Result<Bytes, Problem> {
    let announced = headers.get(CONTENT_LENGTH).and_then(|n| n.to_str().ok()?.parse().ok());
    let announced: usize = announced.unwrap_or(0);
    let limit = context.endpoint.body_bytes_max;
    let collect = collect(body, announced.min(limit), limit, context);
    // Whoever has not sent its body by the deadline is the one that was slow.
    let end = context.deadline.min(Instant::now() + context.body_timeout);
    timeout_at(end, collect).await.unwrap_or_else(|_| Err(Problem::new(codes::REQUEST_TIMEOUT)))
}

async fn collect(
    mut body: axum::body::Body,
    capacity: usize,
    limit: usize,
    context: &Context,
) -> Result<Bytes, Problem> {
    let mut first: Option<Bytes> = None;
    let mut rest = BytesMut::new();
    let mut total = 0;
    while let Some(frame) = body.frame().await {
        // The connection broke or the chunks do not parse: whoever sent this will not read an
        // answer.
        let frame = frame
            .map_err(|_| Problem::new(codes::MALFORMED_JSON).with_detail("the body ended early"))?;
        let Ok(data) = frame.into_data() else { continue };
        total += data.len();
        context.note_bytes_read(data.len());
        if total > limit {
            return Err(Problem::new(codes::PAYLOAD_TOO_LARGE));
        }
        // Nearly every body is one frame, which then needs no copy.
        match first.take() {
            None if rest.is_empty() => first = Some(data),
            None => rest.extend_from_slice(&data),
            Some(start) => {
                rest.reserve(capacity.max(start.len() + data.len()));
                rest.extend_from_slice(&start);
                rest.extend_from_slice(&data);
            }
        }
    }
    context.body_ended.store(true, Ordering::Relaxed);
    Ok(first.unwrap_or_else(|| rest.freeze()))
}
