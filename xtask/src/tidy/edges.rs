//! EDGES: which crate may depend on which, and which outside crates stay in one place.

use cargo_metadata::DependencyKind;

use super::{
    Exception, Finding, Rule, settle,
    tree::{File, Member, members},
};

/// What one crate may use of the workspace. Crates go by the name of their folder.
struct Row {
    from: &'static str,
    uses: &'static [&'static str],
    /// What its tests may use as well.
    tests_use: &'static [&'static str],
    why: &'static str,
}

/// The direction of the whole: `core ← {store, web} ← mainstay ← accounts`.
const EDGES: &[Row] = &[
    Row {
        from: "core",
        uses: &[],
        tests_use: &[],
        why: "everybody shares the vocabulary, so any edge out of it drags that crate everywhere",
    },
    Row {
        from: "macros",
        uses: &[],
        tests_use: &[],
        why: "a derive writes names and needs no code; what it wrote is tested where it is used",
    },
    Row {
        from: "store",
        uses: &["core"],
        tests_use: &["test-databases"],
        why: "data knows no HTTP; where web needs something of it, core has a trait",
    },
    Row {
        from: "web",
        uses: &["core"],
        tests_use: &[],
        why: "the edge knows no database; where it needs something kept, core has a trait",
    },
    Row {
        from: "mainstay",
        uses: &["core", "macros", "store", "web"],
        tests_use: &[],
        why: "the front door is the one place where web and store meet",
    },
    Row {
        from: "test-databases",
        uses: &[],
        tests_use: &[],
        why: "the tests of every crate may use it, so it knows none of them",
    },
    Row {
        from: "testing",
        uses: &["core", "mainstay", "test-databases", "web"],
        tests_use: &[],
        why: "the kit starts the production builder; only tests may depend on the kit",
    },
    Row {
        from: "accounts",
        uses: &["mainstay"],
        tests_use: &["testing"],
        why: "the reference service is what a user writes, and a user has only the front door",
    },
    Row {
        from: "bench",
        uses: &["accounts", "core", "mainstay", "store", "test-databases", "testing", "web"],
        tests_use: &[],
        why: "measuring a part alone needs that part, and a server of its own where it needs one",
    },
    Row {
        from: "fuzz",
        uses: &["core", "mainstay", "web"],
        tests_use: &[],
        why: "a target calls a parser alone, wherever that is; the service has none of its own",
    },
    Row {
        from: "xtask",
        uses: &[],
        tests_use: &[],
        why: "a check that needs the checked code to compile is silent when it is needed most",
    },
];

/// Outside crates that stay in the crates listed, tests included.
struct Confined {
    crates: &'static [&'static str],
    homes: &'static [&'static str],
    why: &'static str,
}

const CONFINED: &[Confined] = &[
    Confined {
        crates: &["axum", "axum-core", "axum-extra", "tower", "tower-http"],
        homes: &["web", "mainstay", "bench"],
        why: "a service that names the HTTP library breaks when the library changes",
    },
    Confined {
        crates: &["hyper", "hyper-util"],
        homes: &["web", "mainstay", "testing", "bench"],
        why: "one accept loop serves, and one client tests; both are ours to replace",
    },
    Confined {
        crates: &["rusqlite", "tokio-postgres", "redis", "quick_cache", "moka"],
        homes: &["store", "test-databases", "bench"],
        why: "drivers stay behind the store's types; only the crate that starts servers for tests \
              and the bench that compares drivers need them bare",
    },
    Confined {
        crates: &["sqlx", "sqlx-core", "sqlx-postgres"],
        homes: &["store", "bench"],
        why: "it is what the engine is compared with, and nothing that ships has two drivers",
    },
    Confined {
        crates: &["prost"],
        homes: &["mainstay"],
        why: "protobuf is how traces travel, and nothing else here speaks it",
    },
    Confined {
        crates: &["cargo_metadata"],
        homes: &["xtask"],
        why: "nothing that ships asks about its own build",
    },
    Confined {
        crates: &["anyhow"],
        homes: &["accounts", "bench", "xtask"],
        why: "an opaque error is for a main function; a library's caller has to match on it",
    },
];

/// Breaches of both tables that are meant to be.
const EXCEPTIONS: &[Exception] = &[];

const UNKNOWN: &str = "every crate of the workspace has a row in EDGES";
const EDGE: &str = "a crate depends only on the crates its row in EDGES names";
const CONFINEMENT: &str = "a confined dependency stays in the crates its row in CONFINED names";

