//! `cargo xtask bench`: everything that is measured, or the one part that is named.

mod callgrind;
mod group_commit;
mod load;
mod log_in;
mod perf;
mod process;
mod side_by_side;
mod startup;

use anyhow::Result;

fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let only = std::env::args().nth(1);
    let wanted = |name: &str| only.as_deref().is_none_or(|only| only == name);
    if wanted("edge") {
        print(&side_by_side::measure(folder.path())?);
    }
    if wanted("startup") {
        print(&startup::measure(folder.path())?);
    }
    if wanted("group-commit") {
        print(&group_commit::measure(folder.path())?);
    }
    if wanted("log-in") {
        print(&log_in::measure(folder.path())?);
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the tables are the output")]
fn print(text: &str) {
    println!("{text}");
}
