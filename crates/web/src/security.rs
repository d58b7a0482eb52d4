//! Security events as lines of the log.

use std::sync::Arc;

use mainstay_core::{Code, SecurityEvent, SecurityRecord, Severity};

use crate::{
    codes,
    context::{CURRENT, Context, current},
};

/// The target of these events. The log writes them whatever `RUST_LOG` says.
pub const TARGET: &str = "security";

/// Writes an event. Within a request the line has its ids, and as `caller_id` who asked.
///
/// Call it once for a trigger, where the rule is that decides about it.
pub fn record(record: SecurityRecord) {
    let caller = current(|request| request.caller().map(|caller| caller.subject)).flatten();
    let user_id = record.subject.or(caller).map(tracing::field::display);
    let caller_id = caller.map(tracing::field::display);
    let name = record.event.name();
    match record.event.severity() {
        Severity::Info => tracing::info!(target: TARGET, user_id, caller_id, "{name}"),
        Severity::Warn => tracing::warn!(target: TARGET, user_id, caller_id, "{name}"),
    }
}

/// Refusals of the edge that are events. One that a module makes with the same code is one too.
const REFUSALS: [(Code, SecurityEvent); 5] = [
    (codes::FORBIDDEN, SecurityEvent::AccessDenied),
    (codes::RATE_LIMITED, SecurityEvent::RateExceeded),
    (codes::VALIDATION_FAILED, SecurityEvent::InputRejected),
    (codes::MALFORMED_JSON, SecurityEvent::InputRejected),
    (codes::CROSS_SITE_REQUEST, SecurityEvent::CrossSiteRequest),
];

/// Writes the event that the refusal of a request is, if it is one.
pub(crate) fn observe_refusal(context: &Arc<Context>, code: Code) {
    if let Some((_, event)) = REFUSALS.iter().find(|(known, _)| *known == code) {
        CURRENT.sync_scope(context.clone(), || record(SecurityRecord::new(*event)));
    }
}
