//! A request with a key is done once: claimed, done as one transaction with its answer, and from
//! then on answered from what was kept.

use std::{pin::pin, time::Duration};

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderName, HeaderValue, StatusCode},
    response::Response,
};
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use mainstay_core::{
    Attempt, Claim, Completion, IdempotencyStore, KeptAnswer, KeyedRequest, Step, StepKind, Work,
};
use tokio::time::{Instant, sleep_until};

use super::{Edge, finish, idempotency_key::IdempotencyKey, line::Line};
use crate::{
    codes,
    context::Context,
    endpoint::Settled,
    extract::read_body,
    respond::{Problem, Rendered},
};

/// Says that an answer is a repetition.
pub(crate) const REPLAYED: &str = "idempotent-replayed";

/// Bytes of the body of an answer that is kept. 256 KiB: a hundred times what a change is usually
/// answered with, and little enough for a row.
const ANSWER_BYTES_MAX: usize = 256 << 10;

/// How long a claim outlasts the deadline of its request: the end of its transaction may come late.
/// With the default deadline it is 15 s, after which what a killed process had claimed is free.
const LEASE_SPARE: Duration = Duration::from_secs(5);

/// The pauses of who waits for another one's answer: the first is a quick handler, the last keeps
/// many who wait from keeping the store busy. Each is up to a half longer, so that they do not all
/// ask at once.
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(250);

/// What is left of the deadline when waiting ends: enough to be told so.
const TO_ANSWER: Duration = Duration::from_millis(100);

/// When somebody who waited in vain may come again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

impl Edge {
    /// Serves a request that came with a key.
    pub(super) async fn serve_once(
        &self,
        key: IdempotencyKey,
        request: &mut Request,
        line: &mut Line<'_>,
        context: &Context,
    ) -> Result<Response, Problem> {
        let store = self
            .parts
            .idempotency
            .as_ref()
            .ok_or_else(|| Problem::new(codes::INTERNAL).caused_by("nobody keeps answers"))?;
        let request = std::mem::take(request);
        let (request, body) = match &context.endpoint.body {
            Some(_) => read_whole(request, context).await?,
            None => (request, Bytes::new()),
        };
        let keyed = key.identify(&request, context, &body);
        let step = Step::begin(StepKind::Idempotency, "claim");
        let claimed = Work::part_of(step.id(), pin!(claim(&**store, keyed, context))).await;
        match &claimed {
            Ok(Claim::Fresh(_)) => step.end("fresh", None),
            Ok(Claim::Answered(_)) => step.end("answered", None),
            Ok(Claim::InProgress) => step.end("in_progress", None),
            Ok(Claim::Reused) => step.end("reused", None),
            Err(_) => step.fail("failed"),
        }
        match claimed? {
            Claim::Fresh(attempt) => {
                serve(attempt, request, context, line.arrival.journal.id().as_str()).await
            }
            Claim::Answered(answer) => {
                line.replayed = true;
                replay(answer, &context.endpoint)
            }
            Claim::InProgress => Err(in_progress()),
            Claim::Reused => Err(Problem::new(codes::IDEMPOTENCY_KEY_REUSED)),
        }
    }
}

/// Reads the body, and puts it back.
async fn read_whole(request: Request, context: &Context) -> Result<(Request, Bytes), Problem> {
    let (parts, body) = request.into_parts();
    let body = read_body(&parts.headers, body, context).await?;
    Ok((Request::from_parts(parts, Body::from(body.clone())), body))
}

