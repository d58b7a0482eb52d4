//! The operators' console: the page in a browser, and what its endpoints answer.

mod browser;
mod page;
mod stream;

pub(crate) use stream::Events;

/// What opens the operators' listener where it asks for a token.
const TOKEN: &str = "operators-0123456789";
