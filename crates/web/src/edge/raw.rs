//! The escape hatch: an axum router of its own, mounted as it is.

use std::sync::Arc;

use axum::{Router, http::Method};
use tower_service::Service as _;

use crate::endpoint::{Access, DeadlineDecision, Draft, LimitDecision, Serve};

/// The path itself, with and without a final slash, and everything below it, as endpoints that
/// answer every method.
pub(super) fn drafts(
    path: &'static str,
    router: Router,
    reason: &'static str,
) -> impl Iterator<Item = (Draft, Serve)> {
    let path = path.trim_end_matches('/');
    // The router's wildcard does not match nothing. Paths live as long as the process.
    let paths = ["", "/", "/{*rest}"]
        .map(|end| &*Box::leak(format!("{path}{end}").into_boxed_str()))
        .into_iter()
        .filter(|path: &&'static str| !path.is_empty());
    paths.map(move |path| {
        let router = router.clone();
        let serve: Serve = Arc::new(move |request| {
            // A router is ready at any time, so its readiness need not be awaited.
            let answer = router.clone().call(request);
            Box::pin(async move { answer.await.unwrap_or_else(|never| match never {}) })
        });
        (draft(path, reason), serve)
    })
}

fn draft(path: &'static str, reason: &'static str) -> Draft {
    Draft {
        // A token no client's method is routed by: the resource falls back to a raw endpoint.
        method: Method::from_bytes(b"*").unwrap_or(Method::TRACE),
        path,
        name: path,
        summary: None,
        describe: |_| {},
        access: Access::Public,
        scope: None,
        limit: LimitDecision::Default,
        deadline: DeadlineDecision::Default,
        body_bytes_max: None,
        raw: Some(reason),
    }
}
