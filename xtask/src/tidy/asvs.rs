//! The table of OWASP ASVS controls is whole, and the tests it names exist.

use std::collections::{HashMap, HashSet};

use super::{
    Exception, Finding, Rule, settle,
    source::{Source, words},
    tree::{File, sources},
};

const TABLE: &str = "docs/asvs.md";

/// Every control that has a row: level 2 of ASVS 5.0.0 as far as it concerns an API with sessions
/// and keys, and some of level 3. The list is here and not read from the table, so that a row
/// cannot vanish in silence.
const CONTROLS: &[&str] = &[
    "1.1.1 1.2.1 1.2.2 1.2.3 1.2.4 1.3.3 1.3.12 1.4.2 1.5.2 1.5.3",
    "2.1.1 2.1.2 2.1.3 2.2.1 2.2.2 2.2.3 2.3.1 2.3.2 2.3.3 2.3.4 2.4.1",
    "3.2.1 3.2.2 3.3.1 3.3.2 3.3.3 3.3.4 3.4.1 3.4.2 3.4.3 3.4.4 3.4.5 3.4.6 3.5.1 3.5.2",
    "3.5.3 3.5.8 3.7.2",
    "4.1.1 4.1.2 4.1.3 4.1.4 4.2.1 4.2.2 4.2.3 4.2.4 4.2.5",
    "6.1.1 6.1.2 6.2.1 6.2.2 6.2.3 6.2.4 6.2.5 6.2.8 6.2.9 6.2.10 6.2.11 6.2.12 6.3.1 6.3.2",
    "6.3.3 6.3.4 6.3.5 6.3.7 6.3.8 6.4.1 6.4.2",
    "7.1.1 7.1.2 7.2.1 7.2.2 7.2.3 7.2.4 7.3.1 7.3.2 7.4.1 7.4.2 7.4.3 7.4.5 7.5.1 7.5.2",
    "8.1.1 8.1.2 8.2.1 8.2.2 8.2.3 8.3.1 8.3.2 8.4.2",
    "9.1.1 9.1.2 9.1.3 9.2.1 9.2.2 9.2.3",
    "11.2.1 11.2.3 11.2.4 11.4.1 11.4.2 11.5.1 11.5.2",
    "12.1.1 12.2.1 12.3.1 12.3.2",
    "13.1.1 13.1.2 13.1.3 13.2.1 13.2.2 13.2.3 13.2.6 13.3.1 13.3.2 13.4.1 13.4.2 13.4.3",
    "13.4.4 13.4.5 13.4.6",
    "14.1.1 14.1.2 14.2.1 14.2.2 14.2.3 14.2.4 14.2.5 14.2.6 14.2.7 14.3.2",
    "15.1.1 15.1.2 15.1.3 15.2.1 15.2.2 15.2.3 15.2.4 15.3.1 15.3.3 15.3.4 15.3.5 15.3.7",
    "15.4.1 15.4.2 15.4.3 15.4.4",
    "16.1.1 16.2.1 16.2.2 16.2.3 16.2.4 16.2.5 16.3.1 16.3.2 16.3.3 16.3.4 16.4.1 16.4.2",
    "16.4.3 16.5.1 16.5.2 16.5.3 16.5.4",
];

const FORM: Rule = Rule {
    sentence: "a row of docs/asvs.md has five cells, and its tests are `folder::function`",
    why: "what cannot be read is not checked",
};
const ONE_ROW: Rule = Rule {
    sentence: "every control of the list has exactly one row in docs/asvs.md, and no other has any",
    why: "a control without a row is forgotten, and one with two has two answers",
};
const ANSWERED: Rule = Rule {
    sentence: "a row of docs/asvs.md has a test or a reason",
    why: "an empty row looks as if somebody had looked",
};
const EXISTS: Rule = Rule {
    sentence: "docs/asvs.md names only tests that exist",
    why: "a test that is gone shows nothing, and its name still reads like a proof",
};
const WRITTEN: Rule = Rule {
    sentence: "no row of docs/asvs.md is PENDING",
    why: "a test that is still to be written shows nothing",
};

