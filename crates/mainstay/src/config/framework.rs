//! The sections every service has.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use ipnet::IpNet;
use mainstay_core::Secret;

use super::{
    database::{Database, Pool},
    loader::Loader,
    traces::Traces,
    value::{BearerToken, ConnectionUrl, CorsOrigin, Directives},
};
use crate::{choice, section};

choice! {
    /// Which header a trusted proxy tells the client's address in.
    pub enum ForwardedHeader {
        /// The usual one.
        XForwardedFor = "x-forwarded-for",
        /// RFC 7239.
        Forwarded = "forwarded",
    }
}

choice! {
    /// Whether answers tell browsers to use HTTPS only.
    pub enum Hsts {
        /// They do not.
        Off = "off",
        /// They do: right when every name of the service is served over TLS.
        On = "on",
    }
}

choice! {
    /// How the token of a session travels.
    pub enum SessionTransport {
        /// In `Authorization: Bearer`: for programs.
        Bearer = "bearer",
        /// In a cookie that scripts cannot read, with a check of where writes come from: for
        /// browsers. Bearer tokens are still taken.
        Cookie = "cookie",
    }
}

section! {
    /// The API listener.
    pub struct Http in "http", check http_chain {
        /// Address the API listens on.
        host: IpAddr = "127.0.0.1", env "HOST";
        /// Port; 0 lets the system choose.
        port: u16 = "8080", env "PORT", range 0..=65535;
        /// Longest body an endpoint takes that names no limit of its own, in bytes.
        body_bytes_max: usize = "1048576", range 1024..=104_857_600;
        /// Longest time a request may take, for endpoints that name none.
        deadline: Duration as ms = "10000", range 10..=600_000;
        /// Longest time a client may take to send a body.
        body_timeout: Duration as ms = "10000", range 10..=600_000;
        /// Longest time a client may take to send the head of a request.
        header_timeout: Duration as ms = "10000", range 10..=600_000;
        /// How long a connection without a request is kept. Above the 60 s of common load
        /// balancers, so that they close first and no request meets a closing connection.
        idle_timeout: Duration as ms = "75000", range 10..=3_600_000;
        /// Connections served at the same time; more wait in the backlog of the system.
        connections_max: usize = "10000", range 1..=1_000_000;
        /// Networks of proxies whose word about the client's address is taken.
        trusted_proxies: Vec<IpNet> = "";
        /// The header they tell it in.
        forwarded_header: ForwardedHeader = "x-forwarded-for";
        /// Web origins whose pages may call the API.
        cors_origins: Vec<CorsOrigin> = "";
        /// How the token of a session travels. `cookie` needs HTTPS at every name of the service.
        session_transport: SessionTransport = "bearer";
        /// Whether answers tell browsers to use HTTPS only.
        hsts: Hsts = "off";
    }
}

fn http_chain(http: &Http, loader: &mut Loader) {
    if http.body_timeout > http.deadline {
        loader.conflict(
            &["http.body_timeout_ms", "http.deadline_ms"],
            "the request would be over before its body may be",
            "make body_timeout_ms at most deadline_ms",
        );
    }
    if http.header_timeout > http.idle_timeout {
        loader.conflict(
            &["http.header_timeout_ms", "http.idle_timeout_ms"],
            "a connection would be closed as idle while its client may still send a head",
            "make header_timeout_ms at most idle_timeout_ms",
        );
    }
}

section! {
    /// The listener for operators: liveness and readiness. Keep it away from the public.
    pub struct Ops in "ops" {
        /// Address it listens on.
        host: IpAddr = "127.0.0.1", env "OPS_HOST";
        /// Port; 0 lets the system choose.
        port: u16 = "9090", env "OPS_PORT", range 0..=65535;
        /// Token that everything but the probes and the console's empty page asks for, as
        /// `Authorization: Bearer`; at least 16 characters. Unset: whoever reaches the listener is
        /// an operator.
        token: Option<BearerToken> = "", env "OPS_TOKEN";
    }
}

