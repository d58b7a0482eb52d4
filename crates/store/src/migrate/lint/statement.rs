//! Tokens gathered into statements, and a cursor to read one with.

use super::token::{Kind, Token, tokens};

/// One statement of a file.
#[derive(Debug)]
pub(super) struct Statement<'a> {
    /// Without comments; never empty.
    pub(super) tokens: Vec<Token<'a>>,
    /// What stands directly above it, line by line.
    pub(super) comments: Vec<Token<'a>>,
}

/// A file, read.
#[derive(Debug, Default)]
pub(super) struct Script<'a> {
    pub(super) statements: Vec<Statement<'a>>,
    /// Comments that stand above no statement.
    pub(super) loose: Vec<Token<'a>>,
}

/// What has a body if it is created, in which a semicolon may stand, up to `END`: a trigger in
/// SQLite, a function (`BEGIN ATOMIC`).
const BODIES: [&str; 3] = ["TRIGGER", "FUNCTION", "PROCEDURE"];

/// Where such a word stands, in tokens: `CREATE OR REPLACE CONSTRAINT TRIGGER`.
const BODIES_WITHIN: usize = 5;

pub(super) fn script(sql: &str) -> Script<'_> {
    let mut script = Script::default();
    let mut comments = Vec::new();
    let mut current: Vec<Token<'_>> = Vec::new();
    let (mut parentheses, mut blocks) = (0_usize, 0_usize);
    let mut last_line = 0;
    let mut rest = tokens(sql).into_iter().peekable();
    while let Some(token) = rest.next() {
        if token.kind == Kind::Comment {
            // Beside a statement, or inside it, it is about what is there already.
            if current.is_empty() && token.line > last_line {
                comments.push(token);
            } else {
                script.loose.push(token);
            }
            continue;
        }
        last_line = token.last_line();
        let is_end = token.is_mark(";") && parentheses == 0 && blocks == 0;
        if !is_end {
            parentheses = match token.text {
                "(" => parentheses + 1,
                ")" => parentheses.saturating_sub(1),
                _ => parentheses,
            };
            if may_have_body(&current) {
                let is_called = rest.peek().is_some_and(|next| next.is_mark("("));
                let opens = (token.is("BEGIN") && !is_called) || (blocks > 0 && token.is("CASE"));
                blocks = if opens { blocks + 1 } else { blocks };
                blocks = if token.is("END") { blocks.saturating_sub(1) } else { blocks };
            }
            current.push(token);
            continue;
        }
        script.close(&mut current, &mut comments);
    }
    script.close(&mut current, &mut comments);
    script.loose.append(&mut comments);
    script
}

fn may_have_body(begin: &[Token<'_>]) -> bool {
    begin.first().is_some_and(|token| token.is("CREATE"))
        && begin.iter().take(BODIES_WITHIN).any(|token| BODIES.iter().any(|word| token.is(word)))
}

impl<'a> Script<'a> {
    fn close(&mut self, current: &mut Vec<Token<'a>>, comments: &mut Vec<Token<'a>>) {
        let Some(first) = current.first() else { return };
        // Only a block of comments without an empty line below it is about the statement.
        let mut line = first.line;
        let mut from = comments.len();
        while from > 0 && comments[from - 1].last_line() + 1 == line {
            from -= 1;
            line = comments[from].line;
        }
        let above = comments.split_off(from);
        self.loose.append(comments);
        self.statements.push(Statement { tokens: std::mem::take(current), comments: above });
    }
}

impl<'a> Statement<'a> {
    pub(super) fn line(&self) -> usize {
        self.tokens[0].line
    }

    pub(super) fn cursor(&self) -> Cursor<'a, '_> {
        Cursor { tokens: &self.tokens }
    }

    /// The statement on one line, without comments.
    pub(super) fn text(&self) -> String {
        joined(&self.tokens)
    }
}

/// Tokens on one line, apart where they were apart.
pub(super) fn joined(tokens: &[Token<'_>]) -> String {
    let mut text = String::new();
    let mut end = tokens.first().map_or(0, |token| token.start);
    for token in tokens {
        if token.start > end {
            text.push(' ');
        }
        text.push_str(token.text);
        end = token.end();
    }
    text
}

/// Reads a statement from its begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a, 's> {
    pub(super) tokens: &'s [Token<'a>],
}

impl Cursor<'_, '_> {
    /// Takes these words, separated by spaces, if all of them are next.
    pub(super) fn eat(&mut self, words: &str) -> bool {
        let mut rest = self.tokens;
        for word in words.split(' ') {
            match rest.split_first() {
                Some((token, after)) if token.is(word) || token.is_mark(word) => rest = after,
                _ => return false,
            }
        }
        self.tokens = rest;
        true
    }

