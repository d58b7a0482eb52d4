//! What a service is compared with on PostgreSQL: axum and sqlx, put together by hand as their
//! documentation does it. A request id, a JSON line for each request, one pool, and nothing else.
//!
//! `/users/{id}` asks nobody who they are and takes one statement. `/signed-in/users/{id}` takes
//! the three of the reference service: the session, the caller, the user.

use std::{
    fs::File,
    io::{BufWriter, Write},
    sync::mpsc,
    time::Instant,
};

use anyhow::{Context as _, Result};
use axum::{
    Extension, Json, Router,
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header::AUTHORIZATION},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::get,
};
use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};
use sqlx_core::{query_as::query_as, types::time::OffsetDateTime};
use sqlx_postgres::{PgPool, PgPoolOptions};
use uuid::Uuid;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// As many connections as the pool of the reference service has.
const POOL: u32 = 20;

/// Lines that may wait for the disk.
const LINES: usize = 10_000;

#[derive(Serialize)]
struct User {
    id: Uuid,
    email: String,
    name: String,
    age: Option<i64>,
    role: String,
    created_at: Timestamp,
}

/// A failure as the client sees it.
struct Refusal(StatusCode, &'static str);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(serde_json::json!({ "code": self.1 }))).into_response()
    }
}

impl From<sqlx_core::Error> for Refusal {
    fn from(_: sqlx_core::Error) -> Self {
        Self(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL")
    }
}

const UNAUTHENTICATED: Refusal = Refusal(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED");
const FORBIDDEN: Refusal = Refusal(StatusCode::FORBIDDEN, "FORBIDDEN");
const NOT_FOUND: Refusal = Refusal(StatusCode::NOT_FOUND, "USER_NOT_FOUND");

async fn show(State(pool): State<PgPool>, Path(id): Path<Uuid>) -> Result<Json<User>, Refusal> {
    find(&pool, id).await?.map(Json).ok_or(NOT_FOUND)
}

async fn show_signed_in(
    State(pool): State<PgPool>,
    Path(id): Path<Uuid>,
    headers: HeaderMap,
) -> Result<Json<User>, Refusal> {
    let caller = caller(&pool, &headers).await?;
    if caller.id != id && caller.role != "admin" {
        return Err(FORBIDDEN);
    }
    find(&pool, id).await?.map(Json).ok_or(NOT_FOUND)
}

async fn find(pool: &PgPool, id: Uuid) -> Result<Option<User>, sqlx_core::Error> {
    type Columns = (Uuid, String, String, Option<i64>, String, OffsetDateTime);
    let select = "SELECT id, email, name, age, role, created_at FROM users WHERE id = $1";
    let found: Option<Columns> = query_as(select).bind(id).fetch_optional(pool).await?;
    Ok(found.map(|(id, email, name, age, role, created_at)| {
        let created_at = Timestamp::from_nanosecond(created_at.unix_timestamp_nanos());
        User { id, email, name, age, role, created_at: created_at.unwrap_or_default() }
    }))
}

/// Who the bearer token stands for, read anew each time.
async fn caller(pool: &PgPool, headers: &HeaderMap) -> Result<User, Refusal> {
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = header.and_then(|value| value.strip_prefix("Bearer ")).ok_or(UNAUTHENTICATED)?;
    let hash = Sha256::digest(token);
    let select = "SELECT user_id FROM sessions WHERE token_hash = $1 AND expires_at > now()";
    let session: Option<(Uuid,)> =
        query_as(select).bind(hash.as_slice()).fetch_optional(pool).await?;
    let (user,) = session.ok_or(UNAUTHENTICATED)?;
    find(pool, user).await?.ok_or(UNAUTHENTICATED)
}

#[derive(Serialize)]
struct Line<'a> {
    request_id: &'a str,
    method: &'a str,
    path: &'a str,
    status: u16,
    ms: f64,
}

type Log = mpsc::SyncSender<Vec<u8>>;

/// Gives each request an id, and writes a line about it.
async fn observe(Extension(log): Extension<Log>, request: Request, next: Next) -> Response {
    let start = Instant::now();
    let id = uuid::Builder::from_random_bytes(fastrand::u128(..).to_be_bytes()).into_uuid();
    let id = id.to_string();
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let mut response = next.run(request).await;
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("x-request-id", value);
    }
    let line = Line {
        request_id: &id,
        method: method.as_str(),
        path: uri.path(),
        status: response.status().as_u16(),
        ms: start.elapsed().as_secs_f64() * 1e3,
    };
    if let Ok(mut line) = serde_json::to_vec(&line) {
        line.push(b'\n');
        // A full queue loses lines and holds up nobody.
        let _ = log.try_send(line);
    }
    response
}

/// A thread that writes lines together when many come at once.
fn log_to(path: &str) -> Result<Log> {
    let mut file = BufWriter::new(File::options().create(true).append(true).open(path)?);
    let (log, lines) = mpsc::sync_channel::<Vec<u8>>(LINES);
    std::thread::spawn(move || -> std::io::Result<()> {
        while let Ok(line) = lines.recv() {
            file.write_all(&line)?;
            for line in lines.try_iter() {
                file.write_all(&line)?;
            }
            file.flush()?;
        }
        Ok(())
    });
    Ok(log)
}

#[tokio::main]
#[expect(clippy::disallowed_methods, reason = "this is what the whole is compared with")]
async fn main() -> Result<()> {
    let port: u16 = std::env::var("PORT")?.parse()?;
    let log = log_to(&std::env::var("LOG_FILE")?)?;
    let url = std::env::var("DATABASE_URL")?;
    let pool = PgPoolOptions::new().max_connections(POOL).connect(&url).await;
    let routes = Router::new()
        .route("/users/{id}", get(show))
        .route("/signed-in/users/{id}", get(show_signed_in))
        .layer(from_fn(observe))
        .layer(Extension(log))
        .with_state(pool.context("the database of DATABASE_URL")?);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    axum::serve(listener, routes).await?;
    Ok(())
}
