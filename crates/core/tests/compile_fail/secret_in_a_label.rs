//! A token where any text is taken: a label, a header.

use mainstay_core::Secret;

fn label(_: impl AsRef<str>) {}

fn main() {
    label(Secret::new("mst_".to_owned()));
}
