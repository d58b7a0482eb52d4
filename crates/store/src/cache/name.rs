//! What is invalidated has a name: that of an entry, or a tag that entries carry.

use std::{
    borrow::Cow,
    fmt::{Display, Write},
};

use sha2::{Digest, Sha256};

/// The longest word that stands in a name as it is.
const WORD_MAX: usize = 128;

/// What entries have in common, over all caches of a service: `Tag::new("user", id)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag(String);

impl Tag {
    /// The tag of one thing of a kind.
    pub fn new(kind: &str, id: impl Display) -> Self {
        Self(format!("{kind}:{id}"))
    }

    pub(super) fn name(&self) -> String {
        format!("t:{{{}}}", word(&self.0))
    }
}

/// The name of an entry. Every process says it alike, whatever its version of the value.
///
/// Braces: what belongs to one name is on one node of a cluster.
pub(super) fn of_entry(cache: &str, key: &str) -> String {
    format!("k:{cache}:{{{}}}", word(key))
}

/// The word itself, or its hash where it is long or would break out of the name.
fn word(text: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'{' | b'}' | b'#');
    if !text.is_empty() && text.len() <= WORD_MAX && text.bytes().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut hashed = String::with_capacity(1 + 64);
    // No plain word begins so.
    hashed.push('#');
    for byte in Sha256::digest(text) {
        write!(hashed, "{byte:02x}").expect("a string takes everything");
    }
    Cow::Owned(hashed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_whole_whatever_the_key() {
        assert_eq!(of_entry("flags", "dark-mode"), "k:flags:{dark-mode}");
        assert_eq!(Tag::new("user", 7).name(), "t:{user:7}");
        for key in ["", "a b", "}{", "ä", "#1", &"k".repeat(129)] {
            let name = of_entry("flags", key);
            assert_eq!(name.len(), "k:flags:{#}".len() + 64, "{name}");
            assert_eq!(name.matches(['{', '}', '#', ' ']).count(), 3, "{name}");
        }
        assert_ne!(of_entry("flags", "a b"), of_entry("flags", "a c"));
    }
}
