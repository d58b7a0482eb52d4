//! `Device`: a word about the client's program, for people who look through their sessions.

use std::{convert::Infallible, fmt};

use axum::{
    extract::FromRequestParts,
    http::{header::USER_AGENT, request::Parts},
};

use crate::endpoint::{Describe, Operation};

/// `Firefox on Linux`, `curl`, `unknown`: a program and a system of the lists below, and nothing
/// else of `User-Agent`, which identifies people and may hold anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    program: &'static str,
    system: Option<&'static str>,
}

/// What a `User-Agent` contains, and what is called so. The first that is found counts: most
/// browsers claim to be others as well.
const PROGRAMS: [(&str, &str); 16] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
    ("Wget/", "Wget"),
    ("PostmanRuntime/", "Postman"),
    ("python-", "Python"),
    ("okhttp/", "OkHttp"),
    ("Go-http-client/", "Go"),
    ("node", "Node.js"),
    ("reqwest/", "Rust"),
];

const SYSTEMS: [(&str, &str); 7] = [
    ("Android", "Android"),
    ("iPhone", "iOS"),
    ("iPad", "iPadOS"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
];

impl Device {
    /// Finds the names in the value of a `User-Agent` header.
    pub fn of(user_agent: &str) -> Self {
        let find = |names: &[(&str, &'static str)]| {
            names.iter().find(|(sign, _)| user_agent.contains(sign)).map(|(_, name)| *name)
        };
        Self { program: find(&PROGRAMS).unwrap_or("unknown"), system: find(&SYSTEMS) }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.system {
            Some(system) => write!(f, "{} on {system}", self.program),
            None => f.write_str(self.program),
        }
    }
}

impl Describe for Device {
    fn describe(_: &mut Operation) {}
}

impl<S: Send + Sync> FromRequestParts<S> for Device {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let text = parts.headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
        Ok(Self::of(text.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_called_by_its_program_and_its_system_and_by_nothing_it_made_up() {
        let chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 \
                      (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
        for (user_agent, name) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
                "Firefox on Linux",
            ),
            (chrome, "Chrome on Windows"),
            (&format!("{chrome} Edg/140.0.0.0"), "Edge on Windows"),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 \
                 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1",
                "Safari on iOS",
            ),
            ("curl/8.5.0", "curl"),
            ("<script>alert(1)</script>", "unknown"),
            ("", "unknown"),
        ] {
            assert_eq!(Device::of(user_agent).to_string(), name, "{user_agent}");
        }
    }
}
