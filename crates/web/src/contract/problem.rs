//! What can be wrong with an input: the table of field codes, and where in the input it is.
//!
//! A message is made from the rule alone and a pointer from names the contract knows, so nothing a
//! caller sent can come back in either.

use std::{borrow::Cow, fmt::Write as _};

use mainstay_core::{FieldProblem, Location};

use super::{
    number::Number,
    schema::{Count, Types},
};

/// How many problems one answer lists. Taste: nobody repairs more than this at once, and a body of
/// a million wrong items must not become an answer of a million lines.
pub const PROBLEMS_MAX: usize = 50;

/// Every code a [`FieldProblem`] of a contract can have, and what it means. Codes are stable.
pub const FIELD_CODES: &[(&str, &str)] = &[
    ("required", "the field is missing"),
    ("unknown_field", "the object has a field the contract does not name"),
    ("duplicate_field", "the field or the parameter is given more than once"),
    ("wrong_type", "the value has another JSON type, or a parameter cannot be read as its type"),
    ("too_short", "the text has too few characters"),
    ("too_long", "the text has too many characters"),
    ("too_small", "the number is below its minimum"),
    ("too_large", "the number is above its maximum"),
    ("not_a_multiple", "the number is not a multiple of the one the contract names"),
    ("too_few", "the list has too few items, or the object too few fields"),
    (
        "too_many",
        "the list has too many items, the object too many fields, the request too many parameters",
    ),
    ("not_unique", "the list holds an item twice"),
    ("not_an_email", "the text is not an e-mail address"),
    ("not_a_uuid", "the text is not a hyphenated UUID"),
    ("not_a_timestamp", "the text is not an RFC 3339 time"),
    ("not_a_date", "the text is not a date"),
    ("not_a_url", "the text is not an absolute URL"),
    ("not_an_ip", "the text is not an IP address"),
    ("bad_pattern", "the text does not match its pattern"),
    ("bad_character", "the text holds the character U+0000"),
    ("not_allowed", "the value is not one of those allowed"),
    ("no_match", "the value matches none of its possible forms, or more than one"),
    ("bad_encoding", "the parameter is not percent-encoded UTF-8"),
    ("invalid", "the value breaks a rule that the schema does not express"),
];

/// One broken rule, with what its message is made of.
pub(super) enum Broken<'a> {
    Required,
    /// Lists what is known, never what was sent.
    UnknownField {
        known: Vec<&'a str>,
    },
    DuplicateField,
    WrongType(Types),
    TooShort(u64),
    TooLong(u64),
    TooSmall(Number),
    /// Not above an exclusive minimum.
    NotAbove(Number),
    TooLarge(Number),
    /// Not below an exclusive maximum.
    NotBelow(Number),
    NotMultiple(i64),
    TooFew(u64, Count),
    TooMany(u64, Count),
    NotUnique,
    /// The code and the message of the format.
    Format(&'static str, &'static str),
    Pattern {
        expression: &'a str,
        message: Option<&'a str>,
    },
    Character,
    /// The words that are allowed.
    NotAllowed(&'a str),
    /// Nothing is allowed here.
    Forbidden,
    NoMatch,
    Encoding,
    Invalid,
}

