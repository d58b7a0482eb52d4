//! Which regular expressions may be published: only those that mean the same in every engine.
//!
//! Clients check a `pattern` with ECMAScript, fuzzers with Python, this crate with `regex`. They
//! differ in `.`, `\d`, `\w`, `\s`, `\b` and in every extension; what is left is portable.

/// No U+0000: added to every string, because no text column of PostgreSQL can hold it.
pub(super) const NO_NUL: &str = r"^[^\x00]*$";

/// What every engine takes after a backslash, and reads the same way.
const ESCAPABLE: &str = r"^$\.*+?()[]{}|/nrt";

/// Why a pattern is not portable, as advice; `None` if it is.
pub(super) fn objection(pattern: &str) -> Option<&'static str> {
    if pattern == NO_NUL {
        return None;
    }
    let mut characters = pattern.chars().peekable();
    let mut in_class = false;
    while let Some(character) = characters.next() {
        match (character, in_class) {
            ('\\', _) => match characters.next() {
                Some('-') if in_class => {}
                Some(escaped) if ESCAPABLE.contains(escaped) => {}
                _ => return Some(ESCAPE),
            },
            ('[', false) => in_class = true,
            (']', true) => in_class = false,
            ('[', true) => return Some("write `\\[` for a bracket in a class"),
            ('&' | '~' | '-', true) if characters.peek() == Some(&character) => {
                return Some("a doubled `&`, `~` or `-` in a class is an operator to some engines");
            }
            ('.', false) => return Some("write a class instead of `.`, such as `[^\\n]`"),
            ('(', false) if characters.peek() == Some(&'?') => {
                characters.next();
                if characters.peek() != Some(&':') {
                    return Some("of the groups that start with `(?` only `(?:` is portable");
                }
            }
            _ => {}
        }
    }
    None
}

const ESCAPE: &str = "write a class such as `[0-9]` instead of `\\d`, and escape only the \
                      characters ^ $ \\ . * + ? ( ) [ ] { } | / (and - in a class)";

/// Whether no text with U+0000 can match, by the pattern's look: anchored at both ends, and with
/// nothing in it that names characters by exclusion. `false` when in doubt.
pub(super) fn excludes_nul(pattern: &str) -> bool {
    pattern.starts_with('^')
        && pattern.ends_with('$')
        && !pattern.ends_with("\\$")
        && !pattern.contains("[^")
        && !pattern.contains('|')
        && !pattern.contains('\0')
        || pattern == NO_NUL
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_portable_patterns_are_published() {
        for good in ["^[a-z0-9-]+$", r"^a\.b$", r"^(?:a|b){1,3}$", r"[\-\]]", "^[^\\n]*$", NO_NUL] {
            assert_eq!(objection(good), None, "{good}");
        }
        for bad in
            [r"\d+", r"\w", r"\bx", ".*", "(?i)a", "(?P<x>a)", "[a[b]]", "[a&&b]", r"\-", "\\"]
        {
            assert!(objection(bad).is_some(), "{bad}");
        }
    }
}
