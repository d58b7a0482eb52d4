//! A name in a log line, a span or a metric's label, which are all made of text.

use mainstay_core::Pii;

fn main() {
    let name = Pii::new("Ada".to_owned());
    let _line = format!("{name} logged in");
}
