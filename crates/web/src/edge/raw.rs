//! The escape hatch: an axum router of its own, mounted as it is.

use std::sync::Arc;

use axum::{Router, http::Method};
use tower_service::Service as _;

use crate::endpoint::{Access, DeadlineDecision, Draft, LimitDecision, Serve};

/// The path itself and everything below it, as two endpoints that answer every method.
pub(super) fn drafts(
    path: &'static str,
    router: Router,
    reason: &'static str,
) -> impl Iterator<Item = (Draft, Serve)> {
    let below = format!("{}/{{*rest}}", path.trim_end_matches('/'));
    // Lives as long as the edge, which lives as long as the process.
    let below: &'static str = Box::leak(below.into_boxed_str());
    [path, below].into_iter().map(move |path| {
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
        limit: LimitDecision::Default,
        deadline: DeadlineDecision::Default,
        body_bytes_max: None,
        raw: Some(reason),
    }
}