impl Broken<'_> {
    /// The stable name.
    pub(super) const fn code(&self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::UnknownField { .. } => "unknown_field",
            Self::DuplicateField => "duplicate_field",
            Self::WrongType(_) => "wrong_type",
            Self::TooShort(_) => "too_short",
            Self::TooLong(_) => "too_long",
            Self::TooSmall(_) | Self::NotAbove(_) => "too_small",
            Self::TooLarge(_) | Self::NotBelow(_) => "too_large",
            Self::NotMultiple(_) => "not_a_multiple",
            Self::TooFew(..) => "too_few",
            Self::TooMany(..) => "too_many",
            Self::NotUnique => "not_unique",
            Self::Format(code, _) => code,
            Self::Pattern { .. } => "bad_pattern",
            Self::Character => "bad_character",
            Self::NotAllowed(_) | Self::Forbidden => "not_allowed",
            Self::NoMatch => "no_match",
            Self::Encoding => "bad_encoding",
            Self::Invalid => "invalid",
        }
    }

    /// One fragment for people: `must have at least 1 character`.
    fn message(&self) -> Cow<'static, str> {
        match self {
            Self::Required => "is required".into(),
            Self::UnknownField { known } if known.is_empty() => "takes no fields".into(),
            Self::UnknownField { known } => {
                format!("takes only the fields {}", known.join(", ")).into()
            }
            Self::DuplicateField => "is given more than once".into(),
            Self::WrongType(types) => format!("must be {types}").into(),
            Self::TooShort(min) => {
                format!("must have at least {}", Count::Characters.of(*min)).into()
            }
            Self::TooLong(max) => {
                format!("must have at most {}", Count::Characters.of(*max)).into()
            }
            Self::TooSmall(min) => format!("must be at least {min}").into(),
            Self::NotAbove(limit) => format!("must be greater than {limit}").into(),
            Self::TooLarge(max) => format!("must be at most {max}").into(),
            Self::NotBelow(limit) => format!("must be less than {limit}").into(),
            Self::NotMultiple(divisor) => format!("must be a multiple of {divisor}").into(),
            Self::TooFew(min, what) => format!("must have at least {}", what.of(*min)).into(),
            Self::TooMany(max, what) => format!("must have at most {}", what.of(*max)).into(),
            Self::NotUnique => "must not hold the same item twice".into(),
            Self::Format(_, message) => (*message).into(),
            Self::Pattern { message: Some(message), .. } => (*message).to_owned().into(),
            Self::Pattern { expression, .. } => {
                format!("must match the pattern {expression}").into()
            }
            Self::Character => "must not contain the character U+0000".into(),
            Self::NotAllowed(allowed) => format!("must be {allowed}").into(),
            Self::Forbidden => "is not allowed".into(),
            Self::NoMatch => "must match exactly one of the forms the contract describes".into(),
            Self::Encoding => "must be percent-encoded UTF-8".into(),
            Self::Invalid => "is not valid".into(),
        }
    }

    /// The finished problem at `trail`.
    pub(super) fn at(&self, location: Location, trail: Trail<'_>) -> FieldProblem {
        let (pointer, cut) = trail.pointer();
        let message = match cut {
            Cut::Whole => self.message(),
            Cut::AtHidden => format!("holds a value that {}", self.message()).into(),
        };
        debug_assert!(FIELD_CODES.iter().any(|(code, _)| *code == self.code()), "undocumented");
        FieldProblem { location, pointer, code: self.code(), message }
    }
}

/// One step from an input's root towards a value.
#[derive(Clone, Copy)]
pub(super) enum Step<'a> {
    /// A member whose name the contract knows.
    Name(&'a str),
    /// A position in an array.
    Index(usize),
    /// A member whose name came from the caller, so that it is not to be repeated.
    Hidden,
}

/// Where a value is, as a list on the stack: nothing is allocated unless a problem is found.
#[derive(Clone, Copy)]
pub(super) struct Trail<'a>(Option<(&'a Trail<'a>, Step<'a>)>);

/// Whether a pointer leads all the way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cut {
    Whole,
    /// It ends at the parent of the first hidden step.
    AtHidden,
}

impl<'a> Trail<'a> {
    /// The input itself.
    pub(super) const ROOT: Self = Self(None);

    /// One step further.
    pub(super) fn then(&'a self, step: Step<'a>) -> Self {
        Self(Some((self, step)))
    }

    /// The steps, the last one first.
    pub(super) fn back(&self) -> impl Iterator<Item = Step<'a>> {
        let mut here = self.0;
        std::iter::from_fn(move || {
            let (parent, step) = here?;
            here = parent.0;
            Some(step)
        })
    }

    /// RFC 6901, as far as the first hidden step.
    fn pointer(&self) -> (String, Cut) {
        let mut steps: Vec<_> = self.back().collect();
        steps.reverse();
        let mut pointer = String::new();
        for step in steps {
            match step {
                Step::Name(name) => push_name(&mut pointer, name),
                // Writing into a String cannot fail.
                Step::Index(index) => _ = write!(pointer, "/{index}"),
                Step::Hidden => return (pointer, Cut::AtHidden),
            }
        }
        (pointer, Cut::Whole)
    }
}

/// Appends a reference token, escaped as RFC 6901 section 3 says.
pub(super) fn push_name(pointer: &mut String, name: &str) {
    pointer.push('/');
    for character in name.chars() {
        match character {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            other => pointer.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_is_escaped_and_ends_before_what_the_caller_named() {
        let (list, item) = (Trail::ROOT.then(Step::Name("a/b~c")), Step::Index(3));
        let item = list.then(item);
        assert_eq!(item.pointer(), ("/a~1b~0c/3".to_owned(), Cut::Whole));
        let hidden = item.then(Step::Hidden);
        let below = hidden.then(Step::Name("zip"));
        assert_eq!(below.pointer(), ("/a~1b~0c/3".to_owned(), Cut::AtHidden));
        assert_eq!(Trail::ROOT.pointer(), (String::new(), Cut::Whole));
    }
}
