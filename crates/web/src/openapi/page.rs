//! The contract as one HTML page: no script, no request to anywhere else.

use std::{fmt::Write, sync::Arc};

use mainstay_core::Code;
use serde_json::{Map, Value};

use crate::{codes, endpoint::Settled};

const STYLE: &str = "
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 small, .dim { opacity: .65; font-weight: normal; }
article { border-top: 1px solid #8886; padding: .75rem 0; }
code { font-size: .95em; }
.method { display: inline-block; min-width: 4.5rem; font-weight: 700; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; padding: .25rem .75rem .25rem 0; vertical-align: top; }
tr:target { background: #fc03; }
";

pub(super) fn render(
    title: &str,
    version: &str,
    endpoints: &[Arc<Settled>],
    codes: &[Code],
    components: &Map<String, Value>,
) -> String {
    let mut html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
         <style>{STYLE}</style><h1>{title} <small>{version}</small></h1>\
         <p>For machines: <a href=\"/openapi.json\">/openapi.json</a> (OpenAPI 3.1).</p>"
    );
    for endpoint in endpoints {
        article(&mut html, endpoint, components);
    }
    html.push_str("<h2>Errors</h2><table><tr><th>status<th>code<th>meaning");
    for code in codes {
        let status = codes::status(code.kind).as_u16();
        let (name, meaning) = (code.name, escape(code.meaning));
        // Writing to a `String` cannot fail.
        let _ = write!(html, "<tr id=\"{name}\"><td>{status}<td><code>{name}</code><td>{meaning}");
    }
    html.push_str("</table></html>\n");
    html
}

fn article(html: &mut String, endpoint: &Settled, components: &Map<String, Value>) {
    let (method, path) = (&endpoint.method, escape(endpoint.path));
    let access = escape(&endpoint.access.label());
    let summary = escape(endpoint.summary.unwrap_or_default());
    let _ = write!(
        html,
        "<article><span class=\"method\">{method}</span><code>{path}</code> \
         <span class=\"dim\">{access}</span><div>{summary}</div>"
    );
    for parameter in &endpoint.parameters {
        let place = parameter.location.as_str();
        field(html, &parameter.name, place, parameter.required, &parameter.schema);
    }
    if let Some(body) = &endpoint.body {
        let schema = resolved(&body.schema, components);
        let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let required = required.iter().any(|known| known == name.as_str());
            field(html, name, "body", required, resolved(property, components));
        }
    }
    html.push_str("<div class=\"dim\">");
    for code in &endpoint.codes {
        let name = code.name;
        let _ = write!(html, "<a href=\"#{name}\">{name}</a> ");
    }
    html.push_str("</div></article>");
}

/// One input: its name, its place, what it may be, what it means.
fn field(html: &mut String, name: &str, place: &str, required: bool, schema: &Value) {
    let need = if required { "required" } else { "optional" };
    let description = schema["description"].as_str().unwrap_or_default();
    let (name, rules) = (escape(name), escape(&rules(schema)));
    let description = escape(description);
    let _ = write!(
        html,
        "<div><code>{name}</code> <span class=\"dim\">{place}, {need}</span> <code>{rules}</code> \
         {description}</div>"
    );
}

/// What a reader wants to know of a schema, and the words before it. Patterns are for machines.
const KEYWORDS: [(&str, &str); 9] = [
    ("type", ""),
    ("format", ""),
    ("enum", ""),
    ("minLength", "at least "),
    ("maxLength", "at most "),
    ("minimum", "from "),
    ("maximum", "to "),
    ("default", "default "),
    ("const", "always "),
];

/// The rules of a schema in a few words: `string · email · at most 254`.
fn rules(schema: &Value) -> String {
    let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let words = |value: &Value| match value {
        Value::Array(items) => items.iter().map(word).collect::<Vec<_>>().join(" | "),
        value => word(value),
    };
    let told = KEYWORDS.iter().filter_map(|(keyword, before)| {
        schema.get(keyword).map(|value| format!("{before}{}", words(value)))
    });
    told.collect::<Vec<_>>().join(" · ")
}

/// The schema that a reference names, or the schema itself.
fn resolved<'a>(schema: &'a Value, components: &'a Map<String, Value>) -> &'a Value {
    let name = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next());
    name.and_then(|name| components.get(name)).unwrap_or(schema)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}
