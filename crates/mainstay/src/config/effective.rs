//! What is in effect, for the `config` command, and the reference of all knobs.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
};

use super::{
    error::Origin,
    section::{Knob, SectionInfo},
    value::Kind,
};

/// One value in effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// `section.key`.
    pub key: String,
    /// As it would be written, with secrets masked.
    pub value: String,
    /// Where it comes from.
    pub origin: Origin,
}

/// A configuration without mistakes, as people see it.
#[derive(Clone, Debug)]
pub struct Effective {
    pub(super) file: Option<String>,
    pub(super) settings: Vec<Setting>,
    pub(super) warnings: Vec<String>,
    pub(super) sections: Vec<&'static SectionInfo>,
    pub(super) defaults: BTreeMap<&'static str, String>,
}

impl Effective {
    /// The file that was read, if any.
    pub fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }

    /// Every knob of every section, in the order of declaration.
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }

    /// What was set and has no effect in this version; one line each.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The reference of all knobs for `docs/configuration.md`: one table for each section.
    pub fn markdown(&self) -> String {
        let mut page = MARKDOWN_HEAD.to_owned();
        for info in &self.sections {
            let doc = info.doc.trim();
            let _ = write!(page, "## `[{}]`\n\n{doc}\n\n{TABLE_HEAD}", info.name);
            for knob in info.knobs {
                let key = format!("{}.{}", info.name, knob.key);
                let default = self.defaults.get(key.as_str()).map_or(knob.default, String::as_str);
                page.push_str(&row(info, knob, default));
            }
            page.push('\n');
        }
        page
    }
}

const MARKDOWN_HEAD: &str = "# Configuration\n\n\
    Built-in defaults, then a TOML file (`mainstay.toml`, or `--config PATH`), then the \
    environment;\n\
    the later one wins. Every mistake is reported at once and the process exits with 2 before it\n\
    opens or binds anything. The command `config` prints what is in effect and where it comes \
    from.\n\
    This page is generated (`config --markdown`) and a test compares it.\n\n";

const TABLE_HEAD: &str =
    "| key | environment | takes | default | meaning |\n|---|---|---|---|---|\n";

fn row(info: &SectionInfo, knob: &Knob, default: &str) -> String {
    let own = format!("`{}`", info.variable(knob));
    let environment = knob.env.map_or(own.clone(), |usual| format!("`{usual}`, {own}"));
    let takes = match (knob.kind, &knob.range) {
        (Kind::Choice(words), _) => {
            words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
        }
        (Kind::List(noun), _) => format!("list of {noun}s"),
        (kind, Some(range)) => format!("{}, {} to {}", kind.noun(), range.start(), range.end()),
        (kind, None) => kind.noun().to_owned(),
    };
    let default = if default.is_empty() { "none".to_owned() } else { format!("`{default}`") };
    let doc = knob.doc.trim().replace('|', "\\|");
    format!("| `{}` | {environment} | {takes} | {default} | {doc} |\n", knob.key)
}

/// Aligned columns: key, value, origin.
impl fmt::Display for Effective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |text: fn(&Setting) -> &str| {
            self.settings.iter().map(|setting| text(setting).len()).max().unwrap_or(0)
        };
        let (keys, values) = (width(|s| &s.key), width(|s| &s.value));
        for Setting { key, value, origin } in &self.settings {
            writeln!(f, "{key:keys$}  {value:values$}  {origin}")?;
        }
        Ok(())
    }
}
