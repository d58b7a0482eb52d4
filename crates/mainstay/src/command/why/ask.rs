//! Asking the operators' listeners of processes that run.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header, uri::Scheme};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::{
    client::legacy::{
        Client,
        connect::{Connect, HttpConnector},
    },
    rt::TokioExecutor,
};
use mainstay_core::Secret;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::{
    app::Failure,
    telemetry::Chain,
    why::{Record, Records},
};

/// Longest wait for one process, from the connection to the end of its answer. Taste: somebody
/// waits who is in a hurry, and an answer from memory takes milliseconds.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A hundred requests with all the steps there may be, each with a statement of 2 KiB.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// What one process says.
pub(super) enum Answer {
    Records(Vec<Record>),
    /// It has nothing to tell, and why.
    NotKept(String),
    /// It does not say: why, and what to do.
    Refused(String, &'static str),
}

/// Asks all at once. Each answer is beside the address that was asked.
pub(super) async fn all(
    instances: Vec<String>,
    id: &str,
    token: Option<&Secret<String>>,
) -> Result<Vec<(String, Answer)>, Failure> {
    let mut asking = JoinSet::new();
    for instance in instances {
        let request = request(&instance, id, token)?;
        asking.spawn(async move {
            let answer = tokio::time::timeout(TIMEOUT, ask(request)).await;
            let late = || Answer::Refused("no answer in time".to_owned(), "is it overloaded?");
            (instance, answer.unwrap_or_else(|_| late()))
        });
    }
    Ok(asking.join_all().await)
}

fn request(
    instance: &str,
    id: &str,
    token: Option<&Secret<String>>,
) -> Result<Request<Empty<Bytes>>, Failure> {
    let uri = format!("{}/requests/{id}", instance.trim_end_matches('/'));
    let uri = uri.parse::<Uri>().ok().filter(|uri| {
        let is_known = uri.scheme().is_some_and(|s| *s == Scheme::HTTP || *s == Scheme::HTTPS);
        is_known && uri.authority().is_some() && uri.query().is_none()
    });
    let mut request = Request::get(uri.unwrap_or_default());
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.reveal()));
    }
    request
        .body(Empty::new())
        .ok()
        .filter(|request| request.uri().authority().is_some())
        .ok_or_else(|| {
            Failure::new(
                format!("`{}` is no address of a listener", super::paint::plain(instance)),
                "it has another form than `http://HOST:PORT`",
                "name the operators' listener: `--ops http://127.0.0.1:9090`",
            )
        })
}

async fn ask(request: Request<Empty<Bytes>>) -> Answer {
    if request.uri().scheme() == Some(&Scheme::HTTP) {
        let mut tcp = HttpConnector::new();
        tcp.set_connect_timeout(Some(TIMEOUT));
        return through(tcp, request).await;
    }
    // Only who asks by HTTPS needs to trust anybody.
    match crate::http::connector(TIMEOUT) {
        Ok(tls) => through(tls, request).await,
        Err(error) => Answer::Refused(error.to_string(), "install the system's certificates"),
    }
}

async fn through<C: Connect + Clone + Send + Sync + 'static>(
    connector: C,
    request: Request<Empty<Bytes>>,
) -> Answer {
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let response = match client.request(request).await {
        Ok(response) => response,
        Err(error) => {
            return Answer::Refused(
                Chain(&error).to_string(),
                "is it running, and is this its address?",
            );
        }
    };
    let (head, body) = response.into_parts();
    match Limited::new(body, ANSWER_BYTES_MAX).collect().await {
        Ok(body) => read(head.status, &body.to_bytes()),
        Err(error) => Answer::Refused(error.to_string(), "ask with --json, or for one request"),
    }
}

fn read(status: StatusCode, body: &[u8]) -> Answer {
    if status == StatusCode::OK {
        return match serde_json::from_slice::<Records>(body) {
            Ok(Records { records }) => Answer::Records(records),
            Err(error) => {
                Answer::Refused(error.to_string(), "ask with the program of the service's release")
            }
        };
    }
    let problem: Value = serde_json::from_slice(body).unwrap_or_default();
    let code = problem["code"].as_str().unwrap_or_default();
    if code == "REQUEST_NOT_KEPT" {
        return Answer::NotKept(problem["detail"].as_str().unwrap_or_default().to_owned());
    }
    let fix = match status {
        StatusCode::UNAUTHORIZED => "set OPS_TOKEN to the token of the service",
        StatusCode::NOT_FOUND => "name the operators' listener, not the API's",
        _ => "its log may say more",
    };
    Answer::Refused(format!("it answers {status} {code}"), fix)
}
