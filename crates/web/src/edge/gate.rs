//! A token in front of a whole edge, for listeners whose callers have no accounts.

use std::fmt;

use axum::extract::Request;
use mainstay_core::{Secret, SecurityEvent, SecurityRecord};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::credential::{Credential, refused};
use crate::{codes, extract::Transport, respond::Problem, security};

/// Asks for `Authorization: Bearer` with one token, whatever else is decided about an endpoint.
#[derive(Clone)]
pub struct Gate {
    /// Digests are of one length and as good as random, so that comparing them tells nothing about
    /// the token, not even how long it is.
    digest: [u8; 32],
    open: Vec<String>,
}

impl Gate {
    /// Lets in who has the token, and everybody to the paths in `open` when nothing is asked by a
    /// query.
    pub fn new(token: &Secret<String>, open: Vec<String>) -> Self {
        Self { digest: digest(token), open }
    }

    pub(super) fn admit(&self, request: &Request) -> Result<(), Problem> {
        let uri = request.uri();
        if uri.query().is_none() && self.open.iter().any(|path| path == uri.path()) {
            return Ok(());
        }
        match Credential::of(request.headers(), Transport::Bearer) {
            Credential::Absent => Err(Problem::new(codes::UNAUTHENTICATED)),
            Credential::Bearer(token) if digest(&token).ct_eq(&self.digest).into() => Ok(()),
            _ => {
                security::record(SecurityRecord::new(SecurityEvent::LoginFailed));
                Err(refused())
            }
        }
    }
}

fn digest(token: &Secret<String>) -> [u8; 32] {
    Sha256::digest(token.reveal()).into()
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("open", &self.open).finish_non_exhaustive()
    }
}
