//! The page and what it is made of: files inside the binary, served as they are.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use mainstay_core::{Code, Fault, FaultSet};
use mainstay_web::{
    Path, codes,
    endpoint::{Operation, Respond, ResponseSpec},
};
use schemars::JsonSchema;
use serde::Deserialize;

/// The page runs its own scripts, talks to its own listener, and can do nothing else: a text that
/// got into it as markup would be inert.
const CONTENT_SECURITY_POLICY: &str = concat!(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; ",
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// A file of the page.
#[derive(Debug)]
struct Asset {
    name: &'static str,
    media_type: &'static str,
    text: &'static str,
}

macro_rules! assets {
    ($($name:literal $media_type:ident),* $(,)?) => {
        &[$(Asset {
            name: $name,
            media_type: $media_type,
            text: include_str!(concat!("assets/", $name)),
        }),*]
    };
}

const PAGE: Asset =
    Asset { name: "console.html", media_type: HTML, text: include_str!("assets/console.html") };

const ASSETS: &[Asset] = assets![
    "console.css" CSS,
    "icon.svg" SVG,
    "about.js" SCRIPT,
    "charts.js" SCRIPT,
    "dom.js" SCRIPT,
    "format.js" SCRIPT,
    "link.js" SCRIPT,
    "main.js" SCRIPT,
    "overview.js" SCRIPT,
    "readiness.js" SCRIPT,
    "requests.js" SCRIPT,
    "routes.js" SCRIPT,
    "saturation.js" SCRIPT,
    "shared.js" SCRIPT,
    "store.js" SCRIPT,
    "tail.js" SCRIPT,
    "waterfall.js" SCRIPT,
];

/// The name of a file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FileName {
    /// As the page refers to it.
    #[schemars(length(min = 1, max = 64))]
    file: String,
}

/// There is no such file.
#[derive(Debug, thiserror::Error)]
#[error("no such file")]
pub(super) struct NoSuchFile;

impl Fault for NoSuchFile {
    fn code(&self) -> Code {
        codes::ROUTE_NOT_FOUND
    }

    fn detail(&self) -> std::borrow::Cow<'static, str> {
        "the console has no such file".into()
    }
}

impl FaultSet for NoSuchFile {
    fn declare(codes: &mut Vec<Code>) {
        codes.push(codes::ROUTE_NOT_FOUND);
    }
}

/// Where the page and its files are.
pub(super) fn paths() -> Vec<String> {
    let files = ASSETS.iter().map(|asset| format!("/console/assets/{}", asset.name));
    std::iter::once("/console".to_owned()).chain(files).collect()
}

pub(super) async fn page() -> Page {
    Page(&PAGE)
}

pub(super) async fn file(Path(wanted): Path<FileName>) -> Result<Page, NoSuchFile> {
    let found = ASSETS.iter().find(|asset| asset.name == wanted.file);
    found.map(Page).ok_or(NoSuchFile)
}

/// A file as an answer. It may not be kept: modules of two releases in one page are worse than the
/// hundred kilobytes that it takes to load.
#[derive(Debug)]
pub(super) struct Page(&'static Asset);

impl Respond for Page {
    fn describe(operation: &mut Operation) {
        operation.answers(ResponseSpec {
            status: StatusCode::OK,
            description: "The file",
            body: Some((HTML, serde_json::json!({ "type": "string" }))),
            headers: &[],
        });
    }

    fn respond(self) -> Response {
        let mut response = Response::new(Body::from(self.0.text));
        for (name, value) in [
            (header::CONTENT_TYPE, self.0.media_type),
            (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        ] {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_refers_to_nothing_but_its_own_files() {
        for Asset { name, text, .. } in ASSETS.iter().chain([&PAGE]) {
            for word in
                ["innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", "style=\"", "//cdn"]
            {
                assert!(!text.contains(word), "{name} has {word}");
            }
            let elsewhere = text.match_indices("http").filter(|(at, _)| {
                let rest = &text[*at..];
                rest.starts_with("http://") || rest.starts_with("https://")
            });
            // The name of SVG is an address that nobody asks.
            for (at, _) in elsewhere {
                assert!(text[at..].starts_with("http://www.w3.org/2000/svg"), "{name} at {at}");
            }
            assert!(text.lines().count() <= 400, "{name} is longer than a file of ours may be");
        }
    }

    #[test]
    fn every_module_that_is_imported_is_served() {
        for asset in ASSETS {
            for import in asset.text.split(" from \"./").skip(1) {
                let name = import.split('"').next().unwrap_or_default();
                assert!(ASSETS.iter().any(|a| a.name == name), "{}: {name}", asset.name);
            }
        }
    }
}
