//! What a statement is called: `SELECT users`, as `db.query.summary` of the conventions.

/// The words before the name of a table.
const BEFORE_A_TABLE: [&str; 3] = ["FROM", "INTO", "UPDATE"];

/// The first word of a statement and the first table it names. Does not read SQL: it is for people,
/// and the text itself stands beside it.
pub(super) fn summary(text: &str) -> String {
    let mut words = text.split(|c: char| c.is_whitespace() || "(),;".contains(c));
    let mut words = words.by_ref().filter(|word| !word.is_empty());
    let Some(verb) = words.next() else { return "statement".to_owned() };
    let verb = verb.to_ascii_uppercase();
    let is_before = |word: &str| BEFORE_A_TABLE.iter().any(|w| w.eq_ignore_ascii_case(word));
    let table = if is_before(&verb) {
        words.next()
    } else {
        words.find(|w| is_before(w)).and_then(|_| words.next())
    };
    match table {
        Some(table) => format!("{verb} {table}"),
        None => verb,
    }
}

#[cfg(test)]
mod tests {
    use super::summary;

    #[test]
    fn a_statement_is_called_by_its_verb_and_its_first_table() {
        for (text, called) in [
            ("SELECT id FROM users WHERE id = $1", "SELECT users"),
            ("select count(*)\n  from users;", "SELECT users"),
            ("INSERT INTO users(id, name) VALUES ($1, $2) RETURNING id", "INSERT users"),
            ("UPDATE sessions SET ended = $1 WHERE id = $2", "UPDATE sessions"),
            ("DELETE FROM keys WHERE id = $1", "DELETE keys"),
            ("WITH old AS (SELECT id FROM keys) DELETE FROM keys", "WITH keys"),
            ("SELECT 1", "SELECT"),
            ("BEGIN", "BEGIN"),
            (" ", "statement"),
        ] {
            assert_eq!(summary(text), called, "{text}");
        }
    }
}