#[test]
fn crates_depend_only_in_the_one_direction() {
    let members = members();
    let findings: Vec<_> = members.iter().flat_map(|member| judge(member, &members)).collect();
    settle(&findings, EXCEPTIONS);
}

#[test]
fn the_crates_of_the_table_exist() {
    let members = members();
    let missing = |row: &&Row| !members.iter().any(|member| member.folder == row.from);
    let missing: Vec<_> = EDGES.iter().filter(missing).map(|row| row.from).collect();
    assert!(missing.is_empty(), "EDGES names what is not in the workspace: {missing:?}");
}

fn judge(member: &Member, members: &[Member]) -> Vec<Finding> {
    let Some(row) = EDGES.iter().find(|row| row.from == member.folder) else {
        let why = "a crate nobody placed ends up in the middle of everything";
        return vec![at(&member.manifest, &member.folder, Rule { sentence: UNKNOWN, why })];
    };
    let breach = |(name, kind): &(String, DependencyKind)| {
        let inside = members.iter().find(|other| other.package == *name);
        let rule = match inside {
            Some(other) => edge(row, &other.folder, *kind),
            None => confinement(&member.folder, name),
        };
        rule.map(|rule| at(&member.manifest, name, rule))
    };
    member.dependencies.iter().filter_map(breach).collect()
}

fn edge(row: &Row, to: &str, kind: DependencyKind) -> Option<Rule> {
    let in_tests = kind == DependencyKind::Development && row.tests_use.contains(&to);
    let allowed = row.uses.contains(&to) || in_tests;
    (!allowed).then_some(Rule { sentence: EDGE, why: row.why })
}

fn confinement(from: &str, to: &str) -> Option<Rule> {
    let row = CONFINED.iter().find(|row| row.crates.contains(&to))?;
    (!row.homes.contains(&from)).then_some(Rule { sentence: CONFINEMENT, why: row.why })
}

/// Points at the line of the manifest that names the dependency.
fn at(manifest: &File, name: &str, rule: Rule) -> Finding {
    let line = manifest.numbered().find(|(_, line)| line.trim_start().starts_with(name));
    let line = line.map_or(1, |(number, _)| number);
    Finding::at(&manifest.path, line, rule, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(folder: &str, dependencies: &[(&str, DependencyKind)]) -> Member {
        let lines = dependencies.iter().map(|(name, _)| format!("{name}.workspace = true\n"));
        Member {
            folder: folder.to_owned(),
            package: format!("mainstay-{folder}"),
            manifest: File { path: format!("{folder}/Cargo.toml"), text: lines.collect() },
            dependencies: dependencies.iter().map(|(n, k)| ((*n).to_owned(), *k)).collect(),
        }
    }

    fn sentences(of: &Member) -> Vec<&'static str> {
        let everybody = ["core", "store", "web", "testing"].map(|folder| member(folder, &[]));
        judge(of, &everybody).iter().map(|finding| finding.rule.sentence).collect()
    }

    #[test]
    fn an_edge_against_the_direction_is_caught() {
        use DependencyKind::{Development, Normal};
        assert_eq!(sentences(&member("store", &[("mainstay-web", Normal)])), [EDGE]);
        assert_eq!(sentences(&member("core", &[("mainstay-store", Development)])), [EDGE]);
        assert_eq!(sentences(&member("accounts", &[("mainstay-testing", Normal)])), [EDGE]);
        assert!(sentences(&member("accounts", &[("mainstay-testing", Development)])).is_empty());
        assert!(sentences(&member("web", &[("mainstay-core", Normal)])).is_empty());
    }

    #[test]
    fn a_driver_outside_its_home_is_caught() {
        let kinds = [DependencyKind::Normal, DependencyKind::Development, DependencyKind::Build];
        for kind in kinds {
            assert_eq!(sentences(&member("accounts", &[("axum", kind)])), [CONFINEMENT]);
            assert_eq!(sentences(&member("web", &[("rusqlite", kind)])), [CONFINEMENT]);
            assert!(sentences(&member("store", &[("rusqlite", kind)])).is_empty());
        }
    }

    #[test]
    fn a_crate_without_a_row_is_caught() {
        assert_eq!(sentences(&member("misc", &[])), [UNKNOWN]);
    }

    #[test]
    fn a_finding_points_at_the_line_of_the_dependency() {
        use DependencyKind::Normal;
        let store = member("store", &[("mainstay-core", Normal), ("mainstay-web", Normal)]);
        let findings = judge(&store, &[member("core", &[]), member("web", &[])]);
        assert_eq!(findings.iter().map(|finding| finding.line).collect::<Vec<_>>(), [2]);
    }
}