    /// Takes the first of these that is next.
    pub(super) fn eat_any(&mut self, choices: &[&'static str]) -> Option<&'static str> {
        choices.iter().find(|choice| self.eat(choice)).copied()
    }

    /// Takes a name that may be qualified. `public` is where names are looked up anyway.
    pub(super) fn name(&mut self) -> Option<String> {
        let mut name = self.identifier()?;
        while self.eat(".") {
            let part = self.identifier()?;
            name = if name == "public" { part } else { format!("{name}.{part}") };
        }
        Some(name)
    }

    fn identifier(&mut self) -> Option<String> {
        let (token, after) = self.tokens.split_first()?;
        let identifier = token.identifier()?;
        self.tokens = after;
        Some(identifier.into_owned())
    }

    /// Whether these words stand somewhere in what is left.
    pub(super) fn has(&self, words: &str) -> bool {
        self.find(words).is_some()
    }

    /// What follows the first place where these words stand.
    pub(super) fn find(&self, words: &str) -> Option<Self> {
        (0..self.tokens.len()).find_map(|from| {
            let mut rest = Self { tokens: &self.tokens[from..] };
            rest.eat(words).then_some(rest)
        })
    }

    /// Takes what stands in the parentheses that are next.
    pub(super) fn parenthesized(&mut self) -> Option<Self> {
        if !self.tokens.first()?.is_mark("(") {
            return None;
        }
        let mut depth = 0_usize;
        let close = self.tokens.iter().position(|token| {
            depth += usize::from(token.is_mark("("));
            depth -= usize::from(token.is_mark(")"));
            depth == 0
        });
        let close = close.unwrap_or(self.tokens.len() - 1).max(1);
        let inside = Self { tokens: &self.tokens[1..close] };
        self.tokens = self.tokens.get(close + 1..).unwrap_or_default();
        Some(inside)
    }

    /// What is left, cut at commas outside parentheses.
    pub(super) fn items(&self) -> Vec<Self> {
        let mut depth = 0_usize;
        let parts = self.tokens.split(|token| {
            match token.text {
                "(" | "[" => depth += 1,
                ")" | "]" => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && token.is_mark(",")
        });
        parts.map(|tokens| Self { tokens }).collect()
    }

    pub(super) fn text(&self) -> String {
        joined(self.tokens)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(sql: &str) -> Vec<String> {
        script(sql).statements.iter().map(Statement::text).collect()
    }

    #[test]
    fn a_semicolon_ends_a_statement_only_where_it_is_one() {
        for (sql, expected) in [
            ("a; ;b", &["a", "b"] as &[_]),
            ("a ';' \";\" $$;$$ /* ; */ ; b -- ;", &["a ';' \";\" $$;$$", "b"]),
            ("CREATE RULE r DO (a; b); c", &["CREATE RULE r DO (a; b)", "c"]),
            (
                "CREATE FUNCTION f() BEGIN ATOMIC SELECT CASE WHEN a THEN 1 END; b; END; c",
                &["CREATE FUNCTION f() BEGIN ATOMIC SELECT CASE WHEN a THEN 1 END; b; END", "c"],
            ),
            ("CREATE TRIGGER t BEGIN a; END; b", &["CREATE TRIGGER t BEGIN a; END", "b"]),
            ("BEGIN; a; END; b", &["BEGIN", "a", "END", "b"]),
            ("CREATE FUNCTION begin() a; COMMIT", &["CREATE FUNCTION begin() a", "COMMIT"]),
            ("DROP FUNCTION begin; COMMIT", &["DROP FUNCTION begin", "COMMIT"]),
            ("", &[]),
            (" -- nothing", &[]),
        ] {
            assert_eq!(texts(sql), expected, "{sql}");
        }
    }

    #[test]
    fn a_semicolon_inside_quotes_or_comments_ends_nothing() {
        for (sql, count) in [
            ("", 0),
            (" ; -- nothing\n;", 0),
            ("SELECT 1", 1),
            ("SELECT ';'; SELECT ';;''' ;", 2),
            ("SELECT \";\" ; SELECT 2", 2),
            ("SELECT E'\\';'; SELECT 2", 2),
            ("SELECT 'a\\'; SELECT 2", 2),
            ("-- a;\nSELECT 1 /* ; /* ; */ ; */; SELECT 2", 2),
            ("DO $$ BEGIN; COMMIT; END $$; SELECT $1", 2),
            ("DO $a$ ; $$ ; $a$; SELECT 2", 2),
            ("SELECT a$b$c; SELECT d$b$e", 2),
            ("SELECT 'é;'; SELECT 'unfinished;", 2),
        ] {
            assert_eq!(script(sql).statements.len(), count, "{sql}");
        }
    }

    #[test]
    fn the_comments_of_a_statement_touch_it() {
        let sql = "-- far\n\n-- two\n-- one\na; -- beside\nb\n-- inside\nc;\n-- end";
        let script = script(sql);
        let comments: Vec<Vec<_>> = script
            .statements
            .iter()
            .map(|statement| statement.comments.iter().map(|token| token.text).collect())
            .collect();
        assert_eq!(comments, [vec!["-- two", "-- one"], vec![]]);
        let loose: Vec<_> = script.loose.iter().map(|token| token.text).collect();
        assert_eq!(loose, ["-- far", "-- beside", "-- inside", "-- end"]);
    }

    proptest! {
        #[test]
        fn any_text_is_read(sql in any::<String>()) {
            for statement in script(&sql).statements {
                prop_assert!(!statement.tokens.is_empty());
            }
        }

        #[test]
        fn no_statement_is_split_inside_a_string(inside in any::<String>()) {
            let dollar = inside.replace('$', "");
            let sql = format!("a '{}' $x${dollar}$x$; b", inside.replace('\'', "''"));
            prop_assert_eq!(texts(&sql).len(), 2);
        }
    }
}
