//! An edge over the test's service, and a way to ask it that checks what holds for every answer.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::body::Body;
use http::{Method, Request, request::Builder};
use mainstay_web::{
    Edge, EdgeBuilder, EdgeOptions, EdgeParts,
    edge::Breach,
    ops::{self, Readiness},
    server::{Peer, Protocol},
};
use serde_json::Value;

use crate::{
    answer::Answer,
    parts::{Credentials, FixedClock, Line, Lines, Quotas},
    service::{self, Probe},
};

/// Everything one test needs to look at.
pub(crate) struct Bench {
    pub(crate) edge: Arc<Edge>,
    pub(crate) log: Arc<Lines>,
    pub(crate) quotas: Arc<Quotas>,
    pub(crate) probe: Probe,
    pub(crate) readiness: Readiness,
    /// What the observer of problems has seen.
    pub(crate) observed: Arc<Mutex<Vec<String>>>,
}

/// Whoever asks, unless a test says otherwise.
pub(crate) const PEER: Peer = peer([192, 0, 2, 7]);

pub(crate) const fn peer(address: [u8; 4]) -> Peer {
    let [a, b, c, d] = address;
    let address = std::net::IpAddr::V4(std::net::Ipv4Addr::new(a, b, c, d));
    Peer { address: SocketAddr::new(address, 4711), protocol: Protocol::Http1 }
}

/// An undeclared answer panics, and nothing else is changed.
pub(crate) fn options() -> EdgeOptions {
    EdgeOptions { breach: Breach::Panic, ..EdgeOptions::default() }
}

pub(crate) fn bench() -> Bench {
    bench_with(options())
}

pub(crate) fn bench_with(options: EdgeOptions) -> Bench {
    bench_of(options, Readiness::new(Vec::new(), Arc::new(FixedClock)))
}

pub(crate) fn bench_of(mut options: EdgeOptions, readiness: Readiness) -> Bench {
    let (log, quotas) = (Arc::<Lines>::default(), Arc::<Quotas>::default());
    let probe = Probe::default();
    let observed = Arc::<Mutex<Vec<String>>>::default();
    let seen = Arc::clone(&observed);
    options.observer = Some(Arc::new(move |method, route, code| {
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.push(format!("{method} {route} {code}"));
    }));
    let edge = EdgeBuilder::default()
        .mount(service::routes(probe.clone()))
        .mount(ops::routes(readiness.clone()))
        .build(options, parts(&log, &quotas))
        .expect("no contradiction");
    Bench { edge: Arc::new(edge), log, quotas, probe, readiness, observed }
}

pub(crate) fn parts(log: &Arc<Lines>, quotas: &Arc<Quotas>) -> EdgeParts {
    EdgeParts {
        limiter: quotas.clone(),
        authenticator: Some(Arc::new(Credentials)),
        idempotency: None,
        log: log.clone(),
        clock: Arc::new(FixedClock),
    }
}

impl Bench {
    /// Asks without a body.
    pub(crate) async fn send(&self, request: Builder) -> Answer {
        self.send_with(request, Body::empty()).await
    }

    /// Asks with a JSON body.
    pub(crate) async fn send_json(&self, request: Builder, body: impl Into<Body>) -> Answer {
        self.send_with(request.header("content-type", "application/json"), body).await
    }

    pub(crate) async fn send_with(&self, request: Builder, body: impl Into<Body>) -> Answer {
        self.send_and_see(request, body).await.0
    }

    /// The answer with its request line. Whatever is asked, the promises about every answer hold.
    pub(crate) async fn send_and_see(
        &self,
        request: Builder,
        body: impl Into<Body>,
    ) -> (Answer, Line) {
        self.log.take();
        let request = request.body(body.into()).expect("a request");
        let answer = Answer::read(self.edge.handle(request, &PEER).await).await;
        let line = self.log.only();
        self.check(&answer, &line);
        (answer, line)
    }

    /// What holds for every answer and its line.
    pub(crate) fn check(&self, answer: &Answer, line: &Line) {
        answer.check_promises();
        assert_eq!(line.status, answer.status);
        assert_eq!(line.code, answer.code().as_deref());
        assert_eq!(Some(line.id.as_str()), answer.header("x-request-id"));
        let traceresponse = answer.header("traceresponse").expect("checked");
        let ids = format!("00-{}-{}-", line.trace_id, line.span_id);
        assert!(traceresponse.starts_with(&ids), "{traceresponse} {line:?}");
        assert!(line.cause.is_none() || line.status >= 500, "{line:?}");
        self.check_documented(answer, line);
        self.check_foreseen(line);
    }

    /// Whoever counts requests has made a place for this end before it came.
    fn check_foreseen(&self, line: &Line) {
        let method = if line.method == "HEAD" && line.route != "-" { "GET" } else { line.method };
        let mut outcomes = self.edge.outcomes();
        let outcomes = outcomes.find(|known| known.route == line.route && known.method == method);
        let ends = outcomes.expect("every route and method has its outcomes").statuses;
        let is_end = |(status, code): &(u16, Option<mainstay_core::Code>)| {
            *status == line.status && code.map(|code| code.name) == line.code
        };
        assert!(ends.iter().any(is_end), "{line:?} is not in {ends:?}");
    }

    /// The published document is the oracle: it lists every answer that is given.
    fn check_documented(&self, answer: &Answer, line: &Line) {
        let document = self.edge.document();
        let Some(code) = answer.code().filter(|_| line.route == "-") else {
            return check_listed(document.value(), answer, line);
        };
        assert!(document.codes().iter().any(|known| known.name == code), "{code}");
    }
}

fn check_listed(document: &Value, answer: &Answer, line: &Line) {
    if line.route == "-" {
        return assert_eq!((line.method, answer.status), ("OPTIONS", 204));
    }
    let method = if line.method == "HEAD" { "GET" } else { line.method }.to_lowercase();
    let listed = &document["paths"][&line.route][method]["responses"][answer.status.to_string()];
    assert!(listed.is_object(), "{line:?} is not in the document");
    if let Some(code) = answer.code() {
        let schema = &listed["content"]["application/problem+json"]["schema"];
        let codes = schema["allOf"][1]["properties"]["code"]["enum"].as_array().expect("codes");
        assert!(codes.contains(&code.into()), "{line:?} is not in {codes:?}");
    }
}

pub(crate) fn request(method: Method, path: &str) -> Builder {
    Request::builder().method(method).uri(path).header("host", "localhost")
}

pub(crate) fn get(path: &str) -> Builder {
    request(Method::GET, path)
}

pub(crate) fn post(path: &str) -> Builder {
    request(Method::POST, path)
}

pub(crate) fn put(path: &str) -> Builder {
    request(Method::PUT, path)
}

/// The request with a credential.
pub(crate) fn by(credential: &str, request: Builder) -> Builder {
    request.header("authorization", format!("Bearer {credential}"))
}
