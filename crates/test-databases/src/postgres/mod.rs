//! PostgreSQL servers that tests start, and connections to them.

mod account;
mod cluster;
mod private;
mod programs;
mod session;
pub(crate) mod shared;

use std::fmt::Write;

pub(crate) use self::session::Session;
pub use self::{
    cluster::{Durability, ServerError},
    private::PrivatePostgres,
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
