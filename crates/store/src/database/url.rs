//! Where the database is: `DATABASE_URL`, parsed.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use super::Engine;

/// The address of a database.
///
/// - `sqlite:data/app.db` or `sqlite:///var/lib/app.db`: a file, created when missing;
/// - `sqlite::memory:`: a database of its own for every `open`, gone when it is closed;
/// - `postgres://user:password@host:port/name`.
///
/// Neither `Debug` nor `Display` shows a password.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(Address);

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Address {
    File(PathBuf),
    Memory,
    Postgres(String),
}

/// The text is not the address of a database.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It starts with nothing we know.
    #[error("expected `sqlite:PATH`, `sqlite::memory:` or `postgres://…`")]
    Scheme,
    /// `sqlite:` with nothing behind it.
    #[error("`sqlite:` is followed by no path")]
    NoPath,
    /// `sqlite:…?…`
    #[error("a `?` in a sqlite address: options are not set there, and a path cannot contain one")]
    Options,
}

impl DatabaseUrl {
    /// The engine behind the address.
    pub fn engine(&self) -> Engine {
        match self.0 {
            Address::File(_) | Address::Memory => Engine::Sqlite,
            Address::Postgres(_) => Engine::Postgres,
        }
    }

    /// The file of an embedded database.
    pub fn file(&self) -> Option<&Path> {
        match &self.0 {
            Address::File(path) => Some(path),
            Address::Memory | Address::Postgres(_) => None,
        }
    }

    pub(crate) fn address(&self) -> &Address {
        &self.0
    }
}

impl FromStr for DatabaseUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self(Address::Postgres(text.to_owned())));
        }
        match text.strip_prefix("sqlite:").ok_or(UrlError::Scheme)? {
            ":memory:" | "//:memory:" => Ok(Self(Address::Memory)),
            path if path.contains('?') => Err(UrlError::Options),
            path => match path.strip_prefix("//").unwrap_or(path) {
                "" => Err(UrlError::NoPath),
                path => Ok(Self(Address::File(path.into()))),
            },
        }
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Address::File(path) => write!(f, "sqlite:{}", path.display()),
            Address::Memory => f.write_str("sqlite::memory:"),
            Address::Postgres(url) => f.write_str(&masked(url)),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The address without its password and without its options, one of which may be the password.
fn masked(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("postgres", url));
    let rest = rest.split('?').next().unwrap_or_default();
    // The last `@` is the separator: a password may contain others, unescaped by mistake.
    match rest.rsplit_once('@') {
        Some((credentials, host)) => match credentials.split_once(':') {
            Some((user, _)) => format!("{scheme}://{user}:***@{host}"),
            None => format!("{scheme}://{credentials}@{host}"),
        },
        None => format!("{scheme}://{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_shown_without_their_password() {
        let shown = |text: &str| text.parse::<DatabaseUrl>().map(|url| format!("{url} {url:?}"));
        let twice = |text: &str| Ok(format!("{text} {text}"));
        assert_eq!(shown("sqlite:data/app.db"), twice("sqlite:data/app.db"));
        assert_eq!(shown("sqlite:///var/app.db"), twice("sqlite:/var/app.db"));
        assert_eq!(shown("sqlite://data/app.db"), twice("sqlite:data/app.db"));
        assert_eq!(shown("sqlite::memory:"), twice("sqlite::memory:"));
        assert_eq!(shown("postgres://h/db"), twice("postgres://h/db"));
        assert_eq!(shown("postgres://u@h/db"), twice("postgres://u@h/db"));
        let masked = twice("postgres://u:***@h:5432/db");
        assert_eq!(shown("postgres://u:secret@h:5432/db?password=secret"), masked);
        assert_eq!(shown("postgres://u:se@cr/et@h:5432/db"), masked);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let error = |text: &str| text.parse::<DatabaseUrl>().unwrap_err();
        assert_eq!(error("mysql://h/db"), UrlError::Scheme);
        assert_eq!(error("data/app.db"), UrlError::Scheme);
        assert_eq!(error("sqlite:"), UrlError::NoPath);
        assert_eq!(error("sqlite:a.db?mode=ro"), UrlError::Options);
    }
}
