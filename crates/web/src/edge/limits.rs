//! The limits of an endpoint, settled at the start: in steps, under names, without contradictions.

use std::{
    collections::{BTreeSet, HashSet},
    fmt::Write as _,
    sync::{Mutex, PoisonError},
};

use axum::http::{HeaderName, HeaderValue};
use mainstay_core::{CHARGES_MAX, Code, OutageMode, Policy};

use super::EdgeOptions;
use crate::{
    codes,
    endpoint::{Access, Draft, Limit, LimitDecision, LimitKey, SettledLimit, SettledLimits, Step},
    openapi::short,
};

/// The name of the limit of endpoints that name none.
const DEFAULT: &str = "default";

/// The limits of a draft, in the steps in which they are decided.
pub(super) fn settle(options: &EdgeOptions, module: &str, draft: &Draft) -> SettledLimits {
    let own: &[Limit] = match &draft.decisions.limit {
        LimitDecision::Unlimited(reason) => return SettledLimits::Unlimited(reason),
        LimitDecision::Default => &[],
        LimitDecision::Own(limits) => limits,
    };
    let own_settled = own.iter().enumerate().map(|(n, limit)| {
        let mut name = format!("{module}.{}", draft.name);
        // The first keeps its name, and with it what it has counted, when another joins it.
        if n > 0 {
            // A string takes any text.
            let _ = write!(name, ".{}-{}", limit.key, short(limit.window));
        }
        settled(options, name, limit)
    });
    let (signed_in, mut on_arrival): (Vec<_>, Vec<_>) =
        own_settled.partition(|limit| limit.key.needs_caller());
    // Guesses at a credential, and values of a header, are counted by address in any case.
    if !on_arrival.iter().any(|limit| limit.key == LimitKey::Client) {
        let limit = Limit::per_client(options.limit_quota, options.limit_window);
        let default = settled(options, DEFAULT.to_owned(), &limit);
        on_arrival.push(SettledLimit { stands_in: !own.is_empty(), ..default });
    }
    let arrived = header(&on_arrival);
    let all = header(on_arrival.iter().chain(&signed_in));
    SettledLimits::Limited {
        on_arrival: Step { limits: on_arrival, header: arrived },
        signed_in: Step { limits: signed_in, header: all },
    }
}

fn settled(options: &EdgeOptions, name: String, limit: &Limit) -> SettledLimit {
    let quota = limit.quota.max(1).saturating_mul(options.limit_multiplier);
    let outage = limit.outage.unwrap_or(OutageMode::Local);
    let label = lasting(&name);
    let policy = Policy { name, quota, window: limit.window, outage };
    SettledLimit { key: limit.key, policy, label, cost: limit.cost, stands_in: false }
}

/// A name that is put together from names of the source, for as long as the process lives. Each is
/// kept once, however many edges there are.
fn lasting(name: &str) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(name) {
        return known;
    }
    let name: &'static str = name.to_owned().leak();
    names.insert(name);
    name
}

/// `"name";q=QUOTA;w=SECONDS` of each limit.
fn header<'l>(limits: impl IntoIterator<Item = &'l SettledLimit>) -> HeaderValue {
    let member = |limit: &SettledLimit| {
        let Policy { name, quota, window, .. } = &limit.policy;
        format!("\"{name}\";q={quota};w={}", window.as_secs())
    };
    let members: Vec<String> = limits.into_iter().map(member).collect();
    HeaderValue::try_from(members.join(", ")).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// What the limits can answer with.
pub(super) fn codes(decision: &LimitDecision) -> impl Iterator<Item = Code> {
    let (limited, closed) = match decision {
        LimitDecision::Unlimited(_) => (false, false),
        LimitDecision::Default => (true, false),
        LimitDecision::Own(limits) => {
            (true, limits.iter().any(|limit| limit.outage == Some(OutageMode::Closed)))
        }
    };
    let refused = limited.then_some(codes::RATE_LIMITED);
    refused.into_iter().chain(closed.then_some(codes::OVERLOADED))
}

/// What the limits say against each other and against the rest.
pub(super) fn judge(draft: &Draft) -> Vec<String> {
    let LimitDecision::Own(limits) = &draft.decisions.limit else { return Vec::new() };
    let public = matches!(draft.access, Access::Public);
    let mut wrong: Vec<String> = limits.iter().flat_map(|limit| alone(limit, public)).collect();
    let has_client = limits.iter().any(|limit| limit.key == LimitKey::Client);
    if let Some(LimitKey::Header(name)) = limits.iter().map(|limit| limit.key).find(is_header)
        && public
        && !has_client
    {
        wrong.push(format!(
            "whoever calls chooses the value of `{name}`, and with it a new window: add a limit by \
             client, `.limit(Limit::per_client(…))`"
        ));
    }
    // Where no limit counts clients, the default does.
    if limits.len() + usize::from(!has_client) > CHARGES_MAX {
        wrong.push(format!(
            "a request is held against {CHARGES_MAX} limits at most, the one that counts clients \
             included"
        ));
    }
    let mut met = HashSet::new();
    if !limits.iter().all(|limit| met.insert((limit.key.to_string(), limit.window))) {
        wrong.push("two limits count the same in the same window: keep the smaller".to_owned());
    }
    wrong
}

fn is_header(key: &LimitKey) -> bool {
    matches!(key, LimitKey::Header(_))
}

/// What a limit says against itself.
fn alone(limit: &Limit, public: bool) -> impl Iterator<Item = String> {
    let no_caller = (public && limit.key.needs_caller()).then(|| {
        let key = limit.key;
        format!("a public endpoint has no {key}: use `Limit::per_client`")
    });
    let seconds = limit.window.as_secs();
    let no_limit = (limit.quota == 0 || !(1..=86_400).contains(&seconds))
        .then(|| "a limit needs a quota of at least 1 and a window of 1 s to 24 h".to_owned());
    let no_way = (limit.cost == 0 || limit.cost > limit.quota.max(1)).then(|| {
        let (cost, quota) = (limit.cost, limit.quota);
        format!("a request costs {cost} of a quota of {quota}: it takes at least 1, and fits in")
    });
    let no_header = match limit.key {
        LimitKey::Header(name) if !is_lower_name(name) => {
            Some(format!("`{name}` is not the name of a header in lower case"))
        }
        _ => None,
    };
    [no_caller, no_limit, no_way, no_header].into_iter().flatten()
}

fn is_lower_name(name: &str) -> bool {
    HeaderName::from_lowercase(name.as_bytes()).is_ok()
}
