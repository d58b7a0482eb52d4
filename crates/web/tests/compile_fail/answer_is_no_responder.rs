//! A handler whose answer is no responder.

use mainstay_web::{Routes, get};

async fn hello() -> String {
    "hello".to_owned()
}

fn main() {
    let _ = Routes::new("greetings", ()).add(get("/hello", hello).public());
}
