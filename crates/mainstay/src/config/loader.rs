//! Reads sections from the sources and finds everything that is wrong before anything starts.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    document::Document,
    effective::{Effective, Setting},
    error::{ConfigError, ConfigErrors, Origin, suggest},
    section::{Knob, Raw, RawSection, Reader, Section, SectionInfo, VARIABLE_PREFIX, bad_value},
    sources::Sources,
};

/// Variables of a standard that are not read. Who sets one expects something, and is told.
const IGNORED_VARIABLES: [(&str, &str); 2] = [
    ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "set OTEL_EXPORTER_OTLP_ENDPOINT, without /v1/traces"),
    (
        "OTEL_TRACES_SAMPLER",
        "traces are kept by their caller's decision or OTEL_TRACES_SAMPLER_ARG",
    ),
];

/// Reads one section after the other; [`finish`](Loader::finish) says whether they may be used.
///
/// A section read with mistakes has defaults in their places, so nothing read from a loader is to
/// be used before `finish` succeeds.
#[derive(Debug)]
pub struct Loader {
    document: Document,
    environment: BTreeMap<String, String>,
    /// By full key: what the application puts in the place of built-in defaults.
    defaults: BTreeMap<&'static str, String>,
    sections: Vec<&'static SectionInfo>,
    settings: Vec<Setting>,
    errors: Vec<ConfigError>,
    /// Full keys with a mistake: what follows from a mistake is not reported.
    broken: BTreeSet<String>,
}

impl Loader {
    /// Reads the file.
    pub fn new(sources: Sources) -> Self {
        let mut errors = Vec::new();
        Self {
            document: Document::read(&sources.file, &mut errors),
            environment: sources.environment.into_iter().collect(),
            defaults: BTreeMap::new(),
            sections: Vec::new(),
            settings: Vec::new(),
            errors,
            broken: BTreeSet::new(),
        }
    }

    /// Replaces the built-in default of a knob of a section read later: `database.url`.
    #[must_use]
    pub fn with_default(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.defaults.insert(key, value.into());
        self
    }

    /// Reads a section.
    pub fn section<S: Section>(&mut self) -> S {
        let info = S::INFO;
        let mut mistakes = Vec::new();
        let mut raw = RawSection::new(info, |knob| self.raw(info, knob, &mut mistakes));
        S::prepare(&mut raw);
        let mut reader = Reader { raw: &raw, errors: mistakes };
        let section = S::read(&mut reader);
        for (key, error) in reader.errors {
            self.broken.insert(format!("{}.{key}", info.name));
            self.errors.push(error);
        }
        self.settings.extend(raw.iter().map(|(knob, raw)| Setting {
            key: format!("{}.{}", info.name, knob.key),
            value: knob.kind.masked(&raw.text),
            origin: raw.origin.clone(),
        }));
        self.sections.push(info);
        section.check(self);
        section
    }

