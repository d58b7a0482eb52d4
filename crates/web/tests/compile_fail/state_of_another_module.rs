//! A handler that takes the state of another module.

use mainstay_web::{Json, Routes, Use, get};

#[derive(Clone)]
struct Users;

#[derive(Clone)]
struct Sessions;

async fn hello(_: Use<Sessions>) -> Json<String> {
    Json("hello".to_owned())
}

fn main() {
    let _ = Routes::new("users", Users).add(get("/hello", hello).public());
}
