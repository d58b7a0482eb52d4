//! Authentication as a step of the request life: a credential becomes a caller.
//!
//! A credential is a bearer token (RFC 6750), or in cookie mode the session cookie. A browser sends
//! the cookie by itself, whoever wrote the page, so a write that comes with it has to come from a
//! page of ours.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, header, uri::Authority},
};
use mainstay_core::{Caller, Secret, Step, StepKind, Work};

use super::{Cors, Edge};
use crate::{codes, extract::Transport, respond::Problem};

/// No credential of ours is nearly this long; a longer one is not worth hashing.
const CREDENTIAL_BYTES_MAX: usize = 512;

/// The scheme of RFC 6750.
const BEARER: &str = "bearer";

/// The prefix makes browsers refuse the cookie unless it is `Secure`, of this host alone and for
/// every path (RFC 6265bis section 4.1.3.2).
pub(crate) const SESSION_COOKIE: &str = "__Host-session";

const INVALID_TOKEN: HeaderValue = HeaderValue::from_static("Bearer error=\"invalid_token\"");

/// What a request brings to be known by.
pub(crate) enum Credential {
    /// None, or one of another scheme.
    Absent,
    /// One that cannot be any: empty, too long, several.
    Unusable,
    /// `Authorization: Bearer …`
    Bearer(Secret<String>),
    /// The session cookie.
    Cookie(Secret<String>),
}

impl Credential {
    /// The bearer token; without one, and in cookie mode, the session cookie.
    pub(crate) fn of(headers: &HeaderMap, transport: Transport) -> Self {
        match (bearer(headers), transport) {
            (Self::Absent, Transport::Cookie) => cookie(headers),
            (credential, _) => credential,
        }
    }
}

/// The credential of `Authorization: Bearer …`.
fn bearer(headers: &HeaderMap) -> Credential {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, several) = (values.next(), values.next().is_some());
    let text = value.and_then(|value| str::from_utf8(value.as_bytes()).ok()).unwrap_or_default();
    let (scheme, credential) = text.split_at_checked(BEARER.len()).unwrap_or((text, ""));
    let ends = credential.is_empty() || credential.starts_with(' ');
    if !ends || !scheme.eq_ignore_ascii_case(BEARER) {
        return Credential::Absent;
    }
    usable(credential.trim_ascii(), several).map_or(Credential::Unusable, Credential::Bearer)
}

/// The session cookie among all that came (RFC 6265 section 5.4; HTTP/2 may split the header).
fn cookie(headers: &HeaderMap) -> Credential {
    let values = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.split_once('='));
    let mut sessions = pairs.filter(|(name, _)| name.trim() == SESSION_COOKIE);
    let Some((_, value)) = sessions.next() else { return Credential::Absent };
    usable(value.trim(), sessions.next().is_some()).map_or(Credential::Unusable, Credential::Cookie)
}

fn usable(text: &str, several: bool) -> Option<Secret<String>> {
    let usable = !several && !text.is_empty() && text.len() <= CREDENTIAL_BYTES_MAX;
    usable.then(|| Secret::new(text.to_owned()))
}

impl Edge {
    pub(super) async fn authenticate(&self, credential: Credential) -> Result<Caller, Problem> {
        // None is told from a bad one, as RFC 6750 section 3.1 asks.
        let credential = match credential {
            Credential::Absent => return Err(Problem::new(codes::UNAUTHENTICATED)),
            Credential::Unusable => return Err(refused()),
            Credential::Bearer(credential) | Credential::Cookie(credential) => credential,
        };
        let Some(authenticator) = &self.parts.authenticator else { return Err(refused()) };
        let step = Step::begin(StepKind::Authentication, "credential");
        let found = Work::part_of(step.id(), authenticator.authenticate(&credential)).await;
        match &found {
            Ok(Some(_)) => step.end("known", None),
            Ok(None) => step.end("refused", None),
            Err(_) => step.fail("failed"),
        }
        match found {
            Ok(Some(caller)) => Ok(caller),
            Ok(None) => Err(refused()),
            Err(fault) => Err(Problem::from_fault(&*fault)),
        }
    }
}

pub(super) fn refused() -> Problem {
    Problem::new(codes::UNAUTHENTICATED).with_header(header::WWW_AUTHENTICATE, INVALID_TOKEN)
}

/// In cookie mode, refuses a write that a browser sends for a page of another site.
///
/// A bearer token is put there by the page's own code, so it needs no such check. Without one, a
/// request that says where it comes from has to come from us: that also keeps a foreign page from
/// logging its visitor in as somebody else. One that brings the cookie has to say it.
pub(super) fn check_origin(
    request: &Request,
    credential: &Credential,
    cors: &Cors,
) -> Result<(), Problem> {
    let is_safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let comes_by_cookie = match credential {
        _ if is_safe => return Ok(()),
        Credential::Bearer(_) => return Ok(()),
        Credential::Cookie(_) => true,
        Credential::Absent | Credential::Unusable => false,
    };
    let is_ours = match origin(request, cors) {
        Origin::Ours => true,
        Origin::Foreign => false,
        Origin::Untold => !comes_by_cookie,
    };
    is_ours.then_some(()).ok_or_else(|| Problem::new(codes::CROSS_SITE_REQUEST))
}

enum Origin {
    Ours,
    Foreign,
    /// No browser of this decade leaves both headers out.
    Untold,
}

/// Where a request was made, by `Origin` (RFC 6454) or `Sec-Fetch-Site` (W3C Fetch Metadata).
fn origin(request: &Request, cors: &Cors) -> Origin {
    if let Some(origin) = request.headers().get(header::ORIGIN) {
        let is_ours = cors.origins.contains(origin) || is_this_host(origin, request);
        return if is_ours { Origin::Ours } else { Origin::Foreign };
    }
    match request.headers().get("sec-fetch-site").map(HeaderValue::as_bytes) {
        None => Origin::Untold,
        Some(b"same-origin") => Origin::Ours,
        Some(_) => Origin::Foreign,
    }
}

/// Whether an origin is the host that was asked. A proxy ends TLS, so the scheme is not seen here;
/// without it only this machine is believed, for whoever develops.
fn is_this_host(origin: &HeaderValue, request: &Request) -> bool {
    let Ok(origin) = origin.to_str() else { return false };
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let Some(host) = host.or_else(|| request.uri().authority().map(Authority::as_str)) else {
        return false;
    };
    let is_local = ["localhost", "127.0.0.1", "[::1]"].into_iter().any(|local| {
        host.strip_prefix(local).is_some_and(|port| port.is_empty() || port.starts_with(':'))
    });
    match origin.split_once("://") {
        Some(("https", named)) => named.eq_ignore_ascii_case(host),
        Some(("http", named)) => is_local && named.eq_ignore_ascii_case(host),
        _ => false,
    }
}
