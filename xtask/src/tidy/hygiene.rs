//! HYGIENE: what no file contains, and what every file and manifest begins with.

use super::{
    Exception, Finding, Rule, settle,
    source::{Line, Source, words},
    tree::{File, files, members, sources},
};

/// Something no Rust file contains.
struct Row {
    part: fn(&Line) -> &str,
    never: Never,
    rule: Rule,
}

enum Never {
    Word(&'static str),
    Text(&'static str),
}

use Never::{Text, Word};

const CODE: fn(&Line) -> &str = |line| &line.code;
const COMMENT: fn(&Line) -> &str = |line| &line.comment;

const LATER: Rule = Rule {
    sentence: "no comment promises work",
    why: "a promise in a comment is kept by nobody; do it now, or write down the limit as a fact",
};

const NEVER: &[Row] = &[
    Row { part: COMMENT, never: Word("TODO"), rule: LATER },
    Row { part: COMMENT, never: Word("FIXME"), rule: LATER },
    Row {
        part: CODE,
        never: Text("#[ignore"),
        rule: Rule {
            sentence: "no test is ignored",
            why: "an ignored test is a comment that compiles",
        },
    },
    Row {
        part: CODE,
        never: Word("should_panic"),
        rule: Rule {
            sentence: "no test expects a panic of its whole body",
            why: "it passes when the wrong line panics; match on the error instead",
        },
    },
    Row {
        part: CODE,
        never: Text("[allow("),
        rule: Rule {
            sentence: "a lint is silenced with #[expect(.., reason = \"..\")]",
            why: "an allow outlives its cause in silence; an expect complains when it is stale",
        },
    },
    Row {
        part: CODE,
        never: Text("dbg!"),
        rule: Rule { sentence: "no dbg!", why: "it prints values, and values can be personal" },
    },
    Row {
        part: CODE,
        never: Word("unsafe"),
        rule: Rule {
            sentence: "no unsafe code",
            why: "nothing here is worth a proof; the workspace forbids it, and so do its samples",
        },
    },
];

const OPENING: Rule = Rule {
    sentence: "a Rust file begins with `//!`",
    why: "one sentence on what a file is for decides whether one has to read it",
};
const LINTS: Rule = Rule {
    sentence: "a manifest says `[lints] workspace = true`",
    why: "a crate without it is checked by nothing, and nobody notices",
};
const VERSIONS: Rule = Rule {
    sentence: "a manifest takes its dependencies from the workspace",
    why: "a version or a feature set stated twice differs one day",
};
const MACHINE: Rule = Rule {
    sentence: "no file names a folder of somebody's machine",
    why: "it works there only, and says who was there",
};

/// First components of absolute paths that belong to one machine.
const MACHINE_FOLDERS: &[&str] = &["home", "root", "Users", "work"];

/// Breaches that are meant to be.
const EXCEPTIONS: &[Exception] = &[];

#[test]
fn files_and_manifests_are_clean() {
    let mut findings: Vec<_> = sources().iter().flat_map(source_breaches).collect();
    findings.extend(members().iter().flat_map(|member| manifest_breaches(&member.manifest)));
    findings.extend(files().iter().flat_map(machine_paths));
    settle(&findings, EXCEPTIONS);
}

fn source_breaches(source: &Source) -> Vec<Finding> {
    let opens = source.lines.first().is_some_and(|line| line.comment.starts_with("//!"));
    let opening = (!opens).then(|| Finding::at(&source.path, 1, OPENING, "another beginning"));
    let lines = source.numbered().flat_map(|(number, line)| {
        let broken = NEVER.iter().filter(|row| row.is_in(line));
        broken.map(move |row| Finding::at(&source.path, number, row.rule, line.whole.trim()))
    });
    opening.into_iter().chain(lines).collect()
}

impl Row {
    fn is_in(&self, line: &Line) -> bool {
        let part = (self.part)(line);
        match self.never {
            Word(word) => words(part).any(|found| found == word),
            Text(text) => part.contains(text),
        }
    }
}

fn manifest_breaches(manifest: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut section = "";
    let mut lints = false;
    for (number, line) in manifest.numbered() {
        let line = line.trim();
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']);
        }
        lints |= section == "lints" && line == "workspace = true";
        if states_its_own_version(section, line) {
            findings.push(Finding::at(&manifest.path, number, VERSIONS, line));
        }
    }
    if !lints {
        findings.push(Finding::at(&manifest.path, 1, LINTS, "no such section"));
    }
    findings
}

fn states_its_own_version(section: &str, line: &str) -> bool {
    let Some((key, value)) = line.split_once('=').map(|(k, v)| (k.trim(), v.trim())) else {
        return false;
    };
    if section.ends_with("dependencies") {
        let inherited = key.ends_with(".workspace") || value.contains("workspace = true");
        !inherited && !value.contains("path = ")
    } else {
        // The long form: one table for one dependency.
        section.contains("dependencies.") && matches!(key, "version" | "git")
    }
}

fn machine_paths(file: &File) -> Vec<Finding> {
    let lines = file.numbered().filter(|(_, line)| names_a_machine_folder(line));
    lines.map(|(number, line)| Finding::at(&file.path, number, MACHINE, line.trim())).collect()
}

fn names_a_machine_folder(line: &str) -> bool {
    // Elsewhere than at the start of a path the same word is a route or a part of a link.
    let starts_a_path = |before: &str| {
        let last = before.chars().next_back();
        last.is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '/' | '.' | '_' | '-' | '}'))
    };
    MACHINE_FOLDERS.iter().any(|folder| {
        let needle = format!("/{folder}/");
        line.match_indices(&needle).any(|(index, _)| starts_a_path(&line[..index]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caught(text: &str) -> Vec<&'static str> {
        let source = Source::new("src/a.rs".to_owned(), &format!("//! A.\n{text}"));
        source_breaches(&source).iter().map(|finding| finding.rule.sentence).collect()
    }

    #[test]
    fn each_forbidden_thing_is_caught() {
        let samples = [
            "// TODO: later",
            "/* FIXME */",
            "#[ignore = \"slow\"]",
            "#[should_panic(expected = \"no\")]",
            "#![allow(dead_code)]",
            "let a = dbg!(b);",
            "unsafe { f() }",
        ];
        for (sample, row) in samples.iter().zip(NEVER) {
            assert_eq!(caught(sample), [row.rule.sentence], "{sample}");
        }
        assert_eq!(samples.len(), NEVER.len(), "every row has a sample");
    }

    #[test]
    fn the_same_words_elsewhere_are_not_caught() {
        let fine =
            "let t = \"TODO #[ignore] unsafe dbg!\"; // an unsafe thing\nforbid(unsafe_code)";
        assert_eq!(caught(fine), Vec::<&str>::new());
    }

    #[test]
    fn a_file_without_its_sentence_is_caught() {
        for text in ["", "use a;", "// A.", "\n//! A."] {
            let source = Source::new("src/a.rs".to_owned(), text);
            let findings = source_breaches(&source);
            assert_eq!(findings.len(), 1, "{text:?}");
            assert_eq!(findings[0].rule, OPENING);
        }
    }

    #[test]
    fn a_manifest_that_goes_its_own_way_is_caught() {
        let check = |text: &str| {
            let manifest = File { path: "a/Cargo.toml".to_owned(), text: text.to_owned() };
            let findings = manifest_breaches(&manifest);
            findings.iter().map(|f| (f.line, f.rule.sentence)).collect::<Vec<_>>()
        };
        let lints = "[lints]\nworkspace = true\n";
        assert_eq!(check("[package]\nname = \"a\"\n"), [(1, LINTS.sentence)]);
        for own in [
            "[dependencies]\nserde = \"1\"\n",
            "[dev-dependencies]\nserde = { version = \"1\" }\n",
            "[target.'cfg(unix)'.dependencies]\nnix = { git = \"https://example.com\" }\n",
            "[dependencies.serde]\nversion = \"1\"\n",
        ] {
            assert_eq!(check(&format!("{own}{lints}")), [(2, VERSIONS.sentence)], "{own}");
        }
        let fine = "[dependencies]\na.workspace = true\nb = { path = \"../b\" }\n\
                    c = { workspace = true, features = [\n    \"d\",\n] }\n";
        assert_eq!(check(&format!("{fine}{lints}")), []);
    }

    #[test]
    fn a_path_of_one_machine_is_caught() {
        for folder in MACHINE_FOLDERS {
            for line in [format!("/{folder}/ada"), format!("see `/{folder}/ada/notes.txt`")] {
                assert!(names_a_machine_folder(&line), "{line}");
            }
            for line in [format!("/api/{folder}/1"), format!("/{folder}s/1"), folder.to_string()] {
                assert!(!names_a_machine_folder(&line), "{line}");
            }
        }
    }
}