/// Breaches that are meant to be.
const EXCEPTIONS: &[Exception] = &[];

#[test]
fn every_control_has_a_test_that_exists_or_a_reason() {
    settle(&judge(&File::required(TABLE), &sources()), EXCEPTIONS);
}

/// What the table says of one control.
struct Row<'a> {
    line: usize,
    control: &'a str,
    held: &'a str,
    note: &'a str,
}

impl Row<'_> {
    fn breaks(&self, rule: Rule, found: impl Into<String>) -> Finding {
        Finding::at(TABLE, self.line, rule, found)
    }
}

fn judge(document: &File, sources: &[Source]) -> Vec<Finding> {
    let (rows, mut findings) = rows(document);
    findings.extend(miscounted(&rows));
    let tests = test_functions(sources);
    findings.extend(rows.iter().flat_map(|row| unanswered(row, &tests)));
    findings
}

/// The rows of controls, and the lines that should be one.
fn rows(document: &File) -> (Vec<Row<'_>>, Vec<Finding>) {
    let (mut rows, mut findings) = (Vec::new(), Vec::new());
    for (line, text) in document.numbered() {
        let Some(text) = text.strip_prefix("| ").filter(|text| begins_with_digit(text)) else {
            continue;
        };
        let cells: Vec<_> = text.split('|').map(str::trim).collect();
        match cells[..] {
            [control, _, _, held, note, ""] => rows.push(Row { line, control, held, note }),
            _ => findings.push(Finding::at(TABLE, line, FORM, text)),
        }
    }
    (rows, findings)
}

fn begins_with_digit(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

/// Controls of the list without a row, and rows that the list does not ask for.
fn miscounted(rows: &[Row<'_>]) -> Vec<Finding> {
    let mut missing: Vec<_> = CONTROLS.iter().flat_map(|line| line.split(' ')).collect();
    let mut findings = Vec::new();
    for row in rows {
        match missing.iter().position(|control| *control == row.control) {
            Some(place) => {
                missing.remove(place);
            }
            None => {
                findings.push(row.breaks(ONE_ROW, format!("one row too many: {}", row.control)));
            }
        }
    }
    let missing = missing.iter().map(|control| format!("no row: {control}"));
    findings.extend(missing.map(|found| Finding::at(TABLE, 1, ONE_ROW, found)));
    findings
}

/// Tests of a row that do not exist; the row itself if it has neither a test nor a reason.
fn unanswered(row: &Row<'_>, tests: &Tests<'_>) -> Vec<Finding> {
    let is_empty = row.held.is_empty() && row.note.is_empty();
    let empty = is_empty.then(|| row.breaks(ANSWERED, row.control));
    let wrong = entries(row.held).filter_map(|entry| match test_name(entry) {
        None if entry.starts_with("PENDING(") => Some(row.breaks(WRITTEN, entry)),
        None => Some(row.breaks(FORM, entry)),
        Some((folder, name)) if tests.contain(folder, name) => None,
        Some(_) => Some(row.breaks(EXISTS, entry)),
    });
    empty.into_iter().chain(wrong).collect()
}

/// What stands between the commas of a cell; a comma in parentheses is part of a text.
fn entries(held: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0;
    let between = held.split(move |c| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c == ',' && depth == 0
    });
    between.map(str::trim).filter(|entry| !entry.is_empty())
}

/// Folder and function of `` `folder::function` ``.
fn test_name(entry: &str) -> Option<(&str, &str)> {
    let (folder, name) = entry.strip_prefix('`')?.strip_suffix('`')?.split_once("::")?;
    (words(name).next() == Some(name)).then_some((folder, name))
}

/// The files in which each test function stands.
struct Tests<'a>(HashMap<&'a str, HashSet<&'a str>>);

impl Tests<'_> {
    fn contain(&self, folder: &str, name: &str) -> bool {
        let lies_within = |path: &&str| {
            let path = path.strip_prefix("crates/").unwrap_or(path);
            path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
        };
        self.0.get(name).is_some_and(|paths| paths.iter().any(lies_within))
    }
}

