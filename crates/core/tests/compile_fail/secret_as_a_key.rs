//! A token as the key of a cache or a map, where it would stay.

use std::collections::HashMap;

use mainstay_core::Secret;

fn main() {
    let mut callers = HashMap::new();
    callers.insert(Secret::new("mst_".to_owned()), "Ada");
}
