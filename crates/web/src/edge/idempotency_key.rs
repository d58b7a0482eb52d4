//! `Idempotency-Key`: what is taken for one, and what it identifies
//! (<https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/>).

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName},
};
use mainstay_core::{Code, KeyedRequest, Location};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::{codes, context::Context, endpoint::Parameter, respond::Problem};

const NAME: &str = "idempotency-key";
const HEADER: HeaderName = HeaderName::from_static(NAME);

/// Characters of a key. 255: what other APIs take, and seven times what a random one needs.
const LENGTH_MAX: usize = 255;

/// The same rule for who reads the contract: bare, or a string of RFC 9651.
const PATTERN: &str = r#"^([!#-~][!-~]{0,254}|"([!#-\[\]-~]|\\["\\]){1,255}")$"#;

/// What a client calls a request by. Without quotes, so that it is the same with and without.
pub(super) struct IdempotencyKey(Vec<u8>);

impl IdempotencyKey {
    /// The codes that a request with a key may be refused with.
    pub(super) const CODES: [Code; 3] = [
        codes::IDEMPOTENCY_KEY_INVALID,
        codes::IDEMPOTENCY_KEY_REUSED,
        codes::IDEMPOTENCY_IN_PROGRESS,
    ];

    /// The key of a request, if it has one.
    pub(super) fn of(headers: &HeaderMap) -> Result<Option<Self>, Problem> {
        let mut values = headers.get_all(HEADER).iter();
        let Some(value) = values.next() else { return Ok(None) };
        let only = values.next().is_none().then_some(value);
        match only.and_then(|value| Self::parse(value.as_bytes())) {
            Some(key) => Ok(Some(key)),
            None => Err(Problem::new(codes::IDEMPOTENCY_KEY_INVALID)),
        }
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let key = match text.strip_prefix(b"\"") {
            Some(quoted) => unescaped(quoted.strip_suffix(b"\"")?)?,
            None => text.to_vec(),
        };
        let is_good = (1..=LENGTH_MAX).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic);
        is_good.then_some(Self(key))
    }

    /// What the key stands for in this request.
    ///
    /// The key is part of the fingerprint too, and is not kept: a body may hold a password, and a
    /// hash of it alone would be quicker to guess from than the password's own.
    pub(super) fn identify(
        &self,
        request: &Request,
        context: &Context,
        body: &[u8],
    ) -> KeyedRequest {
        let principal = context.caller().map(|caller| caller.subject.0.into_bytes());
        let principal = principal.as_ref().map_or(&b""[..], |subject| subject);
        let (uri, endpoint) = (request.uri(), &context.endpoint);
        let method = endpoint.method.as_str().as_bytes();
        let (route, path) = (endpoint.path.as_bytes(), uri.path().as_bytes());
        KeyedRequest {
            id: hash(&[b"id", principal, method, route, path, &self.0]),
            fingerprint: hash(&[
                b"fingerprint",
                &self.0,
                uri.query().unwrap_or_default().as_bytes(),
                body,
            ]),
        }
    }

    /// How the contract describes it.
    pub(super) fn parameter() -> Parameter {
        Parameter {
            name: NAME.to_owned(),
            location: Location::Header,
            required: false,
            schema: json!({
                "type": "string",
                "pattern": PATTERN,
                // Every character escaped, and the quotes.
                "maxLength": 2 * LENGTH_MAX + 2,
                "description": "Names this request, and no other for a day: send it again with the \
                                same key, and it has one effect and the same answer. Make it \
                                random, such as a UUID.",
            }),
        }
    }
}

/// The text of a quoted string; `None` if it is none.
fn unescaped(text: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'\\' => bytes.next().filter(|escaped| matches!(escaped, b'"' | b'\\'))?,
            b'"' => return None,
            plain => plain,
        });
    }
    Some(plain)
}

/// Of parts that cannot run into one another.
fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> Option<Vec<u8>> {
        IdempotencyKey::parse(text.as_bytes()).map(|key| key.0)
    }

    #[test]
    fn a_key_is_the_same_with_and_without_quotes() {
        for (text, key) in
            [("a", "a"), ("\"a\"", "a"), ("a\"b", "a\"b"), (r#""a\"b\\""#, r#"a"b\"#)]
        {
            assert_eq!(parsed(text).as_deref(), Some(key.as_bytes()), "{text}");
        }
        for bad in
            ["", "\"", "\"\"", "\"a", "a b", "\"a b\"", "é", "\"a\"b\"", r#""\a""#, r#""a\""#]
        {
            assert_eq!(parsed(bad), None, "{bad}");
        }
        assert!(parsed(&"k".repeat(255)).is_some() && parsed(&"k".repeat(256)).is_none());
    }

    #[test]
    fn parts_do_not_run_into_one_another() {
        assert_ne!(hash(&[b"ab", b"c"]), hash(&[b"a", b"bc"]));
        assert_ne!(hash(&[b"", b"a"]), hash(&[b"a", b""]));
        assert_ne!(hash(&[b"a"]), hash(&[b"a", b""]));
    }

    proptest! {
        #[test]
        fn what_is_published_is_what_is_taken(
            text in prop_oneof![r#"[a\\" é]{0,8}"#, r#""[a\\" ]{0,8}""#, r#""?[!-~]{250,260}"?"#],
        ) {
            let pattern = regex::Regex::new(PATTERN).expect("an expression");
            prop_assert_eq!(parsed(&text).is_some(), pattern.is_match(&text), "{}", text);
        }
    }
}
