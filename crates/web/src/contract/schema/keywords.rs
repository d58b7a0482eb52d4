//! The keywords of one type each: strings, numbers, lists, objects.

use regex::Regex;
use serde_json::Value;

use super::{
    super::number::Number,
    Additional, Format, List, Node, Object, Pattern, Range, Text,
    compile::{Compiler, PATTERN_MESSAGE, Unsupported},
    pattern::{NO_NUL, objection},
};

/// Formats that `publish` has turned into bounds.
fn is_numeric(format: &str) -> bool {
    let integer = format.strip_prefix("uint").or_else(|| format.strip_prefix("int"));
    matches!(integer, Some("" | "8" | "16" | "32" | "64")) || matches!(format, "float" | "double")
}

/// The rules of one schema while they are gathered; a part that stays `None` costs no check.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) text: Option<Box<Text>>,
    pub(super) range: Option<Box<Range>>,
    pub(super) list: Option<Box<List>>,
    pub(super) object: Option<Box<Object>>,
    pub(super) numeric_format: bool,
}

impl Parts {
    fn text(&mut self) -> &mut Text {
        self.text.get_or_insert_default()
    }

    fn range(&mut self) -> &mut Range {
        self.range.get_or_insert_default()
    }

    fn list(&mut self) -> &mut List {
        self.list.get_or_insert_default()
    }

    fn object(&mut self) -> &mut Object {
        self.object.get_or_insert_default()
    }

    pub(super) fn move_into(self, node: &mut Node) {
        node.text = self.text;
        node.range = self.range;
        node.list = self.list;
        node.object = self.object;
    }
}

impl<'a> Compiler<'a> {
    pub(super) fn text(
        &mut self,
        keyword: &str,
        value: &Value,
        parts: &mut Parts,
    ) -> Result<bool, Unsupported> {
        match keyword {
            "minLength" => parts.text().length_min = self.size(value)?,
            "maxLength" => parts.text().length_max = Some(self.size(value)?),
            "pattern" => parts.text().pattern = self.pattern(value)?,
            PATTERN_MESSAGE => match value.as_str() {
                Some(message) => parts.text().pattern_message = Some(message.into()),
                None => return self.refuse("a message is a string"),
            },
            "format" => match value.as_str() {
                Some(name) if is_numeric(name) => parts.numeric_format = true,
                Some("int128" | "uint128") => {
                    return self.refuse("a JSON number has 64 bits here; take a string instead");
                }
                name => match name.and_then(Format::named) {
                    Some(format) => parts.text().format = Some(format),
                    None => return self.refuse("this format is not enforced; use a pattern"),
                },
            },
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// `None` for a pattern which the check of its format covers.
    fn pattern(&self, value: &Value) -> Result<Option<Pattern>, Unsupported> {
        let Some(pattern) = value.as_str() else { return self.refuse("a pattern is a string") };
        let of_formats = [Format::Email, Format::DateTime].map(Format::pattern);
        if of_formats.contains(&Some(pattern)) {
            return Ok(None);
        }
        if pattern == NO_NUL {
            return Ok(Some(Pattern::NoNul));
        }
        if let Some(advice) = objection(pattern) {
            return self.refuse(format!(
                "the pattern means different things to different engines: {advice}"
            ));
        }
        match Regex::new(pattern) {
            Ok(regex) => Ok(Some(Pattern::Regex(regex))),
            Err(_) => self.refuse("the pattern is not a regular expression"),
        }
    }

    pub(super) fn range(
        &mut self,
        keyword: &str,
        value: &Value,
        parts: &mut Parts,
    ) -> Result<bool, Unsupported> {
        let limit = value.as_number().map(Number::from);
        match keyword {
            "minimum" => parts.range().min = limit,
            "maximum" => parts.range().max = limit,
            "exclusiveMinimum" => parts.range().above = limit,
            "exclusiveMaximum" => parts.range().below = limit,
            "multipleOf" => match value.as_i64() {
                // Below 2^53 a divisor is exact as a float as well.
                Some(divisor @ 1..0x20_0000_0000_0000) => parts.range().multiple_of = Some(divisor),
                _ => {
                    return self.refuse(
                        "must be a positive integer: fractions are inexact in binary, so count \
                         the smaller unit",
                    );
                }
            },
            _ => return Ok(false),
        }
        if limit.is_none() {
            return self.refuse("is a number");
        }
        Ok(true)
    }

    pub(super) fn list(
        &mut self,
        keyword: &str,
        value: &'a Value,
        parts: &mut Parts,
    ) -> Result<bool, Unsupported> {
        match keyword {
            "items" => parts.list().items = Some(self.node(value)?),
            "prefixItems" => parts.list().prefix = self.nodes_of(value)?,
            "minItems" => parts.list().length_min = self.size(value)?,
            "maxItems" => parts.list().length_max = Some(self.size(value)?),
            "uniqueItems" => parts.list().unique = value == &Value::Bool(true),
            _ => return Ok(false),
        }
        Ok(true)
    }

    pub(super) fn object(
        &mut self,
        keyword: &str,
        value: &'a Value,
        parts: &mut Parts,
    ) -> Result<bool, Unsupported> {
        match keyword {
            "properties" => {
                let Some(properties) = value.as_object() else {
                    return self.refuse("is an object");
                };
                for (name, schema) in properties {
                    let id = self.within(name, |this| this.node(schema))?;
                    self.names.insert(name.as_str().into());
                    parts.object().properties.push((name.as_str().into(), id));
                }
                parts.object().properties.sort();
            }
            "required" => {
                let names = self.array(value)?.iter().filter_map(Value::as_str);
                parts.object().required = names.map(Box::from).collect();
                self.names.extend(parts.object().required.iter().cloned());
            }
            "additionalProperties" => {
                parts.object().additional = match value {
                    Value::Bool(true) => Additional::Any,
                    Value::Bool(false) => Additional::Closed,
                    schema => Additional::Each(self.node(schema)?),
                };
            }
            "propertyNames" => parts.object().names = Some(self.node(value)?),
            "minProperties" => parts.object().size_min = self.size(value)?,
            "maxProperties" => parts.object().size_max = Some(self.size(value)?),
            _ => return Ok(false),
        }
        Ok(true)
    }
}
