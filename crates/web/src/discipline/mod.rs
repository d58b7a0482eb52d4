//! The discipline matrix: every endpoint against everything that has to be decided about it.
//!
//! What is undecided has a sentence that says where and what to write. `edge/build.rs` refuses what
//! contradicts itself; here is what works, and what nobody has thought about yet.

mod errors;
mod evidence;
mod inputs;
mod json;
mod matrix;
mod rules;
mod schema;
mod serve;
mod table;

use serde_json::Map;

pub use evidence::{Evidence, InvalidEvidence};
pub use matrix::{Column, Finding, Matrix};
pub use serve::{Published, routes};

use crate::{Edge, endpoint::Settled};
use matrix::{Cell, Row};

impl Edge {
    /// What is decided about the endpoints of this edge, and tested according to `evidence`.
    pub fn discipline(&self, evidence: &Evidence) -> Matrix {
        let none = Map::new();
        let components = self.document().value()["components"]["schemas"].as_object();
        let scoped = self.is_scoped();
        let components = components.unwrap_or(&none);
        let subject = |endpoint| Subject { endpoint, components, evidence, scoped };
        // A raw router is mounted on several paths; the widest stands for all.
        let shown = self
            .endpoints()
            .iter()
            .filter(|endpoint| endpoint.raw.is_none() || endpoint.path.ends_with("/{*rest}"));
        let subjects: Vec<_> = shown.map(|endpoint| subject(&**endpoint)).collect();
        Matrix {
            rows: subjects.iter().map(Subject::row).collect(),
            demanded: subjects.iter().flat_map(errors::demanded).collect(),
        }
    }
}

/// An endpoint under judgement, with what it is judged by.
struct Subject<'e> {
    endpoint: &'e Settled,
    /// The named schemas of the document.
    components: &'e Map<String, serde_json::Value>,
    evidence: &'e Evidence,
    /// Whether there are credentials that are not good for every endpoint.
    scoped: bool,
}

impl Subject<'_> {
    fn row(&self) -> Row {
        let place = self.endpoint.decisions.place;
        Row {
            method: self.endpoint.method.to_string(),
            path: self.endpoint.path.to_owned(),
            module: self.endpoint.module,
            handler: self.endpoint.name,
            file: place.file(),
            line: place.line(),
            cells: Column::ALL.map(|column| (column, rules::judge(self, column))).to_vec(),
        }
    }
}
