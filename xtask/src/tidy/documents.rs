//! The documents keep up with the code: every error code and every configuration knob is described.

use super::{
    Exception, Finding, Rule, settle,
    source::{Source, words},
    tree::{File, sources},
};
use crate::coverage::{REGISTRY, registered};

const ERRORS: &str = "docs/errors.md";
const CONFIGURATION: &str = "docs/configuration.md";

const CODE: Rule = Rule {
    sentence: "every code of the registry is in docs/errors.md",
    why: "a problem document links there, and the reader is in trouble already",
};
const KNOB: Rule = Rule {
    sentence: "every configuration knob is in docs/configuration.md",
    why: "a knob nobody can find is set by reading the source at night",
};

/// Breaches that are meant to be.
const EXCEPTIONS: &[Exception] = &[];

#[test]
fn every_error_code_is_documented() {
    let registry = File::required(REGISTRY);
    let codes = registered(&registry.text).expect("the registry is well formed");
    let document = File::required(ERRORS);
    settle(
        &undocumented(codes.iter().map(|code| (REGISTRY, 1, code.as_str())), &document, CODE),
        EXCEPTIONS,
    );
}

#[test]
fn every_configuration_knob_is_documented() {
    let document = File::required(CONFIGURATION);
    let sources = sources();
    let knobs: Vec<_> = sources.iter().filter(|source| ships(source)).flat_map(knobs).collect();
    assert!(!knobs.is_empty(), "the configuration has moved, so this test would check nothing");
    let knobs = knobs.iter().map(|(path, line, name)| (*path, *line, name.as_str()));
    settle(&undocumented(knobs, &document, KNOB), EXCEPTIONS);
}

/// Whether a file is part of what users configure, and not a test of how that works.
fn ships(source: &Source) -> bool {
    ["crates/mainstay/src/", "accounts/src/"].iter().any(|part| source.path.starts_with(part))
}

/// Where the reader is in a file that declares knobs.
enum Place<'a> {
    Elsewhere,
    /// After `section! {`, before its struct.
    Declaration,
    /// Among the knobs of the section of this name.
    Knobs(&'a str),
}

/// The environment variables of a file's `section!` declarations: `MAINSTAY_HTTP__PORT` for each
/// knob, and the usual name (`PORT`) where a knob has one. A variable is unlike any other word, so
/// a page that contains it describes the knob.
fn knobs(source: &Source) -> Vec<(&str, usize, String)> {
    let mut found = Vec::new();
    let mut place = Place::Elsewhere;
    for (number, line) in source.production() {
        let code = line.code.trim();
        place = match place {
            _ if code.starts_with("section! {") => Place::Declaration,
            Place::Declaration if words(code).any(|word| word == "struct") => {
                Place::Knobs(words(&line.literal).next().unwrap_or_default())
            }
            Place::Knobs(_) if code == "}" => Place::Elsewhere,
            Place::Knobs(section) => {
                let usual = words(&line.literal).filter(|word| is_variable(word));
                let names = own_variable(section, code).into_iter().chain(usual.map(str::to_owned));
                found.extend(names.map(|name| (source.path.as_str(), number, name)));
                place
            }
            same => same,
        };
    }
    found
}

/// The variable of the knob that a line declares, if it declares one. `timeout: Duration as ms` is
/// the knob `timeout_ms`.
fn own_variable(section: &str, code: &str) -> Option<String> {
    let (field, kind) = code.split_once(": ")?;
    let unit = words(kind).skip_while(|word| *word != "as").nth(1);
    let unit = unit.map_or_else(String::new, |unit| format!("_{unit}"));
    let is_field = words(field).next() == Some(field);
    is_field.then(|| format!("MAINSTAY_{section}__{field}{unit}").to_ascii_uppercase())
}

/// `DATABASE_URL`, `PORT`: at least four capitals.
fn is_variable(word: &str) -> bool {
    word.len() >= 4 && word.chars().all(|c| c.is_ascii_uppercase() || c == '_')
}

fn undocumented<'a>(
    names: impl Iterator<Item = (&'a str, usize, &'a str)>,
    document: &File,
    rule: Rule,
) -> Vec<Finding> {
    names
        .filter(|(_, _, name)| !words(&document.text).any(|word| word == *name))
        .map(|(path, line, name)| Finding::at(path, line, rule, name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_knobs_of_a_section_are_found_by_their_variables() {
        let text = "\
macro_rules! section {
    (a: b) => {};
}

section! {
    /// Mail: how it leaves.
    pub struct Mail in \"mail\", check complete {
        /// Where: the port.
        port: u16 = \"25\", env \"MAIL_PORT\";
        host_name: Option<String> =
            \"\", env \"MAIL_HOST\";
        timeout: Duration as ms = \"2000\", range 1..=60000;
        window: Duration as seconds = \"60\";
    }
}

struct Other {
    hidden: u8,
}
";
        let source = Source::new("crates/mainstay/src/config/mail.rs".to_owned(), text);
        assert!(ships(&source));
        let names: Vec<_> =
            knobs(&source).into_iter().map(|(_, line, name)| (line, name)).collect();
        let expected = [
            (9, "MAINSTAY_MAIL__PORT"),
            (9, "MAIL_PORT"),
            (10, "MAINSTAY_MAIL__HOST_NAME"),
            (11, "MAIL_HOST"),
            (12, "MAINSTAY_MAIL__TIMEOUT_MS"),
            (13, "MAINSTAY_MAIL__WINDOW_SECONDS"),
        ];
        assert_eq!(names, expected.map(|(line, name)| (line, name.to_owned())));
    }

    #[test]
    fn a_name_that_is_only_part_of_another_word_is_undocumented() {
        let document = File { path: String::new(), text: "`PORT_MAX` and `HOST`".to_owned() };
        let names = ["PORT", "HOST"].map(|name| ("config.rs", 1, name));
        let findings = undocumented(names.into_iter(), &document, KNOB);
        assert_eq!(findings.iter().map(|f| f.found.as_str()).collect::<Vec<_>>(), ["PORT"]);
    }
}
