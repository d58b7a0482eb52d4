//! The paths a file names: `use` trees spread out, and `super` and `self` resolved.

use super::source::{Source, words};

/// A path such as `crate::users::Error`, and where it stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) line: usize,
    pub(super) segments: Vec<String>,
}

impl Named {
    /// Whether the path is `prefix` or lies below it.
    pub(super) fn is_below(&self, prefix: &[&str]) -> bool {
        self.segments.len() >= prefix.len() && self.segments.iter().zip(prefix).all(|(a, b)| a == b)
    }
}

/// A name, `::`, or any other single character.
struct Token<'a> {
    line: usize,
    text: &'a str,
}

/// Every path of the production code. `module` is where the file stands: `[crate, users, service]`.
pub(super) fn named(source: &Source, module: &[&str]) -> Vec<Named> {
    let tokens: Vec<Token<'_>> =
        source.production().flat_map(|(line, content)| tokens(line, &content.code)).collect();
    let mut paths = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        at = if is_name(&tokens[at]) { path(&tokens, at, &[], &mut paths) } else { at + 1 };
    }
    paths.into_iter().map(|path| resolve(path, module)).collect()
}

fn tokens(line: usize, code: &str) -> impl Iterator<Item = Token<'_>> {
    let mut rest = code.trim_start();
    std::iter::from_fn(move || {
        let word = words(rest).next().filter(|word| rest.starts_with(word));
        let length = match word {
            Some(word) => word.len(),
            None if rest.starts_with("::") => 2,
            None => rest.chars().next()?.len_utf8(),
        };
        let (text, after) = rest.split_at(length);
        rest = after.trim_start();
        Some(Token { line, text })
    })
}

fn is_name(token: &Token<'_>) -> bool {
    token.text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Reads the path, or tree of paths, that starts at `at`; returns where it ends.
fn path(tokens: &[Token<'_>], mut at: usize, above: &[String], out: &mut Vec<Named>) -> usize {
    let line = tokens[at].line;
    let mut segments = above.to_vec();
    while let Some(token) = tokens.get(at).filter(|token| is_name(token)) {
        // `users::{self}` names `users`.
        if token.text != "self" || segments.is_empty() {
            segments.push(token.text.to_owned());
        }
        at += 1;
        if tokens.get(at).is_none_or(|token| token.text != "::") {
            break;
        }
        at += 1;
        if tokens.get(at).is_some_and(|token| token.text == "{") {
            return group(tokens, at + 1, &segments, out);
        }
    }
    out.push(Named { line, segments });
    at
}

fn group(tokens: &[Token<'_>], mut at: usize, above: &[String], out: &mut Vec<Named>) -> usize {
    while let Some(token) = tokens.get(at) {
        at = match token.text {
            "}" => return at + 1,
            // The new name of an import says nothing about where it comes from.
            "as" => at + 2,
            _ if is_name(token) => path(tokens, at, above, out),
            _ => at + 1,
        };
    }
    at
}

fn resolve(path: Named, module: &[&str]) -> Named {
    let climbs = path.segments.iter().take_while(|segment| *segment == "super").count();
    let itself = usize::from(path.segments.first().is_some_and(|segment| segment == "self"));
    if climbs + itself == 0 {
        return path;
    }
    let base = &module[..module.len().saturating_sub(climbs)];
    let below = path.segments[climbs + itself..].iter().cloned();
    Named { line: path.line, segments: base.iter().map(|s| (*s).to_owned()).chain(below).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<String> {
        let source = Source::new("accounts/src/users/service.rs".into(), text);
        let paths = named(&source, &["crate", "users", "service"]);
        paths.into_iter().map(|path| path.segments.join("::")).collect()
    }

    #[test]
    fn use_trees_are_spread_out() {
        let paths = all("use crate::{sessions, users::{self, repository::Sql as S}, flags::*};");
        for path in ["crate::sessions", "crate::users", "crate::users::repository::Sql"] {
            assert!(paths.iter().any(|p| p == path), "{path} in {paths:?}");
        }
        assert!(paths.iter().any(|p| p == "crate::flags"), "{paths:?}");
    }

    #[test]
    fn paths_are_relative_to_the_file() {
        assert!(all("super::wire::User").contains(&"crate::users::wire::User".to_owned()));
        assert!(all("super::super::flags::find()").contains(&"crate::flags::find".to_owned()));
        assert!(all("self::inner::A").contains(&"crate::users::service::inner::A".to_owned()));
        assert!(all("fn f(&self) { ::axum::Json }").contains(&"axum::Json".to_owned()));
    }

    #[test]
    fn a_tree_over_several_lines_knows_the_line_of_each_path() {
        let text = "use crate::{\n    users,\n    flags,\n};\n";
        let source = Source::new("a.rs".into(), text);
        let lines: Vec<_> = named(&source, &["crate"]).iter().map(|path| path.line).collect();
        assert_eq!(lines[1..], [2, 3]);
    }
}
