//! `BaseUrl`: where another service is.

use std::{fmt, str::FromStr};

use http::{
    Uri,
    uri::{Authority, Scheme},
};

use crate::config::{Kind, Value};

/// The address of another service: `https://billing.internal/v1`. A setting of a service can have
/// this type.
///
/// It has no credentials, which belong in a header, so it may be shown and logged.
#[derive(Clone, PartialEq, Eq)]
pub struct BaseUrl {
    scheme: Scheme,
    authority: Authority,
    /// Begins with a slash and does not end in one, or is empty.
    prefix: Box<str>,
}

/// What is wrong with the address of a service; never the address itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidBaseUrl(&'static str);

impl BaseUrl {
    /// Whether connections are encrypted.
    pub(super) fn is_encrypted(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    /// The path below which everything of the service is.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// An address at the service; the path has the prefix.
    pub(super) fn at(&self, path_and_query: String) -> Result<Uri, http::Error> {
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(path_and_query)
            .build()
    }
}

impl FromStr for BaseUrl {
    type Err = InvalidBaseUrl;

    fn from_str(text: &str) -> Result<Self, InvalidBaseUrl> {
        if text.contains(['?', '#']) {
            return Err(InvalidBaseUrl("has a query or a fragment"));
        }
        let uri: Uri = text.parse().map_err(|_| InvalidBaseUrl("is not a URL"))?;
        let path = uri.path().trim_end_matches('/').into();
        let parts = uri.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
            return Err(InvalidBaseUrl("is not of the form https://host"));
        };
        if scheme != Scheme::HTTP && scheme != Scheme::HTTPS {
            return Err(InvalidBaseUrl("is neither http nor https"));
        }
        if authority.as_str().contains('@') {
            return Err(InvalidBaseUrl("has credentials in it, which belong in a header"));
        }
        if authority.host().is_empty() {
            return Err(InvalidBaseUrl("has no host"));
        }
        Ok(Self { scheme, authority, prefix: path })
    }
}

impl Value for BaseUrl {
    const KIND: Kind = Kind::Text("URL");

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error: InvalidBaseUrl| error.to_string())
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.prefix)
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_of_http_and_holds_no_credentials() {
        for (text, shown) in [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("https://billing.internal/", "https://billing.internal"),
            ("https://[::1]:8443/v1/", "https://[::1]:8443/v1"),
        ] {
            assert_eq!(text.parse::<BaseUrl>().expect("valid").to_string(), shown);
        }
        for text in [
            "",
            "billing.internal",
            "/v1",
            "ftp://billing.internal",
            "file:///etc/passwd",
            "https://ada:hunter2@billing.internal",
            "https://billing.internal/?key=hunter2",
            "https://billing.internal/#top",
            "https://bill ing",
        ] {
            let error = text.parse::<BaseUrl>().expect_err(text);
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
    }
}
