//! A handler with an argument that is no extractor.

use mainstay_web::{Json, Routes, get};

async fn hello(name: String) -> Json<String> {
    Json(name)
}

fn main() {
    let _ = Routes::new("greetings", ()).add(get("/hello", hello).public());
}
