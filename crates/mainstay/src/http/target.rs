//! The path and query of a call: a template from the source, and values that are encoded here.

use std::fmt::{Display, Write as _};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but the unreserved characters of RFC 3986, section 2.3: a value stays one segment of
/// a path, or one value of a query, whatever is in it.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[derive(Debug)]
pub(super) struct Target {
    template: &'static str,
    params: Vec<(&'static str, String)>,
    /// Encoded, with the separators.
    query: String,
}

impl Target {
    pub(super) const fn new(template: &'static str) -> Self {
        Self { template, params: Vec::new(), query: String::new() }
    }

    pub(super) const fn template(&self) -> &'static str {
        self.template
    }

    pub(super) fn param(&mut self, name: &'static str, value: &dyn Display) {
        self.params.push((name, value.to_string()));
    }

    pub(super) fn query(&mut self, name: &'static str, value: &dyn Display) {
        let separator = if self.query.is_empty() { '?' } else { '&' };
        let (name, value) = (encoded(name), value.to_string());
        // Writing to a `String` cannot fail.
        let _ = write!(self.query, "{separator}{name}={}", encoded(&value));
    }

    /// The whole, below a prefix; or what is wrong with it, which never repeats a value.
    pub(super) fn build(&self, prefix: &str) -> Result<String, &'static str> {
        let mut rest = self.template;
        if !rest.starts_with('/') || rest.contains(['?', '#']) {
            return Err("the template is no path that begins with a slash");
        }
        let mut path = prefix.to_owned();
        let mut used = 0;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or("a brace of the template is open")?;
            let mut values = self.params.iter().filter(|(param, _)| *param == name);
            let (Some((_, value)), None) = (values.next(), values.next()) else {
                return Err("a parameter of the template has no value, or several");
            };
            // Whoever normalises a path takes these for something else, encoded or not.
            if matches!(value.as_str(), "" | "." | "..") {
                return Err("the value of a parameter is empty or a dot segment");
            }
            path.push_str(before);
            path.extend(encoded(value));
            used += 1;
            rest = after;
        }
        if used != self.params.len() {
            return Err("a value is for no parameter of the template");
        }
        path.push_str(rest);
        path.push_str(&self.query);
        Ok(path)
    }
}

fn encoded(text: &str) -> percent_encoding::PercentEncode<'_> {
    utf8_percent_encode(text, RESERVED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(
        template: &'static str,
        params: &[(&'static str, &str)],
    ) -> Result<String, &'static str> {
        let mut target = Target::new(template);
        for (name, value) in params {
            target.param(name, value);
        }
        target.build("/v1").map_err(|_| "refused")
    }

    #[test]
    fn a_value_stays_in_its_segment_whatever_is_in_it() {
        for (value, segment) in [
            ("7", "7"),
            ("a/b", "a%2Fb"),
            ("../admin", "..%2Fadmin"),
            ("a?b#c", "a%3Fb%23c"),
            ("%2e%2e", "%252e%252e"),
            ("{id}", "%7Bid%7D"),
            ("é\r\n", "%C3%A9%0D%0A"),
            ("a\\b;c", "a%5Cb%3Bc"),
        ] {
            let path = built("/users/{id}/keys", &[("id", value)]);
            assert_eq!(path, Ok(format!("/v1/users/{segment}/keys")));
        }
    }

    #[test]
    fn a_path_that_would_name_something_else_is_not_built() {
        for (template, params) in [
            ("/users/{id}", &[("id", "")][..]),
            ("/users/{id}", &[("id", ".")]),
            ("/users/{id}", &[("id", "..")]),
            ("/users/{id}", &[]),
            ("/users/{id}", &[("id", "1"), ("id", "2")]),
            ("/users", &[("id", "1")]),
            ("/users/{id", &[("id", "1")]),
            ("users", &[]),
            ("/users?all", &[]),
        ] {
            assert_eq!(built(template, params), Err("refused"), "{template} {params:?}");
        }
    }

    #[test]
    fn a_query_is_encoded() {
        let mut target = Target::new("/users");
        target.query("q", &"a&b=c d");
        target.query("limit", &10);
        assert_eq!(target.build("").as_deref(), Ok("/users?q=a%26b%3Dc%20d&limit=10"));
    }
}
