//! An e-mail address as the key of a cache or a map, where it would stay.

use std::collections::HashMap;

use mainstay_core::Pii;

fn main() {
    let mut attempts = HashMap::new();
    attempts.insert(Pii::new("ada@example.com".to_owned()), 1);
}
