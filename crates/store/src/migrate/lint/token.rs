//! SQL cut into tokens as PostgreSQL's own scanner does it: strings, dollar quotes, nested
//! comments.

use std::borrow::Cow;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A keyword or an identifier.
    Word,
    /// An identifier in double quotes.
    Quoted,
    /// A string in single quotes or between dollar quotes, whatever its prefix.
    Text,
    Number,
    /// `$1`
    Parameter,
    /// `-- …` to the end of the line, or `/* … */`.
    Comment,
    /// One character of anything else.
    Mark,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    /// As it is written.
    pub(super) text: &'a str,
    /// In bytes, from the begin of the file.
    pub(super) start: usize,
    /// From 1.
    pub(super) line: usize,
}

impl<'a> Token<'a> {
    pub(super) fn end(&self) -> usize {
        self.start + self.text.len()
    }

    /// The line of its last character.
    pub(super) fn last_line(&self) -> usize {
        self.line + self.text.matches('\n').count()
    }

    pub(super) fn is(&self, keyword: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(keyword)
    }

    pub(super) fn is_mark(&self, mark: &str) -> bool {
        self.kind == Kind::Mark && self.text == mark
    }

    /// The identifier that it is, folded as PostgreSQL does.
    pub(super) fn identifier(&self) -> Option<Cow<'a, str>> {
        match self.kind {
            Kind::Word => Some(self.text.to_ascii_lowercase().into()),
            Kind::Quoted => {
                let inner = self.text.trim_start_matches('"');
                Some(inner.strip_suffix('"').unwrap_or(inner).replace("\"\"", "\"").into())
            }
            _ => None,
        }
    }
}

/// Every token of a text, in order, without white space. Never fails: what is not closed reaches to
/// the end, and the server refuses it.
pub(super) fn tokens(sql: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let (mut at, mut line) = (0, 1);
    while let Some(first) = sql[at..].chars().next() {
        if first.is_whitespace() {
            line += usize::from(first == '\n');
            at += first.len_utf8();
            continue;
        }
        let (kind, length) = next(&sql[at..], first);
        let text = &sql[at..at + length];
        tokens.push(Token { kind, text, start: at, line });
        line += text.matches('\n').count();
        at += length;
    }
    tokens
}

