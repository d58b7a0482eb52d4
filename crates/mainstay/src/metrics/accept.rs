//! Which format a scraper wants: Prometheus' own text, unless it likes `OpenMetrics` as
//! much.

use std::convert::Infallible;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};
use mainstay_web::endpoint::{Describe, Operation};

use super::Format;

/// The format that a request asks for.
pub(super) struct Wanted(pub(super) Format);

impl Describe for Wanted {
    fn describe(_: &mut Operation) {}
}

impl<S: Send + Sync> FromRequestParts<S> for Wanted {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(wanted(&parts.headers)))
    }
}

/// Whatever cannot be read asks for nothing: somebody with a browser gets the text.
fn wanted(headers: &HeaderMap) -> Format {
    let values = headers.get_all(header::ACCEPT).iter().flat_map(|value| value.to_str());
    let (mut openmetrics, mut text) = (0.0_f32, 0.0_f32);
    for range in values.flat_map(|value| value.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let media_type = parts.next().unwrap_or_default();
        let mut quality = 1.0;
        let mut is_known_version = true;
        for parameter in parts {
            match parameter.split_once('=') {
                Some(("q", value)) => quality = value.parse().unwrap_or(0.0),
                // Later versions are not promised to be read by who knows the first.
                Some(("version", version)) => is_known_version = version == "1.0.0",
                _ => {}
            }
        }
        if media_type.eq_ignore_ascii_case("application/openmetrics-text") && is_known_version {
            openmetrics = openmetrics.max(quality);
        } else if media_type.eq_ignore_ascii_case("text/plain") {
            text = text.max(quality);
        }
    }
    if openmetrics > 0.0 && openmetrics >= text { Format::OpenMetrics } else { Format::Text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scraper_gets_what_it_likes_best() {
        let wanted = |accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().expect("a header value"));
            wanted(&headers)
        };
        for openmetrics in [
            // Prometheus 2 and 3.
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;\
             version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
             application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;\
             escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
            "Application/OpenMetrics-Text",
        ] {
            assert_eq!(wanted(openmetrics), Format::OpenMetrics, "{openmetrics}");
        }
        for text in [
            "",
            "*/*",
            "text/html,application/xhtml+xml,*/*;q=0.8",
            "text/plain;version=0.0.4",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text;q=NaN",
            "application/openmetrics-text;version=2.0.0",
            "application/openmetrics-text;q=0.1, text/plain;q=0.2",
            ";;q=,,=;version",
        ] {
            assert_eq!(wanted(text), Format::Text, "{text}");
        }
        assert_eq!(super::wanted(&HeaderMap::new()), Format::Text);
    }
}