fn test_functions(sources: &[Source]) -> Tests<'_> {
    let mut found: HashMap<&str, HashSet<&str>> = HashMap::new();
    for source in sources {
        let mut is_test = false;
        for line in &source.lines {
            let code = line.code.trim();
            is_test |= code.starts_with("#[test]") || code.starts_with("#[tokio::test");
            let name = words(code).skip_while(|word| *word != "fn").nth(1);
            if let Some(name) = name.filter(|_| is_test) {
                found.entry(name).or_default().insert(&source.path);
                is_test = false;
            }
        }
    }
    Tests(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(rows: &[&str]) -> File {
        File { path: TABLE.to_owned(), text: rows.join("\n") }
    }

    /// The rules that some rows break, with what stands there, without those of absent rows.
    fn broken(rows: &[&str]) -> Vec<(usize, Rule, String)> {
        let text = "\
/// Not this one: `#[test]`.
fn helper() {}

#[test]
fn plain() {}

#[tokio::test(flavor = \"multi_thread\")]
#[cfg(unix)]
async fn decorated(
) {}
";
        let source = Source::new("crates/web/tests/edge/some.rs".to_owned(), text);
        let findings = judge(&document(rows), &[source]);
        let present = findings.into_iter().filter(|finding| !finding.found.starts_with("no row"));
        present.map(|finding| (finding.line, finding.rule, finding.found)).collect()
    }

    #[test]
    fn a_row_may_name_tests_or_a_reason() {
        let rows = [
            "| control | level | asks for | held by | note |",
            "|---|---|---|---|---|",
            "| 1.1.1 | 2 | a thing | `web::plain`, `web/tests/edge::decorated` | |",
            "| 1.2.2 | 2 | a thing | | It does not exist here. |",
        ];
        assert_eq!(broken(&rows), []);
    }

    #[test]
    fn what_shows_nothing_is_caught() {
        for (cells, rule, found) in [
            ("| | |", ANSWERED, "1.1.1"),
            ("| `web::helper` | |", EXISTS, "`web::helper`"),
            ("| `store::plain` | Why. |", EXISTS, "`store::plain`"),
            ("| `we::plain` | |", EXISTS, "`we::plain`"),
            ("| `web::plain`, `web::gone` | |", EXISTS, "`web::gone`"),
            ("| web::plain | |", FORM, "web::plain"),
            ("| `plain` | |", FORM, "`plain`"),
            ("| `web::plain`, PENDING(one, two) | |", WRITTEN, "PENDING(one, two)"),
        ] {
            let row = format!("| 1.1.1 | 2 | a thing {cells}");
            assert_eq!(broken(&[&row]), [(1, rule, found.to_owned())], "{cells}");
        }
        let short = broken(&["| 1.1.1 | 2 | a thing | `web::plain` |"]);
        assert!(matches!(&short[..], [(1, rule, _)] if *rule == FORM), "{short:?}");
    }

    #[test]
    fn every_control_has_one_row() {
        let row = |control: &str| format!("| {control} | 2 | a thing | | Why. |");
        let (known, unknown) = (row("1.1.1"), row("5.1.1"));
        let twice = [(2, ONE_ROW, "one row too many: 1.1.1".to_owned())];
        assert_eq!(broken(&[&known, &known]), twice);
        let other = [(1, ONE_ROW, "one row too many: 5.1.1".to_owned())];
        assert_eq!(broken(&[&unknown]), other);

        let findings = judge(&document(&[&known]), &[]);
        let lacks =
            |control: &str| findings.iter().any(|f| f.found == format!("no row: {control}"));
        assert!(!lacks("1.1.1") && lacks("1.2.1") && lacks("16.5.4"));
    }
}
