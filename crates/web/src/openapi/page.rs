//! The contract as one HTML page: no script, no request to anywhere else.

use std::{fmt::Write, sync::Arc};

use mainstay_core::Code;
use serde_json::{Map, Value};

use super::{
    example,
    fields::{self, Field},
};
use crate::{codes, endpoint::Settled};

const STYLE: &str = "
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere; }
h1 small, .dim { opacity: .7; font-weight: normal; }
h3 { font-size: 1.05rem; margin: 0; }
article { border-top: 1px solid #8886; padding: .75rem 0; }
article:target { outline: 2px solid #48f8; outline-offset: .5rem; }
nav ul { columns: 20rem; padding: 0; list-style: none; }
code, pre { font-size: .9em; }
pre { overflow-x: auto; padding: .75rem; background: #8881; border-radius: .5rem; }
summary { cursor: pointer; }
.method { display: inline-block; min-width: 4.5rem; font-weight: 700; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; padding: .25rem .75rem .25rem 0; vertical-align: top; }
.fields { table-layout: fixed; min-width: 40rem; }
.fields td:nth-child(1) { width: 26%; }
.fields td:nth-child(2) { width: 5.5rem; }
.fields td:nth-child(3) { width: 28%; }
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
         <p>For machines: <a href=\"/openapi.json\">/openapi.json</a> (OpenAPI 3.1). In commands \
         <code>$API</code> is the address of this service, and <code>$TOKEN</code> a token of \
         yours.</p><nav><ul>"
    );
    for endpoint in endpoints {
        let (anchor, method) = (anchor(endpoint), &endpoint.method);
        let path = escape(endpoint.path);
        // Writing to a `String` cannot fail.
        let _ = write!(html, "<li><a href=\"#{anchor}\">{method} <code>{path}</code></a>");
    }
    html.push_str("<li><a href=\"#errors\">Errors</a></ul></nav>");
    for endpoint in endpoints {
        article(&mut html, endpoint, components);
    }
    html.push_str("<h2 id=\"errors\">Errors</h2><table><tr><th>status<th>code<th>meaning");
    for code in codes {
        let status = codes::status(code.kind).as_u16();
        let (name, meaning) = (code.name, escape(code.meaning));
        let _ = write!(html, "<tr id=\"{name}\"><td>{status}<td><code>{name}</code><td>{meaning}");
    }
    html.push_str("</table></html>\n");
    html
}

/// `post-users-id`: what a link to an endpoint ends in.
fn anchor(endpoint: &Settled) -> String {
    let words = endpoint.path.split(|c: char| !c.is_ascii_alphanumeric());
    let words = words.filter(|word| !word.is_empty());
    let method = endpoint.method.as_str().to_ascii_lowercase();
    std::iter::once(&*method).chain(words).collect::<Vec<_>>().join("-")
}

fn article(html: &mut String, endpoint: &Settled, components: &Map<String, Value>) {
    let (method, path) = (&endpoint.method, escape(endpoint.path));
    let access = escape(&endpoint.access.label());
    let summary = escape(endpoint.summary.unwrap_or_default());
    let _ = write!(
        html,
        "<article id=\"{}\"><h3><span class=\"method\">{method}</span> <code>{path}</code> \
         <span class=\"dim\">{access}</span></h3><div>{summary}</div>",
        anchor(endpoint),
    );
    let parameters = endpoint.parameters.iter().map(|parameter| Field {
        path: format!("{} ({})", parameter.name, parameter.location.as_str()),
        is_required: parameter.required,
        rules: fields::rules(fields::meant(&parameter.schema, components)),
        description: parameter.schema["description"].as_str().unwrap_or_default(),
    });
    table(html, &parameters.collect::<Vec<_>>());
    if let Some(body) = &endpoint.body {
        html.push_str("<details open><summary>Body</summary>");
        table(html, &fields::of(&body.schema, components));
        html.push_str("</details>");
    }
    answers(html, endpoint, components);
    if endpoint.raw.is_none() {
        let command = escape(&example::command(endpoint, components));
        let _ = write!(html, "<details><summary>Command</summary><pre>{command}</pre></details>");
    }
    let count = endpoint.codes.len();
    let _ = write!(html, "<details><summary>Errors <span class=\"dim\">{count}</span></summary>");
    for code in &endpoint.codes {
        let (name, status) = (code.name, codes::status(code.kind).as_u16());
        let _ = write!(html, "<div>{status} <a href=\"#{name}\">{name}</a></div>");
    }
    html.push_str("</details></article>");
}

/// What a client gets when all is well.
fn answers(html: &mut String, endpoint: &Settled, components: &Map<String, Value>) {
    for answer in &endpoint.responses {
        let (status, description) = (answer.status.as_u16(), escape(answer.description));
        let _ = write!(
            html,
            "<details><summary>Answer {status} <span class=\"dim\">{description}</span></summary>"
        );
        for (name, meaning) in answer.headers {
            let _ = write!(html, "<div><code>{}</code> {}</div>", escape(name), escape(meaning));
        }
        match &answer.body {
            Some((media_type, schema)) => {
                let fields = fields::of(schema, components);
                table(html, &fields);
                if fields.is_empty() {
                    let _ = write!(html, "<div><code>{}</code></div>", escape(media_type));
                } else {
                    let example = example::value(schema, components, 0);
                    let _ = write!(html, "<pre>{}</pre>", escape(&format!("{example:#}")));
                }
            }
            None => html.push_str("<div>Without a body.</div>"),
        }
        html.push_str("</details>");
    }
}

fn table(html: &mut String, fields: &[Field<'_>]) {
    if fields.is_empty() {
        return;
    }
    html.push_str("<div class=\"wide\"><table class=\"fields\">");
    for Field { path, is_required, rules, description } in fields {
        let need = if *is_required { "required" } else { "optional" };
        let (path, rules, description) = (escape(path), escape(rules), escape(description));
        let _ = write!(
            html,
            "<tr><td><code>{path}</code><td class=\"dim\">{need}<td><code>{rules}</code>\
             <td>{description}"
        );
    }
    html.push_str("</table></div>");
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}
