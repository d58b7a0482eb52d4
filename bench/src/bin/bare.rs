//! The floor: axum's own server around one JSON endpoint, and nothing else.

use axum::{Json, Router, routing::get};
use serde::Serialize;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Serialize)]
struct Pong {
    ok: bool,
}

async fn noop() -> Json<Pong> {
    Json(Pong { ok: true })
}

#[tokio::main]
#[expect(clippy::disallowed_methods, reason = "this is what the edge is compared with")]
async fn main() -> anyhow::Result<()> {
    let port: u16 = std::env::var("PORT")?.parse()?;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    axum::serve(listener, Router::new().route("/noop", get(noop))).await?;
    Ok(())
}
