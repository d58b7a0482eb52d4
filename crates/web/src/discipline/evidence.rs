//! Which errors tests have produced: committed beside the service, and written by every test run.

use std::collections::BTreeSet;

/// Lines `METHOD<TAB>ROUTE<TAB>CODE`. `*` stands for any method and any route.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    lines: BTreeSet<String>,
    codes: BTreeSet<String>,
}

/// A line that is no evidence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} is not METHOD<TAB>ROUTE<TAB>CODE")]
pub struct InvalidEvidence {
    /// Counted from 1.
    pub line: usize,
}

impl Evidence {
    /// Reads lines in any order; repetitions are one.
    pub fn parse(text: &str) -> Result<Self, InvalidEvidence> {
        let mut evidence = Self::default();
        for (at, line) in text.lines().enumerate() {
            let parts: Vec<_> = line.split('\t').collect();
            let [_, _, code] = parts[..] else { return Err(InvalidEvidence { line: at + 1 }) };
            evidence.codes.insert(code.to_owned());
            evidence.lines.insert(line.to_owned());
        }
        Ok(evidence)
    }

    /// Whether it proves a line; one for any method and route is proved by any line of its code.
    pub(super) fn holds(&self, line: &str) -> bool {
        match line.strip_prefix("*\t*\t") {
            Some(code) => self.codes.contains(code),
            None => self.lines.contains(line),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_proves_itself_and_its_code_anywhere() {
        let evidence = Evidence::parse("GET\t/me\tFORBIDDEN\n").expect("well formed");
        assert!(evidence.holds("GET\t/me\tFORBIDDEN"));
        assert!(evidence.holds("*\t*\tFORBIDDEN"));
        assert!(!evidence.holds("GET\t/you\tFORBIDDEN"));
        assert!(!evidence.holds("*\t*\tINTERNAL"));
    }

    #[test]
    fn a_line_of_another_shape_is_refused_by_its_number() {
        for bad in ["GET\t/me\tFORBIDDEN\nFORBIDDEN\n", "GET\t/me\tFORBIDDEN\n\n"] {
            assert_eq!(Evidence::parse(bad).err(), Some(InvalidEvidence { line: 2 }), "{bad:?}");
        }
    }
}