/// The kind and the length of the token at the begin of `rest`, whose first character is `first`.
fn next(rest: &str, first: char) -> (Kind, usize) {
    let bytes = rest.as_bytes();
    match (first, bytes.get(1)) {
        ('-', Some(b'-')) => (Kind::Comment, rest.find('\n').unwrap_or(rest.len())),
        ('/', Some(b'*')) => (Kind::Comment, block_comment(bytes)),
        ('\'', _) => (Kind::Text, quoted(bytes, 0, Backslash::Plain)),
        ('"', _) => (Kind::Quoted, quoted(bytes, 0, Backslash::Plain)),
        ('e' | 'E', Some(b'\'')) => (Kind::Text, quoted(bytes, 1, Backslash::Escapes)),
        ('b' | 'B' | 'x' | 'X' | 'n' | 'N', Some(b'\'')) => {
            (Kind::Text, quoted(bytes, 1, Backslash::Plain))
        }
        ('u' | 'U', Some(b'&')) if bytes.get(2) == Some(&b'\'') => {
            (Kind::Text, quoted(bytes, 2, Backslash::Plain))
        }
        ('u' | 'U', Some(b'&')) if bytes.get(2) == Some(&b'"') => {
            (Kind::Quoted, quoted(bytes, 2, Backslash::Plain))
        }
        ('$', Some(digit)) if digit.is_ascii_digit() => {
            (Kind::Parameter, 1 + run(&rest[1..], |c| c.is_ascii_digit()))
        }
        ('$', _) => match dollar_quoted(rest) {
            Some(length) => (Kind::Text, length),
            None => (Kind::Mark, 1),
        },
        (digit, _) if digit.is_ascii_digit() => {
            (Kind::Number, run(rest, |c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.')))
        }
        (letter, _) if starts_word(letter) => {
            // A dollar sign inside an identifier opens no string.
            (Kind::Word, run(rest, |c| starts_word(c) || c.is_ascii_digit() || c == '$'))
        }
        (mark, _) => (Kind::Mark, mark.len_utf8()),
    }
}

/// PostgreSQL takes every byte beyond ASCII for a letter.
fn starts_word(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || (!c.is_ascii() && !c.is_whitespace())
}

fn run(text: &str, belongs: fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

/// What a backslash does in a string.
#[derive(Clone, Copy, PartialEq)]
enum Backslash {
    Plain,
    /// Takes the next character with it: `E'it\'s'`.
    Escapes,
}

/// The length of a string whose opening quote is at `open`; a doubled quote does not close it.
fn quoted(bytes: &[u8], open: usize, backslash: Backslash) -> usize {
    let quote = bytes[open];
    let mut at = open + 1;
    while at < bytes.len() {
        if bytes[at] == b'\\' && backslash == Backslash::Escapes {
            at += 2;
        } else if bytes[at] != quote {
            at += 1;
        } else if bytes.get(at + 1) == Some(&quote) {
            at += 2;
        } else {
            return at + 1;
        }
    }
    bytes.len()
}

/// The length of `$tag$ … $tag$`; `None` where no such quote opens.
fn dollar_quoted(rest: &str) -> Option<usize> {
    let tag = run(&rest[1..], |c| starts_word(c) || c.is_ascii_digit());
    let delimiter = rest.get(..tag + 2).filter(|delimiter| delimiter.ends_with('$'))?;
    let inside = &rest[delimiter.len()..];
    Some(match inside.find(delimiter) {
        Some(length) => length + 2 * delimiter.len(),
        None => rest.len(),
    })
}

/// The length of a comment at the begin, which may hold others.
fn block_comment(bytes: &[u8]) -> usize {
    let (mut at, mut depth) = (0, 0);
    while at < bytes.len() {
        match (bytes[at], bytes.get(at + 1)) {
            (b'/', Some(b'*')) => {
                depth += 1;
                at += 2;
            }
            (b'*', Some(b'/')) => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(sql: &str) -> Vec<(Kind, &str)> {
        tokens(sql).into_iter().map(|token| (token.kind, token.text)).collect()
    }

    #[test]
    fn each_kind_of_token_ends_where_postgres_ends_it() {
        use Kind::{Comment, Mark, Number, Parameter, Quoted, Text, Word};
        for (sql, expected) in [
            ("a$b$c 1.5e3", vec![(Word, "a$b$c"), (Number, "1.5e3")]),
            ("'it''s; \\'x", vec![(Text, "'it''s; \\'"), (Word, "x")]),
            ("E'it\\'s;'x", vec![(Text, "E'it\\'s;'"), (Word, "x")]),
            ("U&'a'U&\"b\"", vec![(Text, "U&'a'"), (Quoted, "U&\"b\"")]),
            ("\"a\"\";b\".c", vec![(Quoted, "\"a\"\";b\""), (Mark, "."), (Word, "c")]),
            ("$1$$;$$", vec![(Parameter, "$1"), (Text, "$$;$$")]),
            ("$a$ $b$ ; $a$;", vec![(Text, "$a$ $b$ ; $a$"), (Mark, ";")]),
            ("$ a", vec![(Mark, "$"), (Word, "a")]),
            ("a--b;\nc", vec![(Word, "a"), (Comment, "--b;"), (Word, "c")]),
            ("/*a/*;*/b*/c", vec![(Comment, "/*a/*;*/b*/"), (Word, "c")]),
            ("'open; ", vec![(Text, "'open; ")]),
            ("/* open /* */ ; ", vec![(Comment, "/* open /* */ ; ")]),
            ("größe→", vec![(Word, "größe→")]),
        ] {
            assert_eq!(cut(sql), expected, "{sql}");
        }
    }

    /// Pieces that open, close and hide each other.
    fn sql() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("'"),
            Just("''"),
            Just("\""),
            Just("$$"),
            Just("$a$"),
            Just("E'"),
            Just("\\"),
            Just("--"),
            Just("\n"),
            Just("/*"),
            Just("*/"),
            Just(";"),
            Just("U&'"),
            Just("$1"),
            Just(" "),
            Just("word"),
            Just("é"),
            Just("\u{2028}"),
        ];
        prop_oneof![
            prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat()),
            any::<String>(),
        ]
    }

    proptest! {
        #[test]
        fn any_text_is_cut_without_loss(sql in sql()) {
            let mut end = 0;
            for token in tokens(&sql) {
                prop_assert!(!token.text.is_empty());
                prop_assert!(sql[end..token.start].chars().all(char::is_whitespace));
                prop_assert_eq!(token.line, 1 + sql[..token.start].matches('\n').count());
                end = token.end();
            }
            prop_assert!(sql[end..].chars().all(char::is_whitespace));
        }

        #[test]
        fn a_string_is_one_token_whatever_is_in_it(inside in sql(), tag in "[a-z_]{0,3}") {
            let plain = format!("'{}'", inside.replace('\'', "''"));
            let escaped = inside.replace('\\', "\\\\").replace('\'', "\\'");
            let escaped = format!("E'{escaped}'");
            let delimiter = format!("${tag}$");
            let dollar = format!("{delimiter}{}{delimiter}", inside.replace('$', ""));
            let quoted = format!("\"{}\"", inside.replace('"', "\"\""));
            for string in [plain, escaped, dollar, quoted] {
                let sql = format!("a {string} ; b");
                let cut: Vec<_> = tokens(&sql).iter().map(|token| token.text).collect();
                prop_assert_eq!(cut, ["a", string.as_str(), ";", "b"]);
            }
        }
    }
}
