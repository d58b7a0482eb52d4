//! Reading a secret from a person or a pipe.

use std::io::{self, BufRead, IsTerminal};

use mainstay_core::Secret;

/// Asks at a terminal without showing what is typed; reads one line when standard input is none.
///
/// Blocks: for commands, never for requests.
pub fn read_secret(prompt: &str) -> io::Result<Secret<String>> {
    if io::stdin().is_terminal() {
        return rpassword::prompt_password(prompt).map(Secret::new);
    }
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    line.truncate(line.trim_end_matches(['\r', '\n']).len());
    Ok(Secret::new(line))
}
