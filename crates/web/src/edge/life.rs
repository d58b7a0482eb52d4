//! The life of a request. Read top to bottom, it is `docs/request-life.md` in code.

use std::{panic::AssertUnwindSafe, pin::pin, sync::Arc};

use axum::{
    extract::Request,
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use mainstay_core::{SecurityEvent, SecurityRecord, Work};
use tokio::time::timeout_at;

use super::{
    Edge, Resource,
    conditional::IfNoneMatch,
    credential::{Credential, check_origin},
    finish::Finish,
    head,
    idempotency_key::IdempotencyKey,
    line::Line,
    panic_guard,
};
use crate::{
    codes,
    context::{CURRENT, Context},
    endpoint::{Access, Permission, Settled, SettledLimits},
    extract::Transport,
    respond::Problem,
    security,
    server::Peer,
};

/// Any deadline is as good as none this far away; `Instant` cannot express infinity.
const NEVER: std::time::Duration = std::time::Duration::from_hours(24);

/// What the router made of the target.
enum Route {
    Endpoint(Arc<Settled>, Vec<(u32, u32)>),
    /// Answered by the path itself: `OPTIONS`.
    Answered(Response),
}

impl Edge {
    /// Serves one request. Never fails: whatever goes wrong is a problem document.
    pub async fn handle(&self, mut request: Request, peer: &Peer) -> Response {
        let mut line = Line::begin(self, &request, peer);
        let finish = Finish::begin(self, &request);
        // The guarded state is dropped with the request, so no broken invariant survives a panic.
        let answer = AssertUnwindSafe(self.answer(&mut request, &mut line)).catch_unwind().await;
        let response = match answer {
            Ok(Ok(response)) => response,
            Ok(Err(problem)) => problem.into_response(),
            Err(panic) => panic_guard::problem(panic.as_ref()).into_response(),
        };
        finish.end(self, line, response)
    }

    /// The request is lent through every step and taken only by the handler, because a future holds
    /// a place for everything that is moved into it.
    async fn answer(
        &self,
        request: &mut Request,
        line: &mut Line<'_>,
    ) -> Result<Response, Problem> {
        head::check_target(request, line.arrival.host, self.options.uri_bytes_max)?;
        let (endpoint, path_ranges) = match self.route(request)? {
            Route::Endpoint(endpoint, ranges) => (endpoint, ranges),
            Route::Answered(response) => return Ok(response),
        };
        line.endpoint = Some(endpoint.clone());
        head::check_body(request, &endpoint)?;

        let allowed = endpoint.deadline.unwrap_or(NEVER);
        let allowed = line.arrival.time_asked.map_or(allowed, |asked| asked.min(allowed));
        let deadline = line.start + allowed;
        let context = Arc::new(Context {
            journal: line.arrival.journal.clone(),
            client: line.client,
            deadline,
            path_ranges,
            body_timeout: self.options.body_timeout,
            transport: self.options.transport,
            endpoint,
            caller: std::sync::OnceLock::new(),
            bytes_read: std::sync::atomic::AtomicU64::new(0),
            body_ended: std::sync::atomic::AtomicBool::new(false),
            begun: std::sync::atomic::AtomicBool::new(false),
        });
        line.context = Some(context.clone());
        let serving =
            pin!(CURRENT.scope(context.clone(), self.admit_and_serve(request, line, &context)));
        let work = Work::new(deadline.into_std(), context.endpoint.title.clone())
            .recorded_in(context.journal.clone());
        timeout_at(deadline, work.scope(serving))
            .await
            .unwrap_or_else(|_| Err(Problem::new(codes::DEADLINE_EXCEEDED)))
    }

    /// Everything that the deadline bounds.
    async fn admit_and_serve(
        &self,
        request: &mut Request,
        line: &mut Line<'_>,
        context: &Context,
    ) -> Result<Response, Problem> {
        let endpoint = &context.endpoint;
        if let Some(gate) = &self.options.gate {
            gate.admit(request)?;
        }
        if let SettledLimits::Limited { on_arrival, .. } = &endpoint.limits {
            self.charge(on_arrival, request.headers(), line, context).await?;
        }
        let credential = match (&endpoint.access, context.transport) {
            // Nobody asks for it.
            (Access::Public, Transport::Bearer) => Credential::Absent,
            (_, transport) => Credential::of(request.headers(), transport),
        };
        if context.transport == Transport::Cookie {
            check_origin(request, &credential, &self.options.cors)?;
        }
        if let Access::Allow(policy) = &endpoint.access {
            let caller = self.authenticate(credential).await?;
            let caller = context.caller.get_or_init(|| caller);
            if let SettledLimits::Limited { signed_in, .. } = &endpoint.limits {
                self.charge(signed_in, request.headers(), line, context).await?;
            }
            let path = context.path_params(request.uri().path());
            let permission = policy.permits(caller, path);
            if permission == Permission::Refused || !caller.scopes.permit(endpoint.scope) {
                return Err(Problem::new(codes::FORBIDDEN));
            }
            if permission == Permission::GrantedByRole {
                security::record(SecurityRecord::new(SecurityEvent::AdministratorActed));
            }
        }
        if endpoint.is_by_key()
            && let Some(key) = IdempotencyKey::of(request.headers())?
        {
            // Boxed, because few requests have a key and every one would hold the place.
            return Box::pin(self.serve_once(key, request, line, context)).await;
        }
        if !line.arrival.is_conditional {
            return Ok(endpoint.handle(std::mem::take(request)).await);
        }
        let condition = IfNoneMatch::of(request);
        Ok(condition.apply(endpoint.handle(std::mem::take(request)).await))
    }

    /// Finds the endpoint, or the answer that needs none.
    fn route(&self, request: &Request) -> Result<Route, Problem> {
        let path = request.uri().path();
        let Ok(found) = self.router.at(path) else {
            return Err(Problem::new(codes::ROUTE_NOT_FOUND));
        };
        let resource = &self.resources[*found.value];
        let Some(endpoint) = resource.find(request.method()) else {
            return resource.without_endpoint(request, &self.options.cors);
        };
        let start = path.as_ptr() as usize;
        let ranges = found.params.iter().map(|(_, value)| {
            // The router hands out slices of the path it was given.
            let from = value.as_ptr() as usize - start;
            (from as u32, (from + value.len()) as u32)
        });
        Ok(Route::Endpoint(endpoint.clone(), ranges.collect()))
    }
}

impl Resource {
    fn find(&self, method: &Method) -> Option<&Arc<Settled>> {
        let exact = self.endpoints.iter().find(|endpoint| endpoint.method == *method);
        // HEAD is GET whose body hyper leaves out (RFC 9110 section 9.3.2).
        let as_get = || self.endpoints.iter().find(|endpoint| endpoint.method == Method::GET);
        let raw = || self.endpoints.iter().find(|endpoint| endpoint.raw.is_some());
        exact.or_else(|| (*method == Method::HEAD).then(as_get).flatten()).or_else(raw)
    }

    fn without_endpoint(&self, request: &Request, cors: &super::Cors) -> Result<Route, Problem> {
        if request.method() != Method::OPTIONS {
            return Err(Problem::new(codes::METHOD_NOT_ALLOWED)
                .with_header(header::ALLOW, self.allow.clone()));
        }
        let mut response = StatusCode::NO_CONTENT.into_response();
        let allow: HeaderValue = self.allow.clone();
        cors.preflight(request, &allow, response.headers_mut());
        response.headers_mut().insert(header::ALLOW, allow);
        Ok(Route::Answered(response))
    }
}
