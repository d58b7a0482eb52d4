//! Personal data and secrets as types that cannot be printed.
//!
//! Neither type implements `Display`, `Serialize` or a `Debug` that shows the value, so neither can
//! reach a log, a span, a metric label or an error by accident. `reveal` is the one way out, and is
//! easy to search for.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator};
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

/// Both wrappers are invisible in a schema: rules on a field (`length`, `email`) apply to the
/// value.
macro_rules! transparent_schema {
    ($wrapper:ident, $($bound:tt)*) => {
        impl<T: JsonSchema + $($bound)*> JsonSchema for $wrapper<T> {
            fn inline_schema() -> bool {
                T::inline_schema()
            }

            fn schema_name() -> Cow<'static, str> {
                T::schema_name()
            }

            fn schema_id() -> Cow<'static, str> {
                T::schema_id()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                T::json_schema(generator)
            }
        }
    };
}

transparent_schema!(Pii, Sized);
transparent_schema!(Secret, Zeroize);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_wrapper_prints_its_value() {
        let person = Pii::new("ada@example.com".to_owned());
        let password = Secret::new("correct horse".to_owned());
        assert_eq!(format!("{person:?} {password:?}"), "Pii(..) Secret(..)");
    }
}
