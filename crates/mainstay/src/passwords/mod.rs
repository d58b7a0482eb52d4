//! Passwords: which may be chosen, how they are hashed, and how much of that goes on at a time.

mod common;
mod hash;
mod pool;

pub use common::is_common;
pub use hash::{InvalidPasswordHash, PasswordCost, PasswordHash};
pub use pool::{PasswordFigures, PasswordOptions, Passwords, PasswordsBusy};
