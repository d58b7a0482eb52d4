//! The reference service: users and sessions as a modular monolith.
//!
//! [`Accounts`] joins the modules; each module is a folder with the same seven files.

mod app;
mod sessions;
mod users;

pub use app::Accounts;
