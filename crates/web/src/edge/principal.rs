//! Authentication as a step of the request life: a bearer credential becomes a caller (RFC 6750).

use axum::http::{HeaderMap, HeaderValue, header};
use mainstay_core::{Caller, Secret};

use super::Edge;
use crate::{codes, respond::Problem};

/// No credential of ours is nearly this long; a longer one is not worth hashing.
const CREDENTIAL_BYTES_MAX: usize = 512;

const INVALID_TOKEN: HeaderValue = HeaderValue::from_static("Bearer error=\"invalid_token\"");

impl Edge {
    pub(super) async fn authenticate(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        let credential = bearer(headers)?;
        let Some(authenticator) = &self.parts.authenticator else { return Err(refused()) };
        match authenticator.authenticate(&credential).await {
            Ok(Some(caller)) => Ok(caller),
            Ok(None) => Err(refused()),
            Err(fault) => Err(Problem::from_fault(&*fault)),
        }
    }
}

/// The credential of `Authorization: Bearer …`. None, or one of another scheme, is told from a bad
/// one, as RFC 6750 section 3.1 asks.
fn bearer(headers: &HeaderMap) -> Result<Secret<String>, Problem> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, several) = (values.next(), values.next().is_some());
    let text = value.map_or("", |value| value.to_str().unwrap_or_default());
    let (scheme, credential) = text.split_once(' ').unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Problem::new(codes::UNAUTHENTICATED));
    }
    let credential = credential.trim();
    if several || credential.is_empty() || credential.len() > CREDENTIAL_BYTES_MAX {
        return Err(refused());
    }
    Ok(Secret::new(credential.to_owned()))
}

fn refused() -> Problem {
    Problem::new(codes::UNAUTHENTICATED).with_header(header::WWW_AUTHENTICATE, INVALID_TOKEN)
}
