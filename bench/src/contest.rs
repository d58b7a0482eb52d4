//! Servers beside each other: the instructions of each, then rounds of load with every one of them
//! in each.

use anyhow::{Context as _, Result};

use crate::{
    callgrind,
    load::{self, Measured, Scenario},
    process::{Place, Server},
};

/// Rounds of load; the median is printed.
const ROUNDS: usize = 3;

/// One that takes part.
pub(crate) struct Contender<'a> {
    pub(crate) name: &'static str,
    /// A program of this build, and its arguments.
    pub(crate) binary: &'a str,
    pub(crate) server: &'a Server,
    pub(crate) scenario: Scenario,
}

/// What it cost.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// User instructions per request.
    pub(crate) instructions: f64,
    runs: Vec<Measured>,
}

/// Measures all of them.
pub(crate) fn run(contenders: &[Contender<'_>], place: Place<'_>) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for Contender { name, binary, scenario, .. } in contenders {
        let instructions = callgrind::user_instructions(binary, scenario, place)
            .with_context(|| format!("{name}, under callgrind"))?;
        tell(&format!("{name}: {:.1} k user instructions", instructions / 1e3));
        rows.push(Row { name, instructions, runs: Vec::new() });
    }
    for round in 0..ROUNDS {
        for (row, Contender { name, server, scenario, .. }) in rows.iter_mut().zip(contenders) {
            let measured = load::run(server, scenario).with_context(|| (*name).to_owned())?;
            tell(&format!("round {round}: {name}: {measured}"));
            row.runs.push(measured);
        }
    }
    Ok(rows)
}

impl Row {
    /// The median of the rounds.
    pub(crate) fn median(&self, field: impl Fn(&Measured) -> f64) -> f64 {
        let mut values: Vec<f64> = self.runs.iter().map(field).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// The median of what perf counted; a dash where it could count nothing.
    pub(crate) fn all_instructions(&self) -> String {
        let counted = self.median(|run| run.instructions.unwrap_or(f64::NAN));
        if counted.is_nan() { "-".to_owned() } else { format!("{:.1}", counted / 1e3) }
    }

    /// Its CPU time beyond another's, in microseconds, by round.
    pub(crate) fn cpu_above(&self, other: &Self) -> Vec<f64> {
        self.runs.iter().zip(&other.runs).map(|(run, other)| run.cpu_us - other.cpu_us).collect()
    }

    /// Its CPU time as a multiple of another's, by round.
    pub(crate) fn cpu_ratios(&self, other: &Self) -> Vec<f64> {
        self.runs.iter().zip(&other.runs).map(|(run, other)| run.cpu_us / other.cpu_us).collect()
    }
}

/// Numbers of the rounds, one after the other.
pub(crate) fn by_round(ratios: &[f64]) -> String {
    let ratios: Vec<String> = ratios.iter().map(|ratio| format!("{ratio:.2}")).collect();
    ratios.join(" ")
}

/// Progress.
#[expect(clippy::print_stderr, reason = "progress")]
pub(crate) fn tell(text: &str) {
    eprintln!("{text}");
}
