//! Migration files: embedded, and checked while the binary is compiled.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::database::Engine;

/// Embeds migration files, given by paths relative to the calling file, in order:
///
/// ```text
/// const MIGRATIONS: Migrations = migrations!("../migrations/0001_users.sql");
/// ```
///
/// Names are `NNNN_snake_case.sql`, numbered from 1 without gaps. A file may be replaced or
/// accompanied by `NNNN_snake_case.sqlite.sql` and `.postgres.sql`, which are preferred on their
/// engine. Anything else does not compile.
#[macro_export]
macro_rules! migrations {
    ($($file:literal),* $(,)?) => {
        const {
            const FILES: &[$crate::Migration] =
                &[$($crate::Migration::new($file, ::core::include_str!($file))),*];
            $crate::Migrations::new(FILES)
        }
    };
}

/// One embedded file.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    pub(super) number: u32,
    pub(super) name: &'static str,
    /// `None` serves every engine.
    engine: Option<Engine>,
    sql: &'static str,
}

impl Migration {
    /// A file by its path and its content.
    ///
    /// # Panics
    /// When the path does not end in `NNNN_snake_case[.engine].sql`; in a `const` that is a
    /// compile error.
    pub const fn new(path: &'static str, sql: &'static str) -> Self {
        let file = after_last(path, b'/');
        let Some(stem) = without_suffix(file, ".sql") else {
            panic!("a migration file ends in `.sql`");
        };
        let (stem, engine) =
            match (without_suffix(stem, ".sqlite"), without_suffix(stem, ".postgres")) {
                (Some(stem), _) => (stem, Some(Engine::Sqlite)),
                (_, Some(stem)) => (stem, Some(Engine::Postgres)),
                _ => (stem, None),
            };
        let (number, name) = number_and_name(stem);
        Self { number, name, engine, sql }
    }

    /// The checksum of the SQL, the same for a checkout with other line ends.
    pub(super) fn checksum(&self) -> String {
        let digest = Sha256::digest(self.sql.replace("\r\n", "\n"));
        digest.iter().fold(String::with_capacity(64), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("a string takes everything");
            hex
        })
    }

    /// `0001_users.sql`, or `0001_users.postgres.sql`.
    pub(super) fn file_name(&self) -> String {
        let engine = self.engine.map_or(String::new(), |engine| format!(".{}", engine.as_str()));
        format!("{:04}_{}{engine}.sql", self.number, self.name)
    }

    pub(super) const fn sql(&self) -> &'static str {
        self.sql
    }
}

/// The migrations of a binary.
#[derive(Clone, Copy, Debug)]
pub struct Migrations(&'static [Migration]);

impl Migrations {
    /// Takes the files in order.
    ///
    /// # Panics
    /// When the numbers have a gap, or one number has two names or two files for one engine; in a
    /// `const` that is a compile error.
    pub const fn new(files: &'static [Migration]) -> Self {
        let mut index = 0;
        let mut number = 0;
        while index < files.len() {
            let file = &files[index];
            if file.number == number && number > 0 {
                let before = &files[index - 1];
                assert!(equal(file.name, before.name), "one migration number with two names");
                let mut other = index;
                while other > 0 && files[other - 1].number == number {
                    other -= 1;
                    let twice = same_engine(files[other].engine, file.engine);
                    assert!(!twice, "one migration number with two files for one engine");
                }
            } else {
                number += 1;
                assert!(file.number == number, "migration numbers go up from 1 without gaps");
            }
            index += 1;
        }
        Self(files)
    }

    /// The file of each number for this engine; `None` where an engine was left out.
    pub(super) fn for_engine(
        &self,
        engine: Engine,
    ) -> impl Iterator<Item = (u32, &'static str, Option<&'static Migration>)> {
        self.0.chunk_by(|a, b| a.number == b.number).map(move |files| {
            let own = files.iter().find(|file| file.engine == Some(engine));
            let shared = files.iter().find(|file| file.engine.is_none());
            (files[0].number, files[0].name, own.or(shared))
        })
    }
}

const fn same_engine(a: Option<Engine>, b: Option<Engine>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => a as u8 == b as u8,
        _ => false,
    }
}

