//! Whether a process is still at work.

use std::fs;

use rustix::process::{Pid, test_kill_process};

/// One that has ended stays in the system's table until somebody asks for its result, which may
/// take seconds when its parent is gone.
pub(crate) fn has_ended(pid: Pid) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero()));
    let is_left = status.is_ok_and(|status| status.contains("\nState:\tZ"));
    is_left || test_kill_process(pid).is_err()
}
