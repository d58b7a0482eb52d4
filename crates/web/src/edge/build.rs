//! From route tables to an edge: every decision settled, every mistake found at once.

use std::{
    collections::BTreeMap,
    error::Error,
    fmt, panic,
    sync::{Arc, atomic::AtomicU64},
};

use axum::http::{HeaderValue, Method};
use mainstay_core::{Code, Location};

use super::{
    Edge, EdgeOptions, EdgeParts, Resource, finish, idempotency_key::IdempotencyKey, limits, raw,
};
use crate::{
    codes,
    endpoint::{Access, Cache, DeadlineDecision, Draft, Operation, Repeat, Routes, Serve, Settled},
    extract::Transport,
    openapi::{Document, Schemas},
};

/// Everything wrong with the route tables, a sentence each.
#[derive(Debug)]
pub struct BuildErrors(Vec<String>);

impl fmt::Display for BuildErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the route tables contradict themselves:")?;
        self.0.iter().try_for_each(|mistake| writeln!(f, "  - {mistake}"))
    }
}

impl Error for BuildErrors {}

/// Collects route tables until they are complete.
#[derive(Default)]
pub struct EdgeBuilder {
    drafts: Vec<(&'static str, Draft, Serve)>,
}

impl fmt::Debug for EdgeBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EdgeBuilder({} endpoints)", self.drafts.len())
    }
}

impl EdgeBuilder {
    /// Adds a module's endpoints.
    #[must_use]
    pub fn mount<S: Clone + Send + Sync + 'static>(mut self, routes: Routes<S>) -> Self {
        let module = routes.module;
        self.drafts
            .extend(routes.endpoints.into_iter().map(|(draft, serve)| (module, draft, serve)));
        self
    }

    /// Mounts an axum router on `path` and everything below, as it is. Foreign layers come in this
    /// way, around such a router.
    ///
    /// It gets ids, a request line, the default limit and deadline, and the panic guard. Access,
    /// validation and the shape of its errors are its own affair, which is why route tables show
    /// the reason. It sees the whole path.
    #[must_use]
    #[track_caller]
    pub fn mount_raw(
        mut self,
        path: &'static str,
        router: axum::Router,
        reason: &'static str,
    ) -> Self {
        let drafts = raw::drafts(path, router, reason, panic::Location::caller());
        self.drafts.extend(drafts.map(|(draft, serve)| ("raw", draft, serve)));
        self
    }

    /// Settles every decision. Costs a schema and a compiled validator per input type.
    pub fn build(self, options: EdgeOptions, parts: EdgeParts) -> Result<Edge, BuildErrors> {
        let mut settling = Settling {
            authenticator_codes: parts.authenticator.as_ref().map_or_else(Vec::new, |a| a.codes()),
            idempotency_codes: parts.idempotency.as_ref().map(|store| store.codes()),
            scoped: parts.authenticator.as_ref().is_some_and(|a| a.is_scoped()),
            options: &options,
            schemas: Schemas::new(),
            mistakes: Vec::new(),
        };
        let endpoints: Vec<_> = self
            .drafts
            .into_iter()
            .map(|(module, draft, serve)| Arc::new(settling.settle(module, draft, serve)))
            .collect();
        settling.judge_names(&endpoints);
        let (router, resources) = settling.route(&endpoints);
        let Settling { schemas, mut mistakes, .. } = settling;
        let document = Document::build(&options, &endpoints, schemas);
        mistakes.extend(document.mistakes().iter().cloned());
        if !mistakes.is_empty() {
            return Err(BuildErrors(mistakes));
        }
        let standing = finish::standing_headers(options.transport_security.as_ref());
        Ok(Edge {
            options,
            parts,
            router,
            resources,
            endpoints,
            document,
            standing,
            breaches: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
        })
    }
}

struct Settling<'o> {
    options: &'o EdgeOptions,
    authenticator_codes: Vec<Code>,
    /// What keeping answers may fail with; `None` where nobody keeps any.
    idempotency_codes: Option<Vec<Code>>,
    /// Whether there are credentials that are not good for every endpoint.
    scoped: bool,
    schemas: Schemas,
    mistakes: Vec<String>,
}

