//! What messages say about choices and sizes.

/// `one of a, b`, or `a` alone.
pub(super) fn one_of(words: impl ExactSizeIterator<Item = String>) -> Box<str> {
    let prefix = if words.len() == 1 { "" } else { "one of " };
    let words: Vec<_> = words.collect();
    format!("{prefix}{}", words.join(", ")).into()
}

/// What a size counts, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Count {
    Characters,
    Items,
    Fields,
    Parameters,
}

impl Count {
    /// `1 character`, `2 characters`.
    pub(crate) fn of(self, number: u64) -> String {
        let noun = match self {
            Self::Characters => "character",
            Self::Items => "item",
            Self::Fields => "field",
            Self::Parameters => "parameter",
        };
        format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
    }
}
