//! Rust source split into code, literals and comments, so that a rule about one never trips over
//! another. A lexer of the few tokens that matter, not a parser.

/// A Rust file.
pub(super) struct Source {
    pub(super) path: String,
    pub(super) lines: Vec<Line>,
    /// How many lines come before the unit tests; all of them when there are none.
    pub(super) before_tests: usize,
}

/// One line, whole and in its three parts. A part keeps its columns: the others are blanked.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) whole: String,
    pub(super) code: String,
    pub(super) literal: String,
    pub(super) comment: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Code,
    Literal,
    Comment,
}

impl Source {
    pub(super) fn new(path: String, text: &str) -> Self {
        let lines = split(text);
        let before_tests = if is_test_file(&path) { 0 } else { start_of_tests(&lines) };
        Self { path, lines, before_tests }
    }

    /// The file's own name.
    pub(super) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// The lines that are not unit tests, numbered from 1.
    pub(super) fn production(&self) -> impl Iterator<Item = (usize, &Line)> {
        self.numbered().take(self.before_tests)
    }

    /// All lines, numbered from 1.
    pub(super) fn numbered(&self) -> impl Iterator<Item = (usize, &Line)> {
        (1..).zip(&self.lines)
    }
}

/// The words of a stretch of code: names, keywords and numbers.
pub(super) fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !is_word(c)).filter(|word| !word.is_empty())
}

fn is_test_file(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.split('/').any(|part| part == "tests")
}

/// Unit tests stand at the end of a file, in one module.
fn start_of_tests(lines: &[Line]) -> usize {
    let inline_module = |pair: &[Line]| {
        pair[0].code.trim() == "#[cfg(test)]"
            && pair[1].code.trim_start().starts_with("mod ")
            && pair[1].code.trim_end().ends_with('{')
    };
    lines.windows(2).position(inline_module).unwrap_or(lines.len())
}

fn split(text: &str) -> Vec<Line> {
    let [code, literal, comment] =
        [Part::Code, Part::Literal, Part::Comment].map(|p| keep(p, text));
    text.lines()
        .zip(code.lines().zip(literal.lines().zip(comment.lines())))
        .map(|(whole, (code, (literal, comment)))| Line {
            whole: whole.to_owned(),
            code: code.to_owned(),
            literal: literal.to_owned(),
            comment: comment.to_owned(),
        })
        .collect()
}

/// The text with everything but one part blanked.
fn keep(part: Part, text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let (kind, length) = next(rest);
        let (token, after) = rest.split_at(length);
        if kind == part {
            kept.push_str(token);
        } else {
            kept.extend(token.chars().map(|c| if c == '\n' { c } else { ' ' }));
        }
        rest = after;
    }
    kept
}

/// What the next token is, and its length in bytes; never zero for a text that is not empty.
fn next(text: &str) -> (Part, usize) {
    let first = text.chars().next().map_or(0, char::len_utf8);
    if text.starts_with("//") {
        (Part::Comment, text.find('\n').unwrap_or(text.len()))
    } else if text.starts_with("/*") {
        (Part::Comment, block_comment(text))
    } else if let Some(length) = string(text) {
        (Part::Literal, length)
    } else if text.starts_with('\'') {
        character(text).map_or((Part::Code, 1), |length| (Part::Literal, length))
    } else if text.starts_with(is_word) {
        (Part::Code, text.find(|c| !is_word(c)).unwrap_or(text.len()))
    } else {
        (Part::Code, first)
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Block comments nest.
fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(offset) = text[at..].find(['/', '*']) {
        at += offset;
        let step = if text[at..].starts_with("/*") {
            depth += 1;
            2
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            2
        } else {
            1
        };
        at += step;
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// The length of a string literal of any kind: plain, byte, C, raw.
fn string(text: &str) -> Option<usize> {
    let prefix = ["br", "cr", "b", "c", "r", ""].into_iter().find(|p| text.starts_with(p))?;
    let body = &text[prefix.len()..];
    let hashes =
        if prefix.ends_with('r') { body.len() - body.trim_start_matches('#').len() } else { 0 };
    let inner = body[hashes..].strip_prefix('"')?;
    let open = text.len() - inner.len();
    let length = if prefix.ends_with('r') {
        let close = format!("\"{}", "#".repeat(hashes));
        inner.find(&close).map(|at| at + close.len())
    } else {
        closing(inner, '"')
    };
    Some(length.map_or(text.len(), |length| open + length))
}

/// The length of a character literal, or `None` for a lifetime.
fn character(text: &str) -> Option<usize> {
    let inner = &text[1..];
    let mut chars = inner.chars();
    let first = chars.next()?;
    if first == '\\' {
        return closing(inner, '\'').map(|length| 1 + length);
    }
    (chars.next()? == '\'').then(|| 1 + first.len_utf8() + 1)
}

/// The length up to and with the first unescaped `quote`.
fn closing(inner: &str, quote: char) -> Option<usize> {
    let mut chars = inner.char_indices();
    while let Some((at, c)) = chars.next() {
        if c == '\\' {
            chars.next();
        } else if c == quote {
            return Some(at + 1);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> [String; 3] {
        let line = split(text).swap_remove(0);
        [line.code, line.literal, line.comment].map(|part| part.trim().to_owned())
    }

    #[test]
    fn code_literals_and_comments_are_told_apart() {
        let cases = [
            ("let a = 1; // TODO", ["let a = 1;", "", "// TODO"]),
            (r#"f("a // b")"#, ["f(        )", r#""a // b""#, ""]),
            (r#"f("a \" b", c)"#, ["f(        , c)", r#""a \" b""#, ""]),
            (r##"f(r#"a " b"#)"##, ["f(          )", r##"r#"a " b"#"##, ""]),
            (r#"b"x" bar"y""#, ["bar", r#"b"x"    "y""#, ""]),
            ("/* a /* b */ c */ d", ["d", "", "/* a /* b */ c */"]),
            ("'\"' 'x' '\\'' 'a", ["'a", "'\"' 'x' '\\''", ""]),
            ("r#type::<'a>()", ["r#type::<'a>()", "", ""]),
        ];
        for (text, expected) in cases {
            assert_eq!(parts(text), expected, "{text}");
        }
    }

    #[test]
    fn a_literal_over_several_lines_stays_a_literal() {
        let lines = split("a(\"x\n// y\n\") // z");
        let comments: Vec<_> = lines.iter().map(|line| line.comment.trim()).collect();
        assert_eq!(comments, ["", "", "// z"]);
    }

    #[test]
    fn lines_before_the_tests_are_production() {
        let inline = "fn a() {}\n\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n";
        assert_eq!(Source::new("src/a.rs".into(), inline).before_tests, 2);
        let elsewhere = "fn a() {}\n#[cfg(test)]\nmod tests;\nfn c() {}\n";
        assert_eq!(Source::new("src/a.rs".into(), elsewhere).before_tests, 4);
        assert_eq!(Source::new("src/a/tests.rs".into(), inline).before_tests, 0);
        assert_eq!(Source::new("tests/api/users.rs".into(), inline).before_tests, 0);
    }
}