impl Settling<'_> {
    fn settle(&mut self, module: &'static str, draft: Draft, serve: Serve) -> Settled {
        let mut operation = Operation::new(std::mem::take(&mut self.schemas));
        (draft.describe)(&mut operation);
        self.schemas = std::mem::take(&mut operation.schemas);
        let path_names = path_names(draft.path);
        self.judge(module, &draft, &operation, &path_names);

        if draft.decisions.repeat == Some(Repeat::ByKey) {
            operation.takes_parameter(IdempotencyKey::parameter());
        }
        let mut codes = std::mem::take(&mut operation.codes);
        self.declare_layers(&draft, &mut codes);
        codes.sort_unstable();
        codes.dedup();
        Settled {
            limits: limits::settle(self.options, module, &draft),
            deadline: match draft.decisions.deadline {
                DeadlineDecision::Default => Ok(self.options.deadline),
                DeadlineDecision::Own(deadline) => Ok(deadline),
                DeadlineDecision::Unbounded(reason) => Err(reason),
            },
            body_bytes_max: draft.decisions.body_bytes_max.unwrap_or(self.options.body_bytes_max),
            cache: draft.decisions.cache.and_then(Cache::header),
            varies_by_caller: matches!(draft.decisions.cache, Some(Cache::Private(_)))
                && matches!(draft.access, Access::Allow(_)),
            title: format!("{} {}", draft.method, draft.path).into(),
            method: draft.method,
            path: draft.path,
            path_names,
            module,
            name: draft.name,
            summary: draft.summary,
            access: draft.access,
            scope: draft.decisions.scope.and_then(Result::ok),
            body: operation.body,
            parameters: operation.parameters,
            responses: operation.responses,
            codes,
            decisions: draft.decisions,
            raw: draft.raw,
            serve,
        }
    }

    /// The codes that the steps in front of the handler can answer with.
    fn declare_layers(&self, draft: &Draft, codes: &mut Vec<Code>) {
        codes.extend([
            codes::MALFORMED_REQUEST,
            codes::INVALID_HOST,
            codes::HEAD_TOO_LARGE,
            codes::URI_TOO_LONG,
            // Also without a deadline of the route's own: the caller may name one.
            codes::DEADLINE_EXCEEDED,
        ]);
        codes.extend(limits::codes(&draft.decisions.limit));
        if self.options.transport == Transport::Cookie && draft.method != Method::GET {
            codes.push(codes::CROSS_SITE_REQUEST);
        }
        codes.extend(self.options.gate.is_some().then_some(codes::UNAUTHENTICATED));
        if let Access::Allow(policy) = &draft.access {
            codes.push(codes::UNAUTHENTICATED);
            let may_refuse = policy.may_refuse() || self.scoped;
            codes.extend(may_refuse.then_some(codes::FORBIDDEN));
            codes.extend_from_slice(&self.authenticator_codes);
        }
        if draft.decisions.repeat == Some(Repeat::ByKey) {
            codes.extend(IdempotencyKey::CODES);
            codes.extend(self.idempotency_codes.iter().flatten());
        }
    }

    /// Finds contradictions between the decisions, the handler and the path.
    fn judge(&mut self, module: &str, draft: &Draft, operation: &Operation, names: &[String]) {
        let mut wrong = operation.mistakes.clone();
        let public = matches!(draft.access, Access::Public);
        if public && operation.needs_caller {
            wrong.push(
                "the handler takes `SignedIn`, so say `.allow(…)` instead of `.public()`".into(),
            );
        }
        if public && draft.decisions.scope.is_some() {
            wrong.push("a public endpoint opens without any scope".into());
        }
        wrong.extend(limits::judge(draft));
        if draft.method == Method::GET && operation.body.is_some() {
            wrong.push("a GET has no body: take the input as `Query`".into());
        }
        wrong.extend(judge_cache(draft).map(str::to_owned));
        if draft.decisions.repeat == Some(Repeat::ByKey) {
            let has_store = self.idempotency_codes.is_some();
            wrong.extend(judge_by_key(draft, operation, has_store).map(str::to_owned));
        }
        let taken = operation.parameters.iter().filter(|p| p.location == Location::Path);
        let mut taken: Vec<_> = taken.map(|p| p.name.as_str()).collect();
        let mut template: Vec<_> = names.iter().map(String::as_str).collect();
        taken.sort_unstable();
        template.sort_unstable();
        if taken != template && draft.raw.is_none() {
            wrong.push(format!(
                "the path names {template:?}, and the handler takes {taken:?} by `Path`"
            ));
        }
        let place = format!("{module}: {} {}", draft.method, draft.path);
        self.mistakes.extend(wrong.into_iter().map(|wrong| format!("{place}: {wrong}")));
    }

    /// An operation and a limit are known by module and handler, so no two may share both.
    fn judge_names(&mut self, endpoints: &[Arc<Settled>]) {
        let mut by_name: BTreeMap<(&str, &str), &Settled> = BTreeMap::new();
        for endpoint in endpoints {
            let (module, name) = (endpoint.module, endpoint.name);
            if let Some(other) = by_name.insert((module, name), endpoint) {
                self.mistakes.push(format!(
                    "{other:?} and {endpoint:?} are both called `{module}.{name}`: give each a \
                     handler with a name of its own"
                ));
            }
        }
    }

    fn route(&mut self, endpoints: &[Arc<Settled>]) -> (matchit::Router<usize>, Vec<Resource>) {
        let mut by_path: BTreeMap<&str, Vec<Arc<Settled>>> = BTreeMap::new();
        for endpoint in endpoints {
            let list = by_path.entry(endpoint.path).or_default();
            if list.iter().any(|other| other.method == endpoint.method) {
                self.mistakes.push(format!("{endpoint:?} is there twice"));
            }
            list.push(endpoint.clone());
        }
        let mut router = matchit::Router::new();
        let mut resources = Vec::new();
        for (path, endpoints) in by_path {
            if let Err(conflict) = router.insert(path, resources.len()) {
                self.mistakes.push(format!("{path}: {conflict}"));
            }
            let allow = allow(&endpoints);
            resources.push(Resource { endpoints, allow });
        }
        (router, resources)
    }
}

