//! The whole edge around endpoints that do nothing: a read, and a validated body.

use std::process::ExitCode;

use mainstay::{
    Application, Assembly, Resources,
    config::Loader,
    core::Pii,
    store::Migrations,
    web::{Body, Json, Routes, get, post},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Nothing;

impl Application for Nothing {
    const NAME: &'static str = "edge";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");

    type Settings = ();

    fn settings(_: &mut Loader) {}

    fn migrations() -> Migrations {
        Migrations::new(&[])
    }

    fn assemble(_: &Resources, (): &()) -> Assembly {
        let routes = Routes::new("nothing", ())
            .add(get("/noop", noop).public())
            .add(post("/users", take).public());
        Assembly::new().mount(routes)
    }
}

#[derive(Serialize, JsonSchema)]
struct Pong {
    ok: bool,
}

/// The same body as `POST /users` of the reference service.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewUser {
    #[schemars(email)]
    email: Pii<String>,
    #[schemars(length(min = 1, max = 100))]
    name: Pii<String>,
    #[schemars(range(min = 1))]
    age: Option<u32>,
}

async fn noop() -> Json<Pong> {
    Json(Pong { ok: true })
}

async fn take(Body(user): Body<NewUser>) -> Json<Pong> {
    let NewUser { email, name, age } = user;
    // Read, so that nothing is optimised away.
    Json(Pong { ok: email.reveal().len() + name.reveal().len() > age.unwrap_or(0) as usize })
}

fn main() -> ExitCode {
    mainstay::run::<Nothing>()
}