section! {
    /// Redis or Valkey, which processes of the service share. Without it each is on its own.
    pub struct Redis in "redis" {
        /// Where it is: `redis://USER:PASSWORD@HOST:PORT/DATABASE`, `rediss://…` with TLS,
        /// `redis+sentinel://HOST,HOST/NAME`, `redis+cluster://HOST,HOST`; may be away.
        url: Option<ConnectionUrl> = "", env "REDIS_URL";
        /// Longest time a connection may take to be made, TLS and log-in included.
        connect_timeout: Duration as ms = "1000", range 10..=60_000;
        /// Longest wait for an answer. Without one in time everybody does without it at once,
        /// until it has answered again.
        command_timeout: Duration as ms = "50", range 1..=10_000;
        /// What all keys begin with; unset: the service's name.
        namespace: Option<String> = "";
    }
}

section! {
    /// Caches in the memory of each process.
    pub struct Cache in "cache" {
        /// With Redis, how long another process may serve what was there before an acknowledged
        /// write, at most. Redis is asked three times within it whether it is still heard, and a
        /// silence that is longer costs a process its caches for some seconds.
        staleness: Duration as ms = "100", range 30..=10_000;
    }
}

section! {
    /// Rate limits.
    pub struct Limits in "limits" {
        /// Requests a client may make in one window to endpoints that name no limit.
        requests: u32 = "600", range 1..=1_000_000;
        /// Length of that window.
        window: Duration as seconds = "60", range 1..=86400;
        /// Applies to the quota of every limit; for load tests.
        multiplier: u32 = "1", range 1..=1_000_000;
        /// Clients remembered at the same time; bounds the memory.
        keys_max: usize = "100000", range 1000..=10_000_000;
        /// What clients are hashed with before Redis sees them, the same in all processes; unset:
        /// the user and the password of `REDIS_URL`.
        key_secret: Option<Secret<String>> = "";
    }
}

choice! {
    /// The shape of log lines.
    pub enum LogFormat {
        /// `pretty` when standard output is a terminal, else `json`.
        Auto = "auto",
        /// One JSON object a line.
        Json = "json",
        /// Aligned columns for people.
        Pretty = "pretty",
    }
}

choice! {
    /// How much of a client's address a log line tells.
    pub enum ClientAddress {
        /// Its network: `/24` of IPv4, `/48` of IPv6.
        Network = "network",
        /// All of it.
        Full = "full",
        /// Nothing.
        Off = "off",
    }
}

section! {
    /// Logs.
    pub struct Log in "log" {
        /// Shape of the lines; `auto` is `pretty` at a terminal, else `json`.
        format: LogFormat = "auto", env "LOG_FORMAT";
        /// File that lines are appended to instead of standard output.
        file: Option<PathBuf> = "", env "LOG_FILE";
        /// Largest size of that file: before it grows beyond, it is put aside and a new one begun.
        /// Unset: by age alone, or never.
        rotate_bytes: Option<u64> = "", range 1_048_576..=1_099_511_627_776;
        /// Longest time that file is written to before it is put aside; unset: by size alone, or
        /// never.
        rotate_seconds: Option<u64> = "", range 60..=31_622_400;
        /// Files put aside that are kept, as `NAME.1` (the latest), `NAME.2` and so on.
        files_kept: u32 = "5", range 1..=1000;
        /// Which events are logged, by module: `info,hyper=warn`. Request lines always are.
        level: Directives = "info", env "RUST_LOG";
        /// How much of a client's address is told: `network` is `/24` of IPv4, `/48` of IPv6.
        client: ClientAddress = "network";
        /// Any text switches colours off (<https://no-color.org>); only terminals get any.
        no_color: Option<String> = "", env "NO_COLOR";
    }
}

section! {
    /// Requests kept in memory, for `why` and for operators.
    pub struct Why in "why" {
        /// Memory that they take, in bytes: failures, refusals, the slowest of each route and a
        /// sample, the oldest of each make room. 0: nothing is kept.
        bytes: usize = "16777216", range 0..=1_073_741_824;
    }
}

section! {
    /// The end of the process.
    pub struct Shutdown in "shutdown" {
        /// How long requests are still accepted after readiness turned false: as long as the load
        /// balancer takes to notice.
        pre_drain: Duration as ms = "0", range 0..=300_000;
        /// How long requests in flight may take to finish. Below the 30 s after which Kubernetes
        /// kills.
        drain_deadline: Duration as ms = "25000", range 0..=600_000;
    }
}

