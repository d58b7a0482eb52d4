//! LAYERS: what each file of a module in `accounts` may name, and which module may use which.

use super::{
    Exception, Finding, Rule,
    paths::{Named, named},
    settle,
    source::{Line, Source, words},
    tree::sources,
};

/// Which other modules a module may use. Every module has a row.
struct Module {
    name: &'static str,
    uses: &'static [&'static str],
}

const MODULES: &[Module] = &[
    Module { name: "users", uses: &[] },
    Module { name: "sessions", uses: &["users"] },
    Module { name: "keys", uses: &["users", "flags"] },
    Module { name: "flags", uses: &[] },
];

/// The files of a module. Unit tests may move to `tests.rs`, or to `service/tests.rs`.
const FILES: &[&str] = &[
    "mod.rs",
    "routes.rs",
    "wire.rs",
    "service.rs",
    "model.rs",
    "repository.rs",
    "error.rs",
    "tests.rs",
];

/// What a file never contains, outside its tests.
enum Never {
    /// A path or anything below it; `super::` is the module.
    Path(&'static str),
    /// A word of the code: a type, a crate, a keyword.
    Word(&'static str),
    /// SQL in a string.
    Sql,
    /// A number that is an HTTP error status.
    Status,
}

use Never::{Path, Sql, Status, Word};

struct Row {
    files: &'static [&'static str],
    never: &'static [Never],
    rule: Rule,
}

const LAYERS: &[Row] = &[
    Row {
        files: &["mod.rs"],
        never: &[Word("fn"), Word("struct"), Word("enum"), Word("impl")],
        rule: Rule {
            sentence: "mod.rs declares and re-exports, and holds no logic",
            why: "a façade is read to learn what a module offers, not how it works",
        },
    },
    Row {
        files: &["routes.rs", "wire.rs", "service.rs", "model.rs", "error.rs"],
        never: &[Sql],
        rule: Rule {
            sentence: "only repository.rs contains SQL",
            why: "a query that can be anywhere is found by nobody who changes the schema",
        },
    },
    Row {
        files: &["routes.rs", "wire.rs"],
        never: &[Path("super::repository"), Word("Database"), Word("redis")],
        rule: Rule {
            sentence: "routes.rs and wire.rs do not reach the data",
            why: "a handler that skips the service skips its rules",
        },
    },
    Row {
        files: &["service.rs", "model.rs", "repository.rs", "error.rs"],
        never: &[
            Word("axum"),
            Word("http"),
            Word("hyper"),
            Word("StatusCode"),
            Path("mainstay::web"),
            Path("super::routes"),
            Path("super::wire"),
        ],
        rule: Rule {
            sentence: "below routes.rs nothing knows HTTP",
            why: "rules and queries are tested, and reused, without a server",
        },
    },
    Row {
        files: &["service.rs", "model.rs"],
        never: &[Word("rusqlite"), Word("tokio_postgres"), Word("redis")],
        rule: Rule {
            sentence: "service.rs and model.rs name no driver",
            why: "rules are tested against an in-memory repository",
        },
    },
    Row {
        files: &["service.rs", "model.rs"],
        never: &[Word("serde"), Word("serde_json"), Word("Serialize"), Word("Deserialize")],
        rule: Rule {
            sentence: "service.rs and model.rs are not serialised",
            why: "a domain type on the wire makes every rename a breaking change; wire.rs converts",
        },
    },
    Row {
        files: &["model.rs", "error.rs"],
        never: &[Path("super::service"), Path("super::repository")],
        rule: Rule {
            sentence: "model.rs and error.rs lie below the service and the repository",
            why: "a type that knows who uses it cannot be used by anybody else",
        },
    },
    Row {
        files: &["repository.rs"],
        never: &[Path("super::service")],
        rule: Rule {
            sentence: "repository.rs does not call the service",
            why: "calls go down: routes, service, repository",
        },
    },
    Row {
        files: &["error.rs"],
        never: &[Status],
        rule: Rule {
            sentence: "error.rs gives kinds, not statuses",
            why: "one table in mainstay-web maps kind to status, so no two modules can differ",
        },
    },
];

const STRANGER: Rule = Rule {
    sentence: "a module consists of mod, routes, wire, service, model, repository, error (tests)",
    why: "whoever knows one module knows where to look in the next",
};
const UNLISTED: Rule = Rule {
    sentence: "every module of accounts has a row in MODULES",
    why: "a module that nobody placed may use every other",
};
const NEIGHBOUR: Rule = Rule {
    sentence: "a module uses only the modules its row in MODULES names",
    why: "a cycle between modules is what keeps a monolith from ever being split",
};
const INSIDE: Rule = Rule {
    sentence: "another module is used only through what its mod.rs re-exports",
    why: "what a neighbour can name can no longer be changed freely",
};
const OPEN: Rule = Rule {
    sentence: "mod.rs keeps its files private",
    why: "`pub mod` makes a façade of everything",
};

/// Breaches that are meant to be.
const EXCEPTIONS: &[Exception] = &[];

#[test]
fn the_files_of_a_module_keep_to_their_layer() {
    settle(&sources().iter().flat_map(judge).collect::<Vec<_>>(), EXCEPTIONS);
}

#[test]
fn the_modules_of_the_table_exist() {
    let sources = sources();
    let missing = |row: &&Module| {
        let file = format!("accounts/src/{}/mod.rs", row.name);
        !sources.iter().any(|source| source.path == file)
    };
    let missing: Vec<_> = MODULES.iter().filter(missing).map(|row| row.name).collect();
    assert!(missing.is_empty(), "MODULES names what is not in accounts/src: {missing:?}");
}

/// Everything wrong with one file, if it belongs to a module of the service.
fn judge(source: &Source) -> Vec<Finding> {
    let below = source.path.strip_prefix("accounts/src/").and_then(|path| path.split_once('/'));
    let Some((module, file)) = below else { return Vec::new() };
    let Some(row) = MODULES.iter().find(|row| row.name == module) else {
        return vec![Finding::at(&source.path, 1, UNLISTED, module)];
    };
    let Some(layer) = FILES.iter().find(|known| is_part(file, known)) else {
        return vec![Finding::at(&source.path, 1, STRANGER, file)];
    };
    let place = ["crate", module, layer.trim_end_matches(".rs")];
    let place = if *layer == "mod.rs" { &place[..2] } else { &place[..] };
    let paths = named(source, place);
    let mut findings = layer_breaches(source, layer, module, &paths);
    findings.extend(paths.iter().filter_map(|path| neighbour_breach(source, row, path)));
    findings.extend(open_files(source, layer));
    findings
}

/// `service.rs` itself, or its tests in `service/tests.rs`, or what stands in front of a repository
/// in `repository/cached.rs`.
fn is_part(file: &str, known: &str) -> bool {
    let folder = known.trim_end_matches(".rs");
    let below = |name| file.strip_suffix(name).is_some_and(|stem| stem == folder);
    file == known || below("/tests.rs") || folder == "repository" && below("/cached.rs")
}

fn layer_breaches(source: &Source, layer: &str, module: &str, paths: &[Named]) -> Vec<Finding> {
    let rows = LAYERS.iter().filter(|row| row.files.contains(&layer));
    let nevers = rows.flat_map(|row| row.never.iter().map(|never| (never, row.rule)));
    nevers
        .flat_map(|(never, rule)| {
            let places = match never {
                Path(path) => path_places(paths, path, module),
                Word(_) | Sql | Status => line_places(source, never),
            };
            places
                .into_iter()
                .map(move |(line, found)| Finding::at(&source.path, line, rule, found))
        })
        .collect()
}

fn path_places(paths: &[Named], forbidden: &str, module: &str) -> Vec<(usize, String)> {
    let prefix: Vec<&str> = match forbidden.strip_prefix("super::") {
        Some(file) => vec!["crate", module, file],
        None => forbidden.split("::").collect(),
    };
    let hits = paths.iter().filter(|path| path.is_below(&prefix));
    hits.map(|path| (path.line, path.segments.join("::"))).collect()
}

fn line_places(source: &Source, never: &Never) -> Vec<(usize, String)> {
    source
        .production()
        .filter_map(|(number, line)| Some((number, in_line(line, never)?.to_owned())))
        .collect()
}

fn in_line<'a>(line: &'a Line, never: &Never) -> Option<&'a str> {
    match never {
        Word(word) => words(&line.code).find(|found| found == word),
        Status => words(&line.code).find(|word| is_error_status(word)),
        Sql => {
            let verbs = ["SELECT ", "INSERT ", "UPDATE ", "DELETE "];
            verbs.iter().any(|verb| line.literal.contains(verb)).then(|| line.literal.trim())
        }
        Path(_) => None,
    }
}

