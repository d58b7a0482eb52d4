//! SIZES: how long a file, a line and a handler may be. Functions are clippy's (`too_many_lines`).

use super::{
    Exception, Finding, Rule, settle,
    source::{Source, words},
    tree::sources,
};

/// A cap on the lines of a file before its unit tests; of all of them in a file of tests.
struct Cap {
    applies: fn(&Source) -> bool,
    lines: usize,
    rule: Rule,
}

// The numbers are taste, held against the repositories this one learnt from: there the files people
// praise have a median near 100 lines, and nobody praises a file beyond 400.
const CAPS: &[Cap] = &[
    Cap {
        applies: |_| true,
        lines: 400,
        rule: Rule {
            sentence: "a file has at most 400 lines before its tests",
            why: "a file is about one thing; at this length it is about two",
        },
    },
    Cap {
        applies: |source| source.path.ends_with("src/main.rs"),
        lines: 40,
        rule: Rule {
            sentence: "main.rs has at most 40 lines",
            why: "what is in main cannot be tested or reused",
        },
    },
    Cap {
        applies: |source| source.path.ends_with("src/lib.rs"),
        lines: 120,
        rule: Rule { sentence: "lib.rs has at most 120 lines", why: "it is the map of its crate" },
    },
    Cap {
        applies: |source| source.name() == "mod.rs",
        lines: 120,
        rule: Rule { sentence: "mod.rs has at most 120 lines", why: "it is the map of its folder" },
    },
];

/// What rustfmt wraps code to; it leaves strings, attributes and comments alone.
const WIDTH_MAX: usize = 100;

const WIDTH: Rule = Rule {
    sentence: "a line has at most 100 characters",
    why: "two files fit side by side in a review",
};

/// Extract, call, respond: the longest that needs is a dozen lines, and three to spare.
const HANDLER_LINES_MAX: usize = 15;

const HANDLER: Rule = Rule {
    sentence: "a handler's body has at most 15 lines",
    why: "a longer one has begun to contain a rule, and rules belong to the service",
};

/// Breaches that are meant to be.
const EXCEPTIONS: &[Exception] = &[];

#[test]
fn files_lines_and_handlers_stay_small() {
    settle(&sources().iter().flat_map(judge).collect::<Vec<_>>(), EXCEPTIONS);
}

fn judge(source: &Source) -> Vec<Finding> {
    let mut findings = too_long(source);
    findings.extend(too_wide(source));
    if source.path.starts_with("accounts/src/") && source.name() == "routes.rs" {
        findings.extend(long_handlers(source));
    }
    findings
}

fn too_long(source: &Source) -> Vec<Finding> {
    let lines = match source.before_tests {
        0 => source.lines.len(),
        before => before,
    };
    let broken = CAPS.iter().filter(|cap| (cap.applies)(source) && lines > cap.lines);
    let found = format!("{lines} lines");
    broken.map(|cap| Finding::at(&source.path, cap.lines + 1, cap.rule, &found)).collect()
}

fn too_wide(source: &Source) -> Vec<Finding> {
    let widths = source.numbered().map(|(number, line)| (number, line.whole.chars().count()));
    let wide = widths.filter(|(_, width)| *width > WIDTH_MAX);
    let found = |width| format!("{width} characters");
    wide.map(|(line, width)| Finding::at(&source.path, line, WIDTH, found(width))).collect()
}

fn long_handlers(source: &Source) -> Vec<Finding> {
    let starts = source.production().filter_map(|(number, line)| {
        let mut words = words(&line.code).skip_while(|word| *word != "async").skip(1);
        (words.next() == Some("fn")).then(|| (number, words.next().unwrap_or_default()))
    });
    starts
        .filter_map(|(number, name)| {
            let length = body_length(source, number);
            let found = format!("`{name}` has {length}");
            (length > HANDLER_LINES_MAX).then(|| Finding::at(&source.path, number, HANDLER, found))
        })
        .collect()
}

/// Lines between the braces of the function that starts at line `start`.
fn body_length(source: &Source, start: usize) -> usize {
    let mut depth = 0_usize;
    let mut opened = start;
    for (number, line) in source.numbered().skip(start - 1) {
        for brace in line.code.chars().filter(|c| matches!(c, '{' | '}')) {
            if brace == '{' {
                opened = if depth == 0 { number } else { opened };
                depth += 1;
            } else {
                depth = depth.saturating_sub(1);
            }
            if depth == 0 {
                return (number - opened).saturating_sub(1);
            }
        }
    }
    source.lines.len() - opened
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caught(path: &str, text: &str) -> Vec<(usize, &'static str)> {
        let findings = judge(&Source::new(path.to_owned(), text));
        findings.iter().map(|finding| (finding.line, finding.rule.sentence)).collect()
    }

    #[test]
    fn a_file_over_its_cap_is_caught() {
        let names = ["src/limit.rs", "src/main.rs", "src/lib.rs", "src/limit/mod.rs"];
        for (path, cap) in names.into_iter().zip(CAPS) {
            assert_eq!(caught(path, &"a\n".repeat(cap.lines)), [], "{path}");
            let over = caught(path, &"a\n".repeat(cap.lines + 1));
            assert_eq!(over, [(cap.lines + 1, cap.rule.sentence)], "{path}");
        }
    }

    #[test]
    fn unit_tests_do_not_count_and_files_of_tests_do() {
        let text = format!("a\n#[cfg(test)]\nmod tests {{\n{}}}\n", "b\n".repeat(500));
        assert_eq!(caught("src/limit.rs", &text), []);
        assert_eq!(caught("tests/api/users.rs", &text), [(401, CAPS[0].rule.sentence)]);
    }

    #[test]
    fn a_wide_line_is_caught_whatever_is_on_it() {
        assert_eq!(caught("src/a.rs", &format!("a\n// {}", "é".repeat(97))), []);
        assert_eq!(caught("src/a.rs", &format!("a\n// {}", "é".repeat(98))), [(2, WIDTH.sentence)]);
    }

    #[test]
    fn a_long_handler_is_caught() {
        let handler = |lines: usize| {
            let body = "    step().await;\n".repeat(lines);
            format!("fn routes() {{}}\n\nasync fn create(\n    a: A,\n) -> B {{\n{body}}}\n")
        };
        let path = "accounts/src/users/routes.rs";
        assert_eq!(caught(path, &handler(15)), []);
        assert_eq!(caught(path, &handler(16)), [(3, HANDLER.sentence)]);
        let nested = "async fn a() {\n    if b { c() }\n    match d {\n        _ => {}\n    }\n}\n";
        assert_eq!(body_length(&Source::new(path.to_owned(), nested), 1), 4);
    }
}
