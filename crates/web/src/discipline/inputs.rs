//! Input, personal data, documentation: what the schemas of an endpoint have to say.

use mainstay_core::Location;
use serde_json::Value;

use super::{
    Cell, Subject,
    schema::{Bounds, is_described, is_marked, walk},
};

/// The annotations of `Pii` and `Secret`.
const PERSONAL: &str = "x-personal";
const SECRET: &str = "writeOnly";

impl Subject<'_> {
    /// Every input with what it is called.
    fn inputs(&self) -> impl Iterator<Item = (String, &Value)> {
        let parameters = self.endpoint.parameters.iter().map(|parameter| {
            let place = parameter.location.as_str();
            (format!("{place} parameter `{}`", parameter.name), &parameter.schema)
        });
        let body = self.endpoint.body.iter().map(|body| ("body".to_owned(), &body.schema));
        parameters.chain(body)
    }

    fn contains(&self, schema: &Value, mark: &str) -> bool {
        let mut found = false;
        walk(schema, self.components, &mut |_, schema| {
            found |= is_marked(schema, self.components, mark);
        });
        found
    }

    /// Whether the body takes a password, a token or a key.
    pub(super) fn takes_secret(&self) -> bool {
        self.endpoint.body.as_ref().is_some_and(|body| self.contains(&body.schema, SECRET))
    }
}

pub(super) fn bounded(subject: &Subject<'_>) -> Cell {
    let mut wrong = Vec::new();
    for (what, schema) in subject.inputs() {
        walk(schema, subject.components, &mut |pointer, schema| {
            let Bounds { text, list, map, names } = Bounds::of(schema, subject.components);
            let place = if pointer.is_empty() { what.clone() } else { format!("{what} {pointer}") };
            let mut say = |bounded: bool, sentence: &str| {
                if !bounded {
                    wrong.push(format!("{place} {sentence}"));
                }
            };
            say(text, "is a text of any length; write #[schemars(length(max = …))] on the field");
            say(list, "is a list of any length; write #[schemars(length(max = …))] on the field");
            say(
                map,
                "takes any number of entries; write #[schemars(extend(\"maxProperties\" = …))] on \
                 the field",
            );
            say(
                names,
                "has keys of any length; write #[schemars(extend(\"propertyNames\" = …))] with a \
                 maxLength on the field",
            );
        });
    }
    let says = if subject.inputs().next().is_none() { "none" } else { "bounded" };
    Cell::of(if wrong.is_empty() { says } else { "unbounded" }).but(wrong)
}

pub(super) fn personal(subject: &Subject<'_>) -> Cell {
    let mut wrong = Vec::new();
    let mut in_query = false;
    for parameter in &subject.endpoint.parameters {
        let secret = subject.contains(&parameter.schema, SECRET);
        let personal = subject.contains(&parameter.schema, PERSONAL);
        let (place, name) = (parameter.location.as_str(), &parameter.name);
        let kind = if secret { "secret" } else { "personal" };
        in_query |= personal;
        if secret || personal && parameter.location == Location::Path {
            wrong.push(format!(
                "the {place} parameter `{name}` is {kind}, and proxies and browsers write down \
                 what stands there; take it in the body, or name the thing by an id"
            ));
        }
    }
    let says = if in_query { "query only" } else { "none in path" };
    Cell::of(if wrong.is_empty() { says } else { "exposed" }).but(wrong)
}

pub(super) fn documented(subject: &Subject<'_>) -> Cell {
    let endpoint = subject.endpoint;
    let mut wrong = Vec::new();
    if endpoint.summary.is_none_or(|summary| summary.trim().is_empty()) {
        wrong.push("it has no summary; write .summary(\"…\")".to_owned());
    }
    let mut check = |what: &str, schema: &Value, from_root: bool| {
        walk(schema, subject.components, &mut |pointer, schema| {
            let is_named = if pointer.is_empty() { from_root } else { !pointer.ends_with('*') };
            if is_named && !is_described(schema, subject.components) {
                let place = format!("{what} {pointer}");
                let place = place.trim_end();
                wrong.push(format!("{place} has no description; write a doc comment on the field"));
            }
        });
    };
    for (what, schema) in subject.inputs() {
        check(&what, schema, what != "body");
    }
    let answers = endpoint.responses.iter().filter_map(|response| response.body.as_ref());
    for (_, schema) in answers {
        check("answer", schema, false);
    }
    Cell::of(if wrong.is_empty() { "yes" } else { "in part" }).but(wrong)
}
