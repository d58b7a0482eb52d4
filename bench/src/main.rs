//! `cargo xtask bench`: everything that is measured, or the one part that is named.

mod cache;
mod callgrind;
mod contest;
mod group_commit;
mod limiter;
mod load;
mod log_in;
mod observability;
mod parts;
mod perf;
mod postgres;
mod process;
mod side_by_side;
mod startup;
mod usage;
mod whole;

use anyhow::Result;

/// The allocator of the servers: what is measured inside this process has it too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    parts::run(&arguments)
}
