//! The types a knob can have, and how each is read from text.

use std::{fmt, net::IpAddr, path::PathBuf, str::FromStr, time::Duration};

use ipnet::IpNet;
use mainstay_core::Secret;
use tracing_subscriber::filter::Targets;

/// What kind of text a knob takes: decides what the file may hold, how it is documented and shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A whole number without a unit, or with its unit in the knob's name.
    Integer,
    /// A whole number of milliseconds.
    Milliseconds,
    /// A whole number of seconds.
    Seconds,
    /// A number from 0 to 1.
    Ratio,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Text of a form that the noun names: `IP address`.
    Text(&'static str),
    /// A TOML array of such texts; separated by commas in the environment.
    List(&'static str),
    /// A URL that may hold a password.
    Connection,
    /// Never shown.
    Secret,
}

impl Kind {
    /// Whether ranges apply, and the file must hold an integer.
    pub const fn is_number(self) -> bool {
        matches!(self, Self::Integer | Self::Milliseconds | Self::Seconds)
    }

    /// What one such value is called.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Integer => "whole number",
            Self::Milliseconds => "whole number of milliseconds",
            Self::Seconds => "whole number of seconds",
            Self::Ratio => "number from 0 to 1",
            Self::Choice(_) => "word",
            Self::Text(noun) | Self::List(noun) => noun,
            Self::Connection => "connection URL",
            Self::Secret => "secret",
        }
    }

    /// The value as it may be shown to people and kept in logs.
    pub(super) fn masked(self, text: &str) -> String {
        match self {
            Self::Secret if !text.is_empty() => MASK.to_owned(),
            Self::Connection => mask_connection(text),
            _ => text.to_owned(),
        }
    }

    /// Whether an error may quote a value that could not be read. A malformed connection URL
    /// cannot be masked reliably, so it is not quoted either.
    pub(super) const fn may_be_quoted(self) -> bool {
        !matches!(self, Self::Secret | Self::Connection)
    }
}

/// Of a fixed length, so that it does not tell the length of what it hides.
const MASK: &str = "********";

/// Hides the password and the whole query of a URL: some drivers take credentials there.
fn mask_connection(url: &str) -> String {
    let (url, query) = match url.split_once('?') {
        Some((before, _)) => (before, format!("?{MASK}")),
        None => (url, String::new()),
    };
    let Some((scheme, rest)) = url.split_once("://") else {
        return format!("{url}{query}");
    };
    // The last `@`: a password that was not percent-encoded may hold one.
    match rest.rsplit_once('@') {
        Some((login, place)) => {
            let user = login.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}:{MASK}@{place}{query}")
        }
        None => format!("{scheme}://{rest}{query}"),
    }
}

/// A type a knob can have.
pub trait Value: Sized {
    /// How it is written.
    const KIND: Kind;

    /// Reads it. The error completes the sentence "the value …" and never repeats the value.
    fn parse(text: &str) -> Result<Self, String>;
}

macro_rules! numbers {
    ($($type:ty),*) => {$(
        impl Value for $type {
            const KIND: Kind = Kind::Integer;

            fn parse(text: &str) -> Result<Self, String> {
                text.parse().map_err(|_| {
                    format!("is not a whole number from {} to {}", <$type>::MIN, <$type>::MAX)
                })
            }
        }
    )*};
}

numbers!(u8, u16, u32, u64, usize);

/// Reads a `Duration` for a knob whose name ends in `_ms`.
pub fn milliseconds(text: &str) -> Result<Duration, String> {
    u64::parse(text).map(Duration::from_millis)
}

/// Reads a `Duration` for a knob whose name ends in `_seconds`.
pub fn seconds(text: &str) -> Result<Duration, String> {
    u64::parse(text).map(Duration::from_secs)
}

/// Types read with their `FromStr`, and the noun people know them by.
macro_rules! parsed {
    ($($type:ty, $noun:literal, $example:literal;)*) => {$(
        impl Value for $type {
            const KIND: Kind = Kind::Text($noun);

            fn parse(text: &str) -> Result<Self, String> {
                <$type>::from_str(text)
                    .map_err(|_| concat!("is not of the form ", $example).to_owned())
            }
        }
    )*};
}

parsed! {
    IpAddr, "IP address", "127.0.0.1 or ::1";
    String, "text", "text";
}

impl Value for PathBuf {
    const KIND: Kind = Kind::Text("path");

    fn parse(text: &str) -> Result<Self, String> {
        Ok(Self::from(text))
    }
}

impl Value for IpNet {
    const KIND: Kind = Kind::Text("network");

