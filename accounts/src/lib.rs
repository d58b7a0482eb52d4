//! The reference service: users, sessions, API keys and feature flags as a modular monolith.
//!
//! [`Accounts`] joins the modules; each module is a folder with the same seven files.

mod app;
mod config;
mod credential;
mod flags;
mod keys;
mod sessions;
#[cfg(test)]
mod test_database;
mod users;

pub use app::Accounts;
pub use config::Settings;
