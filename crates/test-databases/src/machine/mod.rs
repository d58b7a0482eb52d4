//! What a server needs of this machine: its programs, an account to run as, a port, a way to be
//! found, and an end.

mod account;
mod address;
mod error;
mod guard;
mod port;
mod process;
pub(crate) mod programs;

use std::fmt::Write;

pub use self::error::ServerError;
pub(crate) use self::{
    account::Account,
    address::{Address, USER},
    guard::Guard,
    port::on_free_port,
    process::has_ended,
};

/// Sixteen characters that nobody else makes: a name, or a password.
pub(crate) fn random_word() -> String {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("the system has random bytes");
    bytes.iter().fold(String::with_capacity(16), |mut word, byte| {
        write!(word, "{byte:02x}").expect("a string takes everything");
        word
    })
}
