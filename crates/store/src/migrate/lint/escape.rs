//! `-- mainstay: allow RULE because REASON`, directly above a statement.

use super::{finding::Rule, token::Token};

/// What a comment to the check says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Escape {
    Allow(Rule),
    /// It allows nothing, for this reason.
    Broken(String),
}

const FORM: &str = "an escape is `-- mainstay: allow RULE because REASON`";

/// Reads a comment; `None` where it is not addressed to the check.
pub(super) fn escape(comment: &Token<'_>) -> Option<Escape> {
    let text = comment.text.trim_start_matches(['-', '/', '*']).trim_end_matches(['*', '/']);
    let order = text.trim().strip_prefix("mainstay:")?.trim();
    Some(match allowed(order) {
        Ok(rule) => Escape::Allow(rule),
        Err(why) => Escape::Broken(why),
    })
}

fn allowed(order: &str) -> Result<Rule, String> {
    let (name, rest) = order
        .strip_prefix("allow ")
        .and_then(|order| order.trim_start().split_once(char::is_whitespace).or(Some((order, ""))))
        .ok_or_else(|| FORM.to_owned())?;
    let known = Rule::ALL.iter().find(|rule| rule.as_str() == name && **rule != Rule::Escape);
    let rule = known.ok_or_else(|| format!("there is no rule `{name}`"))?;
    match rest.trim_start().strip_prefix("because") {
        Some(reason) if reason.trim().is_empty() => Err("its reason is blank".to_owned()),
        Some(_) => Ok(*rule),
        None => Err(FORM.to_owned()),
    }
}
