//! The `section!` macro: one declaration per knob.

use std::ops::RangeInclusive;

use super::{
    error::{ConfigError, Origin},
    loader::Loader,
    value::Kind,
};

/// One thing that can be configured.
#[derive(Clone, Debug)]
pub struct Knob {
    /// Its name within the section: `port`.
    pub key: &'static str,
    /// The name it is usually known by in an environment: `PORT`.
    pub env: Option<&'static str>,
    /// What it takes.
    pub kind: Kind,
    /// The built-in default, as it would be written.
    pub default: &'static str,
    /// The bounds of a number.
    pub range: Option<RangeInclusive<u64>>,
    /// What it does.
    pub doc: &'static str,
}

impl Knob {
    /// What a good value is: `a whole number from 0 to 65535`.
    pub(super) fn expected(&self) -> String {
        let noun = self.kind.noun();
        let article = if noun.starts_with(['a', 'e', 'i', 'I', 'o']) { "an" } else { "a" };
        match (self.kind, &self.range) {
            (Kind::Choice(words), _) => format!("one of {}", words.join(", ")),
            (Kind::List(noun), _) => format!("a list of {noun}s"),
            (_, Some(range)) => format!("a {noun} from {} to {}", range.start(), range.end()),
            _ => format!("{article} {noun}"),
        }
    }
}

/// What is known about a section without reading any value.
#[derive(Debug)]
pub struct SectionInfo {
    /// Its name in the file: `http`.
    pub name: &'static str,
    /// What its knobs have in common.
    pub doc: &'static str,
    /// In the order they are declared.
    pub knobs: &'static [Knob],
}

impl SectionInfo {
    /// The variable that sets a knob besides its usual name: `MAINSTAY_HTTP__PORT`.
    pub(super) fn variable(&self, knob: &Knob) -> String {
        format!("{VARIABLE_PREFIX}{}__{}", self.name, knob.key).to_ascii_uppercase()
    }
}

/// Every variable that starts so must be a knob's: a misspelt one is found.
pub(super) const VARIABLE_PREFIX: &str = "MAINSTAY_";

/// A group of knobs that is read as one struct; made by [`section!`](crate::section).
pub trait Section: Sized {
    /// Name, documentation and knobs.
    const INFO: &'static SectionInfo;

    /// Takes every knob.
    fn read(reader: &mut Reader<'_>) -> Self;

    /// Runs before values are parsed: one knob may be made from others.
    fn prepare(_raw: &mut RawSection) {}

    /// Runs after: reports values that are good alone and contradict each other.
    fn check(&self, _loader: &mut Loader) {}
}

/// A value before it is parsed.
#[derive(Clone, Debug)]
pub struct Raw {
    /// As it was written.
    pub text: String,
    /// Who wrote it.
    pub origin: Origin,
}

/// The unparsed values of a section.
#[derive(Debug)]
pub struct RawSection {
    info: &'static SectionInfo,
    /// One per knob, in the same order.
    values: Vec<Raw>,
}

impl RawSection {
    pub(super) fn new(info: &'static SectionInfo, raw: impl FnMut(&Knob) -> Raw) -> Self {
        Self { info, values: info.knobs.iter().map(raw).collect() }
    }

    /// Panics on a key that the section does not declare.
    pub fn get(&self, key: &str) -> &Raw {
        &self.values[self.position(key)]
    }

    /// Replaces a value. Panics on a key that the section does not declare.
    pub fn set(&mut self, key: &str, raw: Raw) {
        let position = self.position(key);
        self.values[position] = raw;
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static Knob, &Raw)> {
        self.info.knobs.iter().zip(&self.values)
    }

    fn position(&self, key: &str) -> usize {
        let position = self.info.knobs.iter().position(|knob| knob.key == key);
        position.unwrap_or_else(|| panic!("section [{}] declares no knob `{key}`", self.info.name))
    }
}

/// Parses the values of one section, and collects what is wrong with them.
#[derive(Debug)]
pub struct Reader<'a> {
    pub(super) raw: &'a RawSection,
    /// Beside each mistake, the key it is about.
    pub(super) errors: Vec<(&'static str, ConfigError)>,
}

impl Reader<'_> {
    /// Parses a knob's value. A bad one is reported, and the default stands in for it so that the
    /// rest can be checked too; such a configuration is never used.
    pub fn take<T>(&mut self, key: &str, parse: fn(&str) -> Result<T, String>) -> T {
        let position = self.raw.position(key);
        let knob = &self.raw.info.knobs[position];
        let raw = &self.raw.values[position];
        match in_range(knob, &raw.text).and_then(|()| parse(&raw.text)) {
            Ok(value) => value,
            Err(why) => {
                self.errors.push((knob.key, bad_value(self.raw.info, knob, raw, &why)));
                parse(knob.default).expect("a built-in default is a good value")
            }
        }
    }
}

