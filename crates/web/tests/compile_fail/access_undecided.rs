//! An endpoint on which nobody has decided who may call it.

use mainstay_web::{Json, Routes, get};

async fn hello() -> Json<String> {
    Json("hello".to_owned())
}

fn main() {
    let _ = Routes::new("greetings", ()).add(get("/hello", hello));
}
