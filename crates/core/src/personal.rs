//! Personal data and secrets as types that cannot be printed.
//!
//! Neither type implements `Display`, `Serialize` or a `Debug` that shows the value, so neither can
//! reach a log, a span, a metric label or an error by accident. `reveal` is the one way out, and is
//! easy to search for.

use std::fmt;

use serde::{Deserialize, Deserializer};
use zeroize::Zeroize;

/// Data about a person: an e-mail address, a name.
///
/// Neither hashed nor ordered: it is no key of a cache or a map.
#[derive(Clone, PartialEq, Eq)]
pub struct Pii<T>(T);

impl<T> Pii<T> {
    /// Marks a value as personal.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value. Do not log it, and do not put it into an error.
    pub const fn reveal(&self) -> &T {
        &self.0
    }

    /// The value, owned. Do not log it, and do not put it into an error.
    pub fn into_revealed(self) -> T {
        self.0
    }

    /// Another personal value made from this one.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Pii<U> {
        Pii(f(self.0))
    }
}

impl<T> From<T> for Pii<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T> fmt::Debug for Pii<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pii(..)")
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Pii<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self)
    }
}

/// A credential: a password, a token, a key. Its memory is wiped when it is dropped.
#[derive(Clone)]
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    /// Marks a value as secret.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value. Never log, store or compare it byte by byte; hash it.
    pub const fn reveal(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> From<T> for Secret<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl<'de, T: Deserialize<'de> + Zeroize> Deserialize<'de> for Secret<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self)
    }
}

crate::transparent_schema!(Pii<T: Sized>, "x-personal");
crate::transparent_schema!(Secret<T: Zeroize>, "writeOnly");

#[cfg(test)]
mod tests {
    use schemars::schema_for;

    use super::*;

    #[test]
    fn neither_wrapper_prints_its_value() {
        let person = Pii::new("ada@example.com".to_owned());
        let password = Secret::new("correct horse".to_owned());
        assert_eq!(format!("{person:?} {password:?}"), "Pii(..) Secret(..)");
    }

    #[test]
    fn a_schema_says_what_is_personal_and_what_is_secret() {
        let schema = schema_for!(Pii<String>).to_value();
        assert_eq!((&schema["type"], &schema["x-personal"]), (&"string".into(), &true.into()));
        let schema = schema_for!(Option<Secret<String>>).to_value();
        assert_eq!(schema["type"].as_array().map(Vec::len), Some(2), "a string or null");
        assert_eq!(schema["writeOnly"], true);
    }

    #[test]
    fn marked_and_unmarked_uses_of_one_type_keep_apart() {
        #[derive(schemars::JsonSchema)]
        struct Address {
            #[expect(dead_code, reason = "only its schema is of interest")]
            street: String,
        }
        let schema = schema_for!((Address, Pii<Address>)).to_value();
        let items = schema["prefixItems"].as_array().expect("a pair");
        assert!(items[0]["$ref"].is_string() && items[0].get("x-personal").is_none(), "{schema}");
        assert!(items[1]["properties"].is_object() && items[1]["x-personal"] == true, "{schema}");
    }
}
