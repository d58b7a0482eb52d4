//! A password in the text of an error.

use mainstay_core::Secret;

fn main() {
    let password = Secret::new("correct horse".to_owned());
    let _why = std::io::Error::other(format!("{password} is too short"));
}