    /// A plain address is the network of that one address.
    fn parse(text: &str) -> Result<Self, String> {
        text.parse()
            .or_else(|_| text.parse::<IpAddr>().map(Self::from))
            .map_err(|_| "is not a network of the form 10.0.0.0/8 or fd00::/8".to_owned())
    }
}

impl Value for Secret<String> {
    const KIND: Kind = Kind::Secret;

    fn parse(text: &str) -> Result<Self, String> {
        Ok(Self::new(text.to_owned()))
    }
}

/// Empty text is no value.
impl<T: Value> Value for Option<T> {
    const KIND: Kind = T::KIND;

    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() { Ok(None) } else { T::parse(text).map(Some) }
    }
}

/// Items are separated by commas, so none can hold one.
impl<T: Value> Value for Vec<T> {
    const KIND: Kind = Kind::List(T::KIND.noun());

    fn parse(text: &str) -> Result<Self, String> {
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        items
            .enumerate()
            .map(|(at, item)| {
                T::parse(item).map_err(|why| format!("has an item (number {}) that {why}", at + 1))
            })
            .collect()
    }
}

/// A URL that may hold a password, which neither `Display` nor `Debug` shows.
#[derive(Clone)]
pub struct ConnectionUrl(Secret<String>);

impl ConnectionUrl {
    /// The URL with its password. Do not log it.
    pub fn reveal(&self) -> &str {
        self.0.reveal()
    }
}

impl fmt::Display for ConnectionUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask_connection(self.reveal()))
    }
}

impl fmt::Debug for ConnectionUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Value for ConnectionUrl {
    const KIND: Kind = Kind::Connection;

    fn parse(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some((scheme, rest)) if !scheme.is_empty() && !rest.is_empty() => {
                Ok(Self(Secret::new(text.to_owned())))
            }
            _ => Err("is not of the form SCHEME:PLACE, as in sqlite:PATH, \
                      postgres://USER:PASSWORD@HOST/NAME or redis://HOST"
                .into()),
        }
    }
}

/// A token that programs send as `Authorization: Bearer`.
#[derive(Clone, Debug)]
pub struct BearerToken(pub Secret<String>);

/// Sixteen characters of a random token are 64 bits at the least (in hex): more than anybody can
/// try over a network.
const TOKEN_CHARACTERS: std::ops::RangeInclusive<usize> = 16..=512;

impl Value for BearerToken {
    const KIND: Kind = Kind::Secret;

    fn parse(text: &str) -> Result<Self, String> {
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("has characters that are not visible ASCII".to_owned());
        }
        if !TOKEN_CHARACTERS.contains(&text.len()) {
            return Err("does not have 16 to 512 characters".to_owned());
        }
        Ok(Self(Secret::new(text.to_owned())))
    }
}

/// Which events are logged, by module: `info,hyper=warn`.
#[derive(Clone, Debug)]
pub struct Directives(pub Targets);

impl Value for Directives {
    const KIND: Kind = Kind::Text("list of log directives");

    fn parse(text: &str) -> Result<Self, String> {
        Targets::from_str(text).map(Self).map_err(|_| {
            "is not a list of directives of the form info,hyper=warn \
             (levels: off error warn info debug trace; spans and fields are not understood)"
                .to_owned()
        })
    }
}

/// A web origin as browsers send it: `https://app.example.com`, without a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorsOrigin(String);

impl CorsOrigin {
    /// As browsers send it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Value for CorsOrigin {
    const KIND: Kind = Kind::Text("web origin");

    fn parse(text: &str) -> Result<Self, String> {
        let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let is_origin = host.is_some_and(|host| {
            let allowed = |b: u8| b.is_ascii_alphanumeric() || b".-:[]".contains(&b);
            !host.is_empty() && host.bytes().all(allowed)
        });
        // Browsers send the host in lower case, and the comparison is by bytes.
        is_origin
            .then(|| Self(text.to_ascii_lowercase()))
            .ok_or_else(|| "is not an origin of the form https://app.example.com".to_owned())
    }
}

/// An enum whose variants are the words a knob takes.
#[macro_export]
macro_rules! choice {
    (
        $(#[doc = $doc:literal])+
        $vis:vis enum $name:ident {
            $($(#[doc = $variant_doc:literal])+ $variant:ident = $word:literal,)+
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        $vis enum $name {
            $($(#[doc = $variant_doc])+ $variant,)+
        }

        impl $crate::config::Value for $name {
            const KIND: $crate::config::Kind = $crate::config::Kind::Choice(&[$($word),+]);

            fn parse(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(format!("is not one of {}", [$($word),+].join(", "))),
                }
            }
        }
    };
}