section! {
    /// Password hashing with argon2id.
    pub struct Passwords in "passwords", check password_cost {
        /// Memory that one hash takes, in KiB. More costs an attacker more, and a log-in too.
        memory_kib: u32 = "19456", range 7168..=1_048_576;
        /// Passes over that memory. Hashes made at a lower cost are replaced at the next log-in.
        passes: u32 = "2", range 1..=16;
        /// Hashes computed at the same time; unset: one for each core.
        concurrency: Option<usize> = "", range 1..=256;
        /// Callers that may wait for their turn, the rest is refused at once; unset: 25 for each
        /// core.
        queue_max: Option<usize> = "", range 0..=10_000;
    }
}

section! {
    /// What stands around this process, for `doctor`.
    pub struct Fleet in "fleet" {
        /// Processes of the service that share the database. While Redis is out of reach each
        /// enforces such a part of a limit.
        replicas: u32 = "1", range 1..=10_000;
        /// Connections of the database server that are left to others: consoles, backups, jobs.
        connections_reserve: u32 = "5", range 0..=10_000;
        /// How long the proxy in front waits for an answer; unset: nobody has said.
        proxy_timeout_ms: Option<u64> = "", range 1..=3_600_000;
    }
}

/// The settings of OWASP's Password Storage Cheat Sheet: the least memory in KiB for one pass, two,
/// and so on; for more than five that of five.
const PASSWORD_MEMORY_MIN: [u32; 5] = [47_104, 19_456, 12_288, 9216, 7168];

fn password_cost(passwords: &Passwords, loader: &mut Loader) {
    let row = (passwords.passes.max(1) as usize - 1).min(PASSWORD_MEMORY_MIN.len() - 1);
    if passwords.memory_kib < PASSWORD_MEMORY_MIN[row] {
        loader.conflict(
            &["passwords.memory_kib", "passwords.passes"],
            "a stolen hash would be cheaper to attack than OWASP allows",
            "use 47104 and 1, 19456 and 2, 12288 and 3, 9216 and 4, 7168 and 5, or more",
        );
    }
}

/// The sections every service has, read together.
#[derive(Clone, Debug)]
pub struct Framework {
    /// `[http]`
    pub http: Http,
    /// `[ops]`
    pub ops: Ops,
    /// `[database]`
    pub database: Database,
    /// `[pool]`
    pub pool: Pool,
    /// `[redis]`
    pub redis: Redis,
    /// `[cache]`
    pub cache: Cache,
    /// `[limits]`
    pub limits: Limits,
    /// `[passwords]`
    pub passwords: Passwords,
    /// `[log]`
    pub log: Log,
    /// `[traces]`
    pub traces: Traces,
    /// `[why]`
    pub why: Why,
    /// `[shutdown]`
    pub shutdown: Shutdown,
    /// `[fleet]`
    pub fleet: Fleet,
}

impl Framework {
    /// Reads them, and checks them against each other.
    pub fn load(loader: &mut Loader) -> Self {
        let framework = Self {
            http: loader.section(),
            ops: loader.section(),
            database: loader.section(),
            pool: loader.section(),
            redis: loader.section(),
            cache: loader.section(),
            limits: loader.section(),
            passwords: loader.section(),
            log: loader.section(),
            traces: loader.section(),
            why: loader.section(),
            shutdown: loader.section(),
            fleet: loader.section(),
        };
        framework.check(loader);
        framework
    }

    fn check(&self, loader: &mut Loader) {
        let Self { http, ops, database, pool, shutdown, .. } = self;
        if database.statement_timeout > http.deadline {
            loader.conflict(
                &["database.statement_timeout_ms", "http.deadline_ms"],
                "a statement would outlive the request it is for",
                "make statement_timeout_ms at most deadline_ms",
            );
        }
        if pool.acquire_timeout > http.deadline {
            loader.conflict(
                &["pool.acquire_timeout_ms", "http.deadline_ms"],
                "a transaction would wait for a connection longer than its request may take",
                "make acquire_timeout_ms at most deadline_ms",
            );
        }
        if shutdown.drain_deadline < http.deadline {
            loader.conflict(
                &["shutdown.drain_deadline_ms", "http.deadline_ms"],
                "a restart would cut off requests that are within their deadline",
                "make drain_deadline_ms at least deadline_ms",
            );
        }
        if http.port != 0 && (http.host, http.port) == (ops.host, ops.port) {
            loader.conflict(
                &["http.port", "ops.port"],
                "the API and the operators' listener cannot share an address",
                "set PORT or OPS_PORT to another port",
            );
        }
    }
}
