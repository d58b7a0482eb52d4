//! The contract as one HTML page: no script, no request to anywhere else.

use std::{fmt::Write, sync::Arc};

use mainstay_core::Code;

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
) -> String {
    let mut html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
         <style>{STYLE}</style><h1>{title} <small>{version}</small></h1>\
         <p>For machines: <a href=\"/openapi.json\">/openapi.json</a> (OpenAPI 3.1).</p>"
    );
    for endpoint in endpoints {
        article(&mut html, endpoint);
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

fn article(html: &mut String, endpoint: &Settled) {
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
        let need = if parameter.required { "required" } else { "optional" };
        let (name, schema) = (escape(&parameter.name), escape(&parameter.schema.to_string()));
        let _ = write!(
            html,
            "<div><code>{name}</code> <span class=\"dim\">{place}, {need}</span> \
             <code>{schema}</code></div>"
        );
    }
    if let Some(body) = &endpoint.body {
        let schema = escape(&body.schema.to_string());
        let _ = write!(html, "<div>body <code>{schema}</code></div>");
    }
    html.push_str("<div class=\"dim\">");
    for code in &endpoint.codes {
        let name = code.name;
        let _ = write!(html, "<a href=\"#{name}\">{name}</a> ");
    }
    html.push_str("</div></article>");
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}