/// Asks until the request is nobody else's any more, or there is no time left.
async fn claim(
    store: &dyn IdempotencyStore,
    keyed: KeyedRequest,
    context: &Context,
) -> Result<Claim, Problem> {
    let mut pause = PAUSE_MIN;
    loop {
        let left = context.deadline.saturating_duration_since(Instant::now());
        let claimed = store.claim(keyed, left + LEASE_SPARE).await;
        let claimed = claimed.map_err(|fault| Problem::from_fault(&*fault))?;
        let next = Instant::now() + pause.mul_f64(1.0 + fastrand::f64() / 2.0);
        if !matches!(claimed, Claim::InProgress) || next + TO_ANSWER > context.deadline {
            return Ok(claimed);
        }
        sleep_until(next).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

fn in_progress() -> Problem {
    Problem::new(codes::IDEMPOTENCY_IN_PROGRESS).with_retry_after(RETRY_AFTER)
}

/// Does the request, and keeps what is an answer for good.
async fn serve(
    mut attempt: Box<dyn Attempt>,
    request: Request,
    context: &Context,
    request_id: &str,
) -> Result<Response, Problem> {
    let mut served = Err(Problem::new(codes::INTERNAL).caused_by("an attempt ran nothing"));
    let serving = async { served = Ok(context.endpoint.handle(request).await) };
    attempt.scope(Box::pin(serving)).await;
    let kept = match served {
        Ok(response) if is_for_good(&response, context) => keep(response, request_id).await,
        // Anything else goes out as it is, and leaves nothing.
        other => Err(other),
    };
    let (response, answer) = match kept {
        Ok(kept) => kept,
        Err(other) => {
            attempt.give_up().await;
            return other;
        }
    };
    match attempt.complete(answer).await {
        Ok(Completion::Kept) => Ok(response),
        Ok(Completion::Lost) => Err(in_progress()),
        Err(fault) => Err(Problem::from_fault(&*fault)),
    }
}

/// Whether a repetition should get the same answer. What was refused before the handler had it may
/// be corrected under the same key; what failed, or should come again later, may be tried again.
fn is_for_good(response: &Response, context: &Context) -> bool {
    let problem = response.extensions().get::<Problem>();
    context.has_begun()
        && !response.status().is_server_error()
        && response.status() != StatusCode::TOO_MANY_REQUESTS
        && problem.is_none_or(|problem| !problem.invites_to_try_again())
        && finish::breach(&context.endpoint, response, problem).is_none()
}

/// The answer in full, to send and to keep; or, where it is too large, what is sent instead.
async fn keep(
    mut response: Response,
    id: &str,
) -> Result<(Response, KeptAnswer), Result<Response, Problem>> {
    let problem = response.extensions_mut().remove::<Problem>();
    if let Some(problem) = &problem {
        response = problem.render(id);
    }
    let (parts, body) = response.into_parts();
    let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(|error| {
        Err(Problem::new(codes::INTERNAL).caused_by(format_args!(
            "an answer of at most {ANSWER_BYTES_MAX} bytes can be kept for a repetition: {error}"
        )))
    })?;
    let body = body.to_bytes();
    let header = |(name, value): (&HeaderName, &HeaderValue)| {
        (name.as_str().to_owned(), value.as_bytes().to_vec())
    };
    let answer = KeptAnswer {
        status: parts.status.as_u16(),
        code: problem.as_ref().map(|problem| problem.code().name.to_owned()),
        headers: parts.headers.iter().map(header).collect(),
        body: body.to_vec(),
    };
    let mut response = Response::from_parts(parts, Body::from(body));
    if let Some(problem) = problem {
        response.extensions_mut().insert(Rendered(problem));
    }
    Ok((response, answer))
}

/// The kept answer once more, byte for byte.
fn replay(answer: KeptAnswer, endpoint: &Settled) -> Result<Response, Problem> {
    let KeptAnswer { status, code, headers, body } = answer;
    let broken = |what: &str| Problem::new(codes::INTERNAL).caused_by(what);
    let mut response = Response::new(Body::from(body));
    *response.status_mut() =
        StatusCode::from_u16(status).map_err(|_| broken("a kept answer has no status"))?;
    for (name, value) in headers {
        let name = HeaderName::try_from(name).map_err(|_| broken("a kept header has no name"))?;
        let value = HeaderValue::try_from(value).map_err(|_| broken("a kept header is none"))?;
        response.headers_mut().append(name, value);
    }
    let replayed = HeaderName::from_static(REPLAYED);
    response.headers_mut().insert(replayed, HeaderValue::from_static("true"));
    if let Some(name) = code {
        let known = endpoint.codes.iter().find(|code| code.name == name);
        let code = known.ok_or_else(|| broken("a kept code is declared no longer"))?;
        response.extensions_mut().insert(Rendered(Problem::new(*code)));
    }
    Ok(response)
}