/// Whether a number, with or without a type, is a 4xx or 5xx.
fn is_error_status(word: &str) -> bool {
    let end = word.find(|c: char| !c.is_ascii_digit()).unwrap_or(word.len());
    word[..end].parse().is_ok_and(|number: u32| (400..600).contains(&number))
}

fn neighbour_breach(source: &Source, own: &Module, path: &Named) -> Option<Finding> {
    let [root, other, rest @ ..] = path.segments.as_slice() else { return None };
    if root != "crate" || other == own.name || !MODULES.iter().any(|row| row.name == other) {
        return None;
    }
    let reaches_in =
        rest.first().is_some_and(|next| FILES.contains(&format!("{next}.rs").as_str()));
    let rule = if !own.uses.contains(&other.as_str()) {
        NEIGHBOUR
    } else if reaches_in {
        INSIDE
    } else {
        return None;
    };
    Some(Finding::at(&source.path, path.line, rule, path.segments.join("::")))
}

fn open_files(source: &Source, layer: &str) -> Vec<Finding> {
    let opens =
        |code: &str| code.trim_start().starts_with("pub") && words(code).any(|w| w == "mod");
    let lines = source.production().filter(|(_, line)| layer == "mod.rs" && opens(&line.code));
    lines.map(|(number, line)| Finding::at(&source.path, number, OPEN, line.code.trim())).collect()
}

#[cfg(test)]
mod tests;
