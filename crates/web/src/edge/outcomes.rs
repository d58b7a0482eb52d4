//! `Outcomes`: every way in which a request can end, known before the first one begins. Whoever
//! counts requests can have a place for each, and nobody can make another.

use axum::http::{Method, StatusCode};
use mainstay_core::Code;

use super::{
    Edge,
    line::{CLIENT_CLOSED_REQUEST, OTHER, method_name},
};
use crate::{codes, endpoint::Settled};

/// The methods that request lines know by name, and the name of all others.
const METHODS: [&str; 10] =
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", OTHER];

/// What a raw router may answer is its own affair. These are what routers answer; any other is
/// nobody's plan.
const RAW: [StatusCode; 18] = [
    StatusCode::OK,
    StatusCode::CREATED,
    StatusCode::ACCEPTED,
    StatusCode::NO_CONTENT,
    StatusCode::PARTIAL_CONTENT,
    StatusCode::MOVED_PERMANENTLY,
    StatusCode::FOUND,
    StatusCode::SEE_OTHER,
    StatusCode::NOT_MODIFIED,
    StatusCode::TEMPORARY_REDIRECT,
    StatusCode::PERMANENT_REDIRECT,
    StatusCode::BAD_REQUEST,
    StatusCode::UNAUTHORIZED,
    StatusCode::FORBIDDEN,
    StatusCode::NOT_FOUND,
    StatusCode::METHOD_NOT_ALLOWED,
    StatusCode::INTERNAL_SERVER_ERROR,
    StatusCode::SERVICE_UNAVAILABLE,
];

/// How the requests for one route and method can end, in the words of their request lines.
#[derive(Clone, Debug)]
pub struct Outcomes {
    /// The route's template; `-` for what matched none.
    pub route: &'static str,
    /// The method. `GET` has the requests with `HEAD` as well; a raw router has `*` for all.
    pub method: &'static str,
    /// Each with the code it has as a problem, if it is one.
    pub statuses: Vec<(u16, Option<Code>)>,
    /// Whether an endpoint has declared them. What matched no route is answered all the same.
    pub is_declared: bool,
}

impl Edge {
    /// The outcomes of every route and method, and of what matches no route.
    pub fn outcomes(&self) -> impl Iterator<Item = Outcomes> {
        self.endpoints.iter().map(|endpoint| of_endpoint(endpoint)).chain(METHODS.map(of_nothing))
    }
}

fn of_endpoint(endpoint: &Settled) -> Outcomes {
    let mut plain: Vec<StatusCode> = match endpoint.raw {
        Some(_) => RAW.to_vec(),
        None => endpoint.responses.iter().map(|response| response.status).collect(),
    };
    if endpoint.method == Method::GET {
        plain.push(StatusCode::NOT_MODIFIED);
    }
    plain.sort_unstable();
    plain.dedup();
    Outcomes {
        route: endpoint.path,
        method: if endpoint.raw.is_some() { "*" } else { method_name(&endpoint.method) },
        statuses: statuses(&plain, &endpoint.codes),
        is_declared: true,
    }
}

fn of_nothing(method: &'static str) -> Outcomes {
    // `OPTIONS` is answered by the path.
    let statuses = statuses(&[StatusCode::NO_CONTENT], codes::ALL);
    Outcomes { route: "-", method, statuses, is_declared: false }
}

fn statuses(plain: &[StatusCode], codes: &[Code]) -> Vec<(u16, Option<Code>)> {
    let plain = plain.iter().map(|status| (status.as_u16(), None));
    let problems = codes.iter().map(|code| (codes::status(code.kind).as_u16(), Some(*code)));
    plain.chain(problems).chain([(CLIENT_CLOSED_REQUEST, None)]).collect()
}
