//! Cutting SQL into statements, as far as quotes and comments hide a `;`.

/// The statements of a PostgreSQL script, without the `;` between them.
pub(super) fn statements(sql: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut start, mut at) = (0, 0);
    while at < sql.len() {
        let rest = &sql[at..];
        if rest.starts_with(';') {
            found.push(&sql[start..at]);
            start = at + 1;
        }
        at += token(&sql[..at], rest).max(1);
    }
    found.push(&sql[start..]);
    found.retain(|statement| !first_word(statement).is_empty());
    found
}

/// The first word of a statement, after white space and comments.
pub(super) fn first_word(mut sql: &str) -> &str {
    loop {
        sql = sql.trim_start();
        if sql.starts_with("--") || sql.starts_with("/*") {
            sql = &sql[token("", sql)..];
        } else {
            let end = sql.find(|c: char| c.is_whitespace() || c == ';').unwrap_or(sql.len());
            return &sql[..end];
        }
    }
}

/// The length of what begins here and may hide a `;`; otherwise of one character.
fn token(before: &str, sql: &str) -> usize {
    let first = sql.chars().next().map_or(0, char::len_utf8);
    if sql.starts_with("--") {
        return sql.find('\n').unwrap_or(sql.len());
    }
    if sql.starts_with("/*") {
        return comment(sql);
    }
    match sql.as_bytes().first() {
        Some(b'"') => quoted(sql, '"', false),
        Some(b'\'') => quoted(sql, '\'', is_escape_string(before)),
        Some(b'$') if !is_in_word(before) => dollar_quoted(sql).unwrap_or(first),
        _ => first,
    }
}

/// Comments between `/*` and `*/` may contain each other.
fn comment(sql: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < sql.len() {
        let rest = &sql[at..];
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    sql.len()
}

/// A doubled quote is two quoted texts in a row, which is as good.
fn quoted(sql: &str, quote: char, backslash: bool) -> usize {
    let mut escaped = false;
    for (at, c) in sql.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' if backslash => escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    sql.len()
}

/// `$$ … $$` or `$tag$ … $tag$`; `None` for a parameter.
fn dollar_quoted(sql: &str) -> Option<usize> {
    let end = sql[1..].find('$')? + 2;
    let tag = &sql[..end];
    let name = &tag[1..end - 1];
    let named = name.chars().all(|c| c.is_alphanumeric() || c == '_')
        && !name.starts_with(|c: char| c.is_ascii_digit());
    named.then(|| sql[end..].find(tag).map_or(sql.len(), |at| end + at + tag.len()))
}

/// `E'…'`, where a backslash escapes.
fn is_escape_string(before: &str) -> bool {
    before.strip_suffix(['e', 'E']).is_some_and(|before| !is_in_word(before))
}

fn is_in_word(before: &str) -> bool {
    before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$')
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(statements(sql).len(), count, "{sql}");
        }
    }

    #[test]
    fn the_first_word_comes_after_comments() {
        assert_eq!(first_word("/* a */ -- b\n COMMIT AND CHAIN"), "COMMIT");
        assert_eq!(first_word("-- only"), "");
    }
}
