//! The configuration file: sections of keys, each with the line it stands on.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use toml::{
    Spanned,
    de::{DeString, DeTable, DeValue},
};

use super::{
    error::{ConfigError, Origin},
    sources::ConfigFile,
    value::Kind,
};

/// A parsed file; empty when there is none.
#[derive(Debug, Default)]
pub(super) struct Document {
    path: Arc<str>,
    pub(super) sections: BTreeMap<String, FileSection>,
}

#[derive(Debug)]
pub(super) struct FileSection {
    pub(super) origin: Origin,
    pub(super) entries: BTreeMap<String, Entry>,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) origin: Origin,
    value: FileValue,
}

/// As much of TOML as a knob can take.
#[derive(Debug)]
enum FileValue {
    Integer(String),
    Float(String),
    Text(String),
    List(Vec<String>),
    Other(&'static str),
}

impl Entry {
    /// The value as the text a knob of this kind is read from, or why it has the wrong type.
    pub(super) fn text(&self, kind: Kind) -> Result<String, String> {
        match (&self.value, kind) {
            (FileValue::Integer(digits), kind) if kind.is_number() => Ok(digits.clone()),
            (FileValue::Integer(digits) | FileValue::Float(digits), Kind::Ratio) => {
                Ok(digits.clone())
            }
            (FileValue::Text(text), kind)
                if !kind.is_number() && !matches!(kind, Kind::List(_) | Kind::Ratio) =>
            {
                Ok(text.clone())
            }
            (FileValue::List(items), Kind::List(_)) => Ok(items.join(",")),
            (found, kind) => Err(format!("is {}, and must be {}", found.noun(), expected(kind))),
        }
    }
}

impl FileValue {
    const fn noun(&self) -> &'static str {
        match self {
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a float",
            Self::Text(_) => "a string",
            Self::List(_) => "an array of strings",
            Self::Other(noun) => noun,
        }
    }
}

const fn expected(kind: Kind) -> &'static str {
    match kind {
        Kind::Integer | Kind::Milliseconds | Kind::Seconds => "an integer (without quotes)",
        Kind::Ratio => "a number (without quotes)",
        Kind::List(_) => "an array of strings",
        _ => "a string (in quotes)",
    }
}

impl Document {
    /// Reads the file. What can be understood of a broken one is kept, so that one slip does not
    /// hide the mistakes after it.
    pub(super) fn read(file: &ConfigFile, errors: &mut Vec<ConfigError>) -> Self {
        let (ConfigFile::IfPresent(path) | ConfigFile::Required(path)) = file else {
            return Self::default();
        };
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&path.to_string_lossy(), &text, errors),
            Err(error)
                if error.kind() == std::io::ErrorKind::NotFound
                    && matches!(file, ConfigFile::IfPresent(_)) =>
            {
                Self::default()
            }
            Err(error) => {
                errors.push(unreadable(path, &error));
                Self::default()
            }
        }
    }

    fn parse(path: &str, text: &str, errors: &mut Vec<ConfigError>) -> Self {
        let path: Arc<str> = path.into();
        let at = |offset| Origin::File { path: path.clone(), line: line_of(text, offset) };
        let (table, broken) = DeTable::parse_recoverable(text);
        errors.extend(broken.iter().map(|error| ConfigError {
            origins: vec![at(error.span().map_or(0, |span| span.start))],
            what: "the file is not TOML".to_owned(),
            why: error.message().to_owned(),
            fix: "correct the line; see https://toml.io".to_owned(),
        }));
        // The parser often finds a second mistake in what is left of a line.
        errors.dedup_by(|error, before| error.origins == before.origins);

        let mut sections = BTreeMap::new();
        for (name, value) in table.get_ref() {
            let origin = at(name.span().start);
            let DeValue::Table(table) = value.get_ref() else {
                errors.push(outside(name.get_ref(), origin));
                continue;
            };
            let entry = |(key, value): (&Spanned<DeString<'_>>, &Spanned<DeValue<'_>>)| {
                let origin = at(key.span().start);
                (key.get_ref().to_string(), Entry { origin, value: file_value(value.get_ref()) })
            };
            let entries = table.iter().map(entry).collect();
            sections.insert(name.get_ref().to_string(), FileSection { origin, entries });
        }
        Self { path, sections }
    }

    pub(super) fn entry(&self, section: &str, key: &str) -> Option<&Entry> {
        self.sections.get(section)?.entries.get(key)
    }

    /// The file's name, if one was read.
    pub(super) fn path(&self) -> Option<&str> {
        (!self.path.is_empty()).then_some(&*self.path)
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

fn file_value(value: &DeValue<'_>) -> FileValue {
    match value {
        DeValue::String(text) => FileValue::Text(text.to_string()),
        DeValue::Integer(digits) => {
            // Hexadecimal and the like are brought to the form that knobs are read from.
            match i128::from_str_radix(digits.as_str(), digits.radix()) {
                Ok(number) => FileValue::Integer(number.to_string()),
                Err(_) => FileValue::Other("an integer out of every range"),
            }
        }
        DeValue::Array(items) => {
            let text = |item: &Spanned<DeValue<'_>>| item.get_ref().as_str().map(str::to_owned);
            match items.iter().map(text).collect() {
                Some(items) => FileValue::List(items),
                None => FileValue::Other("an array with items that are not strings"),
            }
        }
        DeValue::Float(digits) => FileValue::Float(digits.as_str().to_owned()),
        DeValue::Boolean(_) => FileValue::Other("a boolean"),
        DeValue::Datetime(_) => FileValue::Other("a date"),
        DeValue::Table(_) => FileValue::Other("a table"),
    }
}

fn outside(key: &str, origin: Origin) -> ConfigError {
    ConfigError {
        origins: vec![origin],
        what: format!("`{key}` stands outside every section"),
        why: "each knob belongs to a section, so nothing reads it".to_owned(),
        fix: "move it below the header of its section, such as [http]".to_owned(),
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> ConfigError {
    ConfigError {
        origins: vec![Origin::File { path: path.to_string_lossy().into(), line: 0 }],
        what: "the configuration file cannot be read".to_owned(),
        why: error.to_string(),
        fix: "check the path and its permissions, and that the file is UTF-8 text".to_owned(),
    }
}
