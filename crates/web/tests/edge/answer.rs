//! One answer with its body read, and what every answer of the edge promises.

use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;
use mainstay_web::codes;
use serde_json::Value;

#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) async fn read(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        Self { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    /// The only value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next()?;
        assert!(values.next().is_none(), "{name} is there twice: {self:?}");
        Some(value.to_str().expect("text"))
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The code of a problem.
    pub(crate) fn code(&self) -> Option<String> {
        let is_problem = self.header("content-type") == Some("application/problem+json");
        is_problem.then(|| self.json()["code"].as_str().expect("a code").to_owned())
    }

    /// The listed problems as `in pointer code`, sorted.
    pub(crate) fn field_problems(&self) -> Vec<String> {
        let document = self.json();
        let problems = document["errors"].as_array().map_or(&[][..], Vec::as_slice);
        let mut problems: Vec<_> = problems
            .iter()
            .map(|problem| {
                let text = |name: &str| problem[name].as_str().expect("text");
                assert!(!text("message").is_empty());
                format!("{} {} {}", text("in"), text("pointer"), text("code"))
            })
            .collect();
        problems.sort_unstable();
        problems
    }

    /// Holds the answer against what the edge promises of every one.
    pub(crate) fn check_promises(&self) {
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(self.header(name), Some(value), "{self:?}");
        }
        let policy = self.header("content-security-policy").expect("a policy");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(self.header("x-request-id").is_some_and(|id| !id.is_empty()), "{self:?}");
        assert_eq!(self.header("traceresponse").map(str::len), Some(55), "{self:?}");
        if self.status >= 400 {
            self.check_problem();
        }
    }

    /// RFC 9457, and the headers that RFC 9110 ties to a status.
    fn check_problem(&self) {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let document = self.json();
        let text =
            |name: &str| document[name].as_str().unwrap_or_else(|| panic!("{name}: {self:?}"));
        let code = text("code");
        assert_eq!(text("type"), format!("/docs#{code}"));
        assert_eq!(document["status"], self.status);
        assert_eq!(Some(text("request_id")), self.header("x-request-id"));
        assert!(!text("title").is_empty());
        if let Some(known) = codes::ALL.iter().find(|known| known.name == code) {
            assert_eq!(text("title"), known.meaning);
            assert_eq!(self.status, codes::status(known.kind), "{code}");
        }
        let members = ["type", "title", "status", "code", "detail", "request_id"];
        let members = members.into_iter().chain(["errors", "retry_after_ms"]);
        // What a probe is told about each dependency.
        let members = members.chain((code == "NOT_READY").then_some("checks"));
        let known: Vec<_> = members.collect();
        let object = document.as_object().expect("an object");
        assert!(object.keys().all(|name| known.contains(&name.as_str())), "{document}");

        let has = |name: header::HeaderName| self.headers.contains_key(name);
        let status = StatusCode::from_u16(self.status).expect("a status");
        let waits = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE];
        assert!(!waits.contains(&status) || has(header::RETRY_AFTER), "{self:?}");
        assert_eq!(status == StatusCode::METHOD_NOT_ALLOWED, has(header::ALLOW), "{self:?}");
        assert_eq!(status == StatusCode::UNAUTHORIZED, has(header::WWW_AUTHENTICATE), "{self:?}");
    }
}
