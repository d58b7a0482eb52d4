//! The codes that the edge itself can answer with, in the order of the request's life.

use axum::http::StatusCode;
use mainstay_core::{Code, Kind};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $kind:ident, $meaning:literal;)*) => {
        $(
            #[doc = $meaning]
            $(#[$doc])*
            pub const $name: Code = Code::new(stringify!($name), Kind::$kind, $meaning);
        )*

        /// All of them.
        pub const ALL: &[Code] = &[$($name),*];
    };
}

codes! {
    MALFORMED_REQUEST = Malformed, "The request is not well-formed HTTP";
    INVALID_HOST = Malformed, "The Host header is missing, repeated or not a host";
    HEAD_TOO_LARGE = HeadTooLarge, "The head of the request is larger than the server takes";
    URI_TOO_LONG = UriTooLong, "The request target is longer than the server takes";
    ROUTE_NOT_FOUND = NotFound, "There is nothing at this path";
    METHOD_NOT_ALLOWED = MethodNotAllowed, "This path does not take this method";
    PAYLOAD_TOO_LARGE = TooLarge, "The body is larger than this endpoint takes";
    UNSUPPORTED_MEDIA_TYPE = UnsupportedMedia,
        "The body is in a format this endpoint does not take";
    RATE_LIMITED = RateLimited, "Too many requests in the window of the limit";
    UNAUTHENTICATED = Unauthenticated, "A valid credential is needed";
    CROSS_SITE_REQUEST = Forbidden,
        "A browser sent this from a page that may not use the session cookie";
    FORBIDDEN = Forbidden, "The caller may not do this";
    IDEMPOTENCY_KEY_INVALID = Malformed,
        "The Idempotency-Key is not 1 to 255 visible ASCII characters, or is repeated";
    IDEMPOTENCY_KEY_REUSED = Invalid, "Another request came with this Idempotency-Key";
    IDEMPOTENCY_IN_PROGRESS = Conflict,
        "A request with this Idempotency-Key is still being done";
    REQUEST_TIMEOUT = SlowClient, "The request did not arrive in time";
    MALFORMED_JSON = Malformed, "The body is not well-formed JSON";
    VALIDATION_FAILED = Invalid, "Some inputs break the contract";
    PRECONDITION_FAILED = PreconditionFailed,
        "The resource is not in the state that the request names";
    PRECONDITION_REQUIRED = PreconditionRequired,
        "The request must name the state of the resource, by `If-Match`";
    OVERLOADED = Overloaded, "The service has more work than it can finish in time";
    DEADLINE_EXCEEDED = Timeout, "The request was not finished within its deadline";
    NOT_READY = Unavailable, "The service is not ready to take requests";
    INTERNAL = Internal, "Something went wrong on our side";
}

/// The status a kind is answered with: the only place where the two meet.
pub const fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::Malformed => StatusCode::BAD_REQUEST,
        Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Kind::SlowClient => StatusCode::REQUEST_TIMEOUT,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::Gone => StatusCode::GONE,
        Kind::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
        Kind::PreconditionRequired => StatusCode::PRECONDITION_REQUIRED,
        Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::UriTooLong => StatusCode::URI_TOO_LONG,
        Kind::UnsupportedMedia => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Kind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        Kind::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        Kind::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        Kind::Overloaded | Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        Kind::Upstream => StatusCode::BAD_GATEWAY,
        // `Kind` may grow; what the edge does not know is a defect on our side.
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The name of a kind in `errors.json`.
pub const fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Malformed => "malformed",
        Kind::Unauthenticated => "unauthenticated",
        Kind::Forbidden => "forbidden",
        Kind::NotFound => "not_found",
        Kind::MethodNotAllowed => "method_not_allowed",
        Kind::SlowClient => "slow_client",
        Kind::Conflict => "conflict",
        Kind::Gone => "gone",
        Kind::PreconditionFailed => "precondition_failed",
        Kind::PreconditionRequired => "precondition_required",
        Kind::TooLarge => "too_large",
        Kind::UriTooLong => "uri_too_long",
        Kind::UnsupportedMedia => "unsupported_media",
        Kind::Invalid => "invalid",
        Kind::RateLimited => "rate_limited",
        Kind::HeadTooLarge => "head_too_large",
        Kind::Overloaded => "overloaded",
        Kind::Unavailable => "unavailable",
        Kind::Timeout => "timeout",
        Kind::Upstream => "upstream",
        _ => "internal",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Every kind there is; `Kind` cannot be enumerated.
    const KINDS: [Kind; 21] = [
        Kind::Malformed,
        Kind::Invalid,
        Kind::Unauthenticated,
        Kind::Forbidden,
        Kind::NotFound,
        Kind::MethodNotAllowed,
        Kind::SlowClient,
        Kind::Conflict,
        Kind::Gone,
        Kind::PreconditionFailed,
        Kind::PreconditionRequired,
        Kind::TooLarge,
        Kind::UriTooLong,
        Kind::UnsupportedMedia,
        Kind::RateLimited,
        Kind::HeadTooLarge,
        Kind::Overloaded,
        Kind::Unavailable,
        Kind::Timeout,
        Kind::Upstream,
        Kind::Internal,
    ];

    #[test]
    fn only_a_defect_is_answered_as_one() {
        for kind in KINDS {
            let defect = kind == Kind::Internal;
            assert_eq!(status(kind) == StatusCode::INTERNAL_SERVER_ERROR, defect, "{kind:?}");
            assert_eq!(kind_name(kind) == "internal", defect, "{kind:?}");
        }
        assert_eq!(KINDS.map(kind_name).into_iter().collect::<BTreeSet<_>>().len(), KINDS.len());
    }

    #[test]
    fn a_code_is_one_name_with_one_sentence() {
        let names: BTreeSet<_> = ALL.iter().map(|code| code.name).collect();
        assert_eq!(names.len(), ALL.len());
        for code in ALL {
            assert!(code.name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'), "{code}");
            assert!(!code.meaning.ends_with('.'), "{code}");
        }
    }
}