/// What `.cache(…)` says against the rest.
fn judge_cache(draft: &Draft) -> Option<&'static str> {
    let cache = draft.decisions.cache?;
    if draft.method != Method::GET {
        return Some("only the answer to a GET can be kept: leave out `.cache(…)`");
    }
    match cache {
        Cache::Public(_) if !matches!(draft.access, Access::Public) => Some(
            "what only some callers may read cannot be kept for everybody: say `Cache::Private` \
             instead of `Cache::Public`",
        ),
        Cache::Private(age) | Cache::Public(age) if age.as_secs() == 0 => {
            Some("an answer is kept for whole seconds: say `Cache::NoStore` to keep none")
        }
        _ => None,
    }
}

/// What `.on_repeat(Repeat::ByKey)` says against the rest.
fn judge_by_key(draft: &Draft, operation: &Operation, has_store: bool) -> Option<&'static str> {
    if draft.method == Method::GET {
        return Some("a GET changes nothing: leave out `.on_repeat(Repeat::ByKey)`");
    }
    if matches!(draft.decisions.deadline, DeadlineDecision::Unbounded(_)) {
        return Some(
            "a request that is done once is claimed until its deadline: with `Repeat::ByKey` say \
             `.deadline(…)` instead of `.without_deadline(…)`",
        );
    }
    if operation.answers_credential {
        return Some(
            "the answer holds a credential, and `Repeat::ByKey` keeps answers: say \
             `Repeat::Again(\"why\")` or `Repeat::NoEffect(\"why\")`",
        );
    }
    (!has_store).then_some("nobody keeps answers here: set `EdgeParts::idempotency`")
}

/// Every method the path answers, those answered by the edge included.
fn allow(endpoints: &[Arc<Settled>]) -> HeaderValue {
    let mut methods: Vec<_> = endpoints.iter().map(|endpoint| endpoint.method.as_str()).collect();
    if methods.contains(&"GET") && !methods.contains(&"HEAD") {
        methods.push("HEAD");
    }
    methods.push("OPTIONS");
    methods.sort_unstable();
    methods.dedup();
    // Method names are tokens, so they are a header value.
    HeaderValue::try_from(methods.join(", "))
        .unwrap_or_else(|_| HeaderValue::from_static("OPTIONS"))
}

/// `/users/{id}` names `id`.
fn path_names(path: &str) -> Vec<String> {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    names.map(|name| name.trim_start_matches('*').to_owned()).collect()
}