/// The bounds say more than those of the type, so they are checked before it parses. A knob without
/// a default may also be left empty.
fn in_range(knob: &Knob, text: &str) -> Result<(), String> {
    match &knob.range {
        Some(_) if text.is_empty() && knob.default.is_empty() => Ok(()),
        Some(range) if !text.parse().is_ok_and(|number: u64| range.contains(&number)) => {
            Err(format!("is not {}", knob.expected()))
        }
        _ => Ok(()),
    }
}

pub(super) fn bad_value(info: &SectionInfo, knob: &Knob, raw: &Raw, why: &str) -> ConfigError {
    let key = format!("{}.{}", info.name, knob.key);
    let place = match &raw.origin {
        Origin::Environment(name) => name.clone(),
        _ => key.clone(),
    };
    let default = match knob.default {
        "" => "leave it unset".to_owned(),
        text => format!("remove it for the default {text}"),
    };
    ConfigError {
        origins: vec![raw.origin.clone()],
        what: if knob.kind.may_be_quoted() {
            format!("{key} is {:?}", raw.text)
        } else {
            format!("{key} has a value that cannot be used")
        },
        why: format!("the value {why}"),
        fix: format!("set {place} to {}, or {default}", knob.expected()),
    }
}

/// Declares a section: the struct, how it is read and its documentation.
///
/// ```
/// use std::{net::IpAddr, time::Duration};
///
/// mainstay::section! {
///     /// The mail relay.
///     pub struct Mail in "mail" {
///         /// Address of the relay.
///         host: IpAddr = "127.0.0.1", env "MAIL_HOST";
///         /// Port of the relay.
///         port: u16 = "25", range 1..=65535;
///         /// Longest wait for its answer. The knob is `timeout_ms`.
///         timeout: Duration as ms = "2000", range 1..=60000;
///     }
/// }
/// ```
///
/// A field's type implements [`Value`](crate::config::Value), or is a `Duration` read `as ms` or
/// `as seconds`, which appends the unit to the knob's name. Defaults are written as a user would
/// write them, and a bad one panics when the section is first read. After the name may follow
/// `, prepare path` ([`Section::prepare`](crate::config::Section::prepare)) and `, check path`
/// ([`Section::check`](crate::config::Section::check)).
#[macro_export]
macro_rules! section {
    (
        $(#[doc = $doc:literal])+
        $vis:vis struct $name:ident in $section:literal
            $(, prepare $prepare:path)? $(, check $check:path)?
        {
            $(
                $(#[doc = $field_doc:literal])+
                $field:ident: $type:ty $(as $unit:ident)? = $default:literal
                    $(, env $env:literal)? $(, range $min:literal..=$max:literal)?;
            )+
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug)]
        $vis struct $name {
            $($(#[doc = $field_doc])+ pub $field: $type,)+
        }

        impl $crate::config::Section for $name {
            const INFO: &'static $crate::config::SectionInfo = &$crate::config::SectionInfo {
                name: $section,
                doc: concat!($($doc),+),
                knobs: &[$($crate::config::Knob {
                    key: $crate::section!(@key $field $($unit)?),
                    env: $crate::section!(@option $($env)?),
                    kind: $crate::section!(@kind $type $(, $unit)?),
                    default: $default,
                    range: $crate::section!(@option $($min..=$max)?),
                    doc: concat!($($field_doc),+),
                },)+],
            };

            fn read(reader: &mut $crate::config::Reader<'_>) -> Self {
                Self {
                    $($field: reader.take(
                        $crate::section!(@key $field $($unit)?),
                        $crate::section!(@parse $type $(, $unit)?),
                    ),)+
                }
            }

            $(fn prepare(raw: &mut $crate::config::RawSection) {
                $prepare(raw);
            })?

            $(fn check(&self, loader: &mut $crate::config::Loader) {
                $check(self, loader);
            })?
        }
    };

    (@key $field:ident) => { stringify!($field) };
    (@key $field:ident $unit:ident) => { concat!(stringify!($field), "_", stringify!($unit)) };
    (@kind $type:ty) => { <$type as $crate::config::Value>::KIND };
    (@kind $type:ty, ms) => { $crate::config::Kind::Milliseconds };
    (@kind $type:ty, seconds) => { $crate::config::Kind::Seconds };
    (@parse $type:ty) => { <$type as $crate::config::Value>::parse };
    (@parse $type:ty, ms) => { $crate::config::milliseconds };
    (@parse $type:ty, seconds) => { $crate::config::seconds };
    (@option) => { None };
    (@option $min:literal..=$max:literal) => { Some(::std::ops::RangeInclusive::new($min, $max)) };
    (@option $value:literal) => { Some($value) };
}
