//! A handler whose error is no fault.

use mainstay_web::{Json, Routes, get};

async fn hello() -> Result<Json<String>, std::io::Error> {
    Ok(Json("hello".to_owned()))
}

fn main() {
    let _ = Routes::new("greetings", ()).add(get("/hello", hello).public());
}
