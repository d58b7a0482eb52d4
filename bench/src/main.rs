//! `cargo xtask bench`: everything that is measured, or the one part that is named.

mod callgrind;
mod contest;
mod group_commit;
mod load;
mod log_in;
mod perf;
mod postgres;
mod process;
mod side_by_side;
mod startup;
mod usage;

use anyhow::Result;

/// The allocator of the servers: what is measured inside this process has it too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let only = arguments.next();
    if only.as_deref() == Some(postgres::COMMAND) {
        print(&postgres::run_client(arguments.next().as_deref())?);
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
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
    if wanted("postgres") {
        print(&postgres::measure(folder.path())?);
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the tables are the output")]
fn print(text: &str) {
    println!("{text}");
}