/// Splits `0001_users`.
const fn number_and_name(stem: &str) -> (u32, &str) {
    let (digits, rest) = stem.as_bytes().split_at(if stem.len() > 5 { 4 } else { 0 });
    assert!(digits.len() == 4 && rest[0] == b'_', "a migration is named `0001_snake_case.sql`");
    let mut number = 0;
    let mut index = 0;
    while index < digits.len() {
        assert!(digits[index].is_ascii_digit(), "a migration is named `0001_snake_case.sql`");
        number = number * 10 + (digits[index] - b'0') as u32;
        index += 1;
    }
    index = 1;
    while index < rest.len() {
        let snake = matches!(rest[index], b'a'..=b'z' | b'0'..=b'9' | b'_');
        assert!(snake, "a migration is named `0001_snake_case.sql`");
        index += 1;
    }
    (number, text(rest.split_at(1).1))
}

const fn after_last(text: &str, separator: u8) -> &str {
    let bytes = text.as_bytes();
    let mut start = bytes.len();
    while start > 0 && bytes[start - 1] != separator {
        start -= 1;
    }
    self::text(bytes.split_at(start).1)
}

const fn without_suffix<'a>(text: &'a str, suffix: &str) -> Option<&'a str> {
    if text.len() < suffix.len() {
        return None;
    }
    let (front, back) = text.as_bytes().split_at(text.len() - suffix.len());
    if equal(self::text(back), suffix) { Some(self::text(front)) } else { None }
}

const fn equal(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut index = 0;
    while index < a.len() && index < b.len() && a[index] == b[index] {
        index += 1;
    }
    index == a.len() && index == b.len()
}

/// Back to text; every cut above is beside an ASCII character.
const fn text(bytes: &[u8]) -> &str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => panic!("a migration path is cut between characters"),
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    fn listed(files: &[&'static str]) -> Option<Vec<(u32, &'static str, &'static str)>> {
        let files = files.to_vec();
        let migrations = catch_unwind(move || {
            let files = files.into_iter().map(|file| Migration::new(file, file));
            Migrations::new(files.collect::<Vec<_>>().leak())
        });
        let list = migrations.ok()?;
        let list = list.for_engine(Engine::Sqlite);
        Some(list.map(|(number, name, file)| (number, name, file.map_or("", |f| f.sql))).collect())
    }

    #[test]
    fn the_file_of_the_engine_is_preferred() {
        let files = ["a/0001_a.sql", "0002_b.sql", "0002_b.sqlite.sql", "0003_c.postgres.sql"];
        let expected = vec![(1, "a", "a/0001_a.sql"), (2, "b", "0002_b.sqlite.sql"), (3, "c", "")];
        assert_eq!(listed(&files), Some(expected));
    }

    #[test]
    fn a_list_that_is_not_in_order_is_refused() {
        for files in [
            vec!["0002_a.sql"],
            vec!["0001_a.sql", "0003_b.sql"],
            vec!["0001_a.sql", "0001_a.sql"],
            vec!["0001_a.sql", "0001_b.sqlite.sql"],
            vec!["0001_a.sqlite.sql", "0001_a.sql", "0001_a.sqlite.sql"],
            vec!["0001_a.sql", "0002_b.sql", "0001_a.postgres.sql"],
            vec!["0000_a.sql"],
            vec!["001_a.sql"],
            vec!["0001a.sql"],
            vec!["0001_.sql"],
            vec!["0001_A.sql"],
            vec!["0001_a-b.sql"],
            vec!["0001_a.mysql.sql"],
            vec!["0001_a.txt"],
            vec!["00é_a.sql"],
        ] {
            assert_eq!(listed(&files), None, "{files:?}");
        }
    }
}