    /// The strongest source that has the knob. Its own variable beats the usual name, which other
    /// programs in the same environment may share; an empty usual name counts as not set.
    fn raw(
        &self,
        info: &SectionInfo,
        knob: &Knob,
        mistakes: &mut Vec<(&'static str, ConfigError)>,
    ) -> Raw {
        let usual =
            knob.env.filter(|name| self.environment.get(*name).is_some_and(|v| !v.is_empty()));
        let own = info.variable(knob);
        let name = if self.environment.contains_key(&own) { Some(own.as_str()) } else { usual };
        if let Some((name, text)) = name.and_then(|name| self.environment.get_key_value(name)) {
            return Raw { text: text.clone(), origin: Origin::Environment(name.clone()) };
        }
        if let Some(entry) = self.document.entry(info.name, knob.key) {
            let origin = entry.origin.clone();
            match entry.text(knob.kind) {
                Ok(text) => return Raw { text, origin },
                Err(why) => {
                    let raw = Raw { text: String::new(), origin };
                    let mut error = bad_value(info, knob, &raw, &why);
                    error.what = format!("{}.{} has the wrong type", info.name, knob.key);
                    mistakes.push((knob.key, error));
                }
            }
        }
        let key = format!("{}.{}", info.name, knob.key);
        let text = self.defaults.get(key.as_str()).map_or(knob.default, String::as_str);
        Raw { text: text.to_owned(), origin: Origin::Default }
    }

    /// Where the value of a knob that has been read comes from.
    pub fn origin(&self, key: &str) -> Option<&Origin> {
        self.settings.iter().find(|setting| setting.key == key).map(|setting| &setting.origin)
    }

    /// Reports that values which are good alone contradict each other. Says nothing while one of
    /// the keys has a mistake of its own.
    pub fn conflict(&mut self, keys: &[&str], why: impl Into<String>, fix: impl Into<String>) {
        if keys.iter().any(|key| self.broken.contains(*key)) {
            return;
        }
        let found = self.settings.iter().filter(|setting| keys.contains(&setting.key.as_str()));
        let show = |setting: &Setting| format!("{} is {}", setting.key, setting.value);
        self.errors.push(ConfigError {
            origins: found.clone().map(|setting| setting.origin.clone()).collect(),
            what: found.map(show).collect::<Vec<_>>().join(" and "),
            why: why.into(),
            fix: fix.into(),
        });
    }

    /// Every mistake found, or what is in effect.
    pub fn finish(mut self) -> Result<Effective, ConfigErrors> {
        self.find_unknown_in_file();
        self.find_unknown_variables();
        self.find_unknown_defaults();
        if !self.errors.is_empty() {
            return Err(ConfigErrors(self.errors));
        }
        let warnings = self.warnings();
        Ok(Effective {
            file: self.document.path().map(str::to_owned),
            settings: self.settings,
            warnings,
            sections: self.sections,
            defaults: self.defaults,
        })
    }

    fn find_unknown_in_file(&mut self) {
        let names = self.sections.iter().map(|info| info.name);
        for (name, section) in &self.document.sections {
            let Some(info) = self.sections.iter().find(|info| info.name == name) else {
                self.errors.push(unknown(
                    section.origin.clone(),
                    format!("there is no section [{name}]"),
                    suggest(name, names.clone()),
                ));
                continue;
            };
            let keys = info.knobs.iter().map(|knob| knob.key);
            for (key, entry) in &section.entries {
                if !keys.clone().any(|known| known == key) {
                    self.errors.push(unknown(
                        entry.origin.clone(),
                        format!("section [{name}] has no key `{key}`"),
                        suggest(key, keys.clone()),
                    ));
                }
            }
        }
    }

    fn find_unknown_variables(&mut self) {
        let known: Vec<String> = self
            .sections
            .iter()
            .flat_map(|info| info.knobs.iter().map(|knob| info.variable(knob)))
            .collect();
        for name in self.environment.keys().filter(|name| name.starts_with(VARIABLE_PREFIX)) {
            if !known.contains(name) {
                self.errors.push(unknown(
                    Origin::Environment(name.clone()),
                    format!("there is no knob {name}"),
                    suggest(name, known.iter().map(String::as_str)),
                ));
            }
        }
    }

    fn find_unknown_defaults(&mut self) {
        let known: Vec<&str> = self.settings.iter().map(|setting| setting.key.as_str()).collect();
        for key in self.defaults.keys().filter(|key| !known.contains(*key)) {
            self.errors.push(unknown(
                Origin::Default,
                format!("the application has a default for `{key}`, which is no knob"),
                suggest(key, known.iter().copied()),
            ));
        }
    }

    fn warnings(&self) -> Vec<String> {
        let knobs = || self.sections.iter().flat_map(|info| info.knobs);
        let is_set = |name| self.environment.get(name).is_some_and(|text| !text.is_empty());
        IGNORED_VARIABLES
            .iter()
            // An application may have a knob of that name.
            .filter(|(name, _)| is_set(*name) && !knobs().any(|knob| knob.env == Some(*name)))
            .map(|(name, why)| format!("environment {name} is ignored: {why}"))
            .collect()
    }
}

fn unknown(origin: Origin, what: String, fix: String) -> ConfigError {
    let why = "nothing reads it, so it would have no effect".to_owned();
    ConfigError { origins: vec![origin], what, why, fix }
}
