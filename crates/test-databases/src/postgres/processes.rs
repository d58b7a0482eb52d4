//! Every process of a server, stopped in its tracks and let go on.

use std::{fs, io};

use rustix::process::{Pid, Signal, kill_process};

use crate::machine::ServerError;

/// Stops a process and its children: they hear nothing, and their connections stay open.
pub(super) fn pause(process: i32) -> Result<(), ServerError> {
    // The parent first, or it would have another child meanwhile.
    signal(process, Signal::STOP)?;
    children(process)?.into_iter().try_for_each(|child| signal(child, Signal::STOP))
}

/// Lets them go on.
pub(super) fn resume(process: i32) -> Result<(), ServerError> {
    children(process)?.into_iter().try_for_each(|child| signal(child, Signal::CONT))?;
    signal(process, Signal::CONT)
}

fn signal(process: i32, signal: Signal) -> Result<(), ServerError> {
    let Some(pid) = Pid::from_raw(process) else { return Ok(()) };
    match kill_process(pid, signal) {
        // It has ended since it was listed.
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(io::Error::from(error).into()),
    }
}

fn children(process: i32) -> Result<Vec<i32>, ServerError> {
    let entries = fs::read_dir("/proc")?.flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let is_child = |child: &i32| {
        // One that has ended meanwhile has no parent.
        let status = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        parent(&status) == Some(process)
    };
    Ok(numbers.filter(is_child).collect())
}

/// The line is `number (name) state parent …`, where a name may hold anything.
fn parent(status: &str) -> Option<i32> {
    let (_, rest) = status.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_is_found_behind_any_name() {
        assert_eq!(parent("7 (postgres) S 3 7 7 0"), Some(3));
        assert_eq!(parent("7 (a) R 9 (b c)) S 3 7 7 0"), Some(3));
        assert_eq!(parent(""), None);
    }
}
