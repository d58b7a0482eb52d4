//! An entity serialised whole: what leaves is what a wire type reveals.

use mainstay_core::Pii;
use serde::Serialize;

#[derive(Serialize)]
struct User {
    name: Pii<String>,
}

fn main() {
    let _ = User { name: Pii::new("Ada".to_owned()) };
}
