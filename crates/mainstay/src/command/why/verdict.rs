//! One sentence about a request: what failed, or where most of its time went.

use super::paint::short;
use crate::why::{Record, Stage};

/// Characters of a step's name in the sentence: enough to tell one statement from another.
const NAME_MAX: usize = 100;

/// A part of the time that only one step had.
struct Share {
    ms: f64,
    sentence: String,
}

/// `None` where nothing is known of what was done.
pub(super) fn of(record: &Record) -> Option<String> {
    let Record { steps, status, ms, .. } = record;
    if steps.is_empty() {
        return None;
    }
    if let Some(step) = culprit(steps) {
        return Some(format!("{}: {}", failure(step, *ms), named(step)));
    }
    if *status == 429
        && let Some(limit) = steps.iter().rfind(|step| step.kind == "limit")
    {
        return Some(format!("it was refused: {}", named(limit)));
    }
    let longest = shares(record).into_iter().max_by(|a, b| a.ms.total_cmp(&b.ms))?;
    let Share { ms: took, sentence } = longest;
    Some(format!("{} of the time {sentence}", percent(took, *ms)))
}

/// The step that failed first of those in which no part failed: where the others have it from.
fn culprit(steps: &[Stage]) -> Option<&Stage> {
    let has_failed = |step: &Stage| step.failed || step.ms.is_none();
    let failed = steps.iter().enumerate().filter(|(_, step)| has_failed(step));
    let innermost = failed
        .filter(|(at, _)| !steps.iter().any(|part| part.parent == Some(*at) && has_failed(part)));
    // What was abandoned was so because of something else, if anything else failed.
    let abandoned = |step: &Stage| step.ms.is_none() || step.outcome == "abandoned";
    innermost.map(|(_, step)| step).min_by_key(|step| abandoned(step))
}

fn failure(step: &Stage, whole: f64) -> String {
    let took = step.ms.unwrap_or((whole - step.at_ms).max(0.0));
    let end = match (&step.ms, &*step.outcome) {
        (None, _) => "had not ended".to_owned(),
        (Some(_), "abandoned") => "was abandoned".to_owned(),
        (Some(_), "failed" | "") => "failed".to_owned(),
        (Some(_), outcome) => format!("failed ({outcome})"),
    };
    let percent = percent(took, whole);
    if step.waited_ms * 2.0 > took {
        return format!("{percent} of the time it {}, and then {end}", waiting(step));
    }
    format!("it {end} after {took:.3} ms, {percent} of the time")
}

/// What each step had to itself: waiting, and work that is no part's. Then what no step had.
fn shares(record: &Record) -> Vec<Share> {
    let steps = &record.steps;
    let took = |step: &Stage| step.ms.unwrap_or((record.ms - step.at_ms).max(0.0));
    let within = |of: Option<usize>| {
        let parts = steps.iter().filter(|step| step.parent == of);
        parts.map(took).sum::<f64>()
    };
    let mut shares = vec![Share {
        ms: (record.ms - within(None)).max(0.0),
        sentence: "went to no step: reading the request, or waiting for a core".to_owned(),
    }];
    for (at, step) in steps.iter().enumerate() {
        let waited = step.waited_ms;
        shares
            .push(Share { ms: waited, sentence: format!("it {}: {}", waiting(step), named(step)) });
        let own = (took(step) - waited - within(Some(at))).max(0.0);
        shares.push(Share { ms: own, sentence: format!("went to {}", working(step)) });
    }
    shares
}

fn waiting(step: &Stage) -> &'static str {
    match &*step.kind {
        "sql" => "waited for its turn at the database",
        "transaction" => "waited for a connection of the pool",
        "password" => "waited for its turn to hash a password",
        _ => "waited for its turn",
    }
}

fn working(step: &Stage) -> String {
    match &*step.kind {
        "handler" => format!("the endpoint's own code ({})", named(step)),
        "transaction" => "a transaction beside its statements".to_owned(),
        _ => named(step),
    }
}

/// `sql SELECT …`
fn named(step: &Stage) -> String {
    short(&format!("{} {}", step.kind, step.name), NAME_MAX)
}

fn percent(part: f64, whole: f64) -> String {
    let percent = if whole > 0.0 { (part / whole * 100.0).min(100.0) } else { 0.0 };
    format!("{percent:.0} %")
}

#[cfg(test)]
mod tests;
