//! Contracts from the outside: each keyword, derived types, hostile input, and an oracle.

use serde_json::Value;

use super::*;

mod derived;
mod input;
mod keywords;
mod oracle;
mod parameters;

/// A schema, completed as it would be published.
fn published(schema: Value) -> Schema {
    let mut schema = Schema::try_from(schema).expect("a schema");
    publish(&mut schema);
    schema
}

fn contract(schema: Value) -> Contract {
    Contract::compile(&published(schema), &Map::new()).expect("an enforceable schema")
}

/// `pointer code` of each problem.
fn brief(problems: &[FieldProblem]) -> Vec<String> {
    problems.iter().map(|problem| format!("{} {}", problem.pointer, problem.code)).collect()
}
