//! What several processes have said, together.

use super::{ask::Answer, paint::plain};
use crate::{app::Failure, why::Record};

/// What was told, and by whom nothing.
#[derive(Debug)]
pub(super) struct Told {
    /// In the order in which they arrived.
    pub(super) records: Vec<Record>,
    /// Who should have been heard as well, and why they were not.
    pub(super) missing: Vec<String>,
}

/// Puts the records of all together; fails when there are none.
pub(super) fn merge(id: &str, answers: Vec<(String, Answer)>) -> Result<Told, Failure> {
    let mut told = Told { records: Vec::new(), missing: Vec::new() };
    let (mut unknown, mut help) = (Vec::new(), None);
    for (instance, answer) in answers {
        match answer {
            Answer::Records(records) => told.records.extend(records),
            Answer::NotKept(detail) => unknown.push(format!("{instance}: {detail}")),
            Answer::Refused(why, fix) => {
                told.missing.push(format!("{instance}: {why}"));
                help = Some(fix);
            }
        }
    }
    if !told.records.is_empty() {
        told.records.sort_by(|a, b| a.time.cmp(&b.time));
        return Ok(told);
    }
    let why = [told.missing, unknown].concat().join("; ");
    let what = match help {
        Some(_) => format!("nobody could be asked about {id}"),
        None => format!("no request {id} is kept"),
    };
    let fix = help.unwrap_or(
        "ask every process (`--ops URL`, repeated), or read the log: `why ID --log FILE`",
    );
    Err(Failure::new(what, plain(&why), fix))
}
