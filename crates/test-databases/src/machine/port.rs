//! Ports that nobody has.

use std::net::{Ipv4Addr, TcpListener};

use super::ServerError;

/// A port may be taken between its choice and its use; three times in a row it is something else.
const STARTS_MAX: u32 = 3;

/// Starts something on a free port, and tells which.
pub(crate) fn on_free_port(
    mut start: impl FnMut(u16) -> Result<(), ServerError>,
) -> Result<u16, ServerError> {
    let mut attempt = 1;
    loop {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        match start(port) {
            Ok(()) => return Ok(port),
            Err(_) if attempt < STARTS_MAX => attempt += 1,
            Err(error) => return Err(error),
        }
    }
}
