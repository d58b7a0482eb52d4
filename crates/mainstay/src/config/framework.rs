//! The sections every service has.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use ipnet::IpNet;

use super::{
    database::Database,
    loader::Loader,
    value::{CorsOrigin, Directives},
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
        /// Which events are logged, by module: `info,hyper=warn`. Request lines always are.
        level: Directives = "info", env "RUST_LOG";
        /// How much of a client's address is told: `network` is `/24` of IPv4, `/48` of IPv6.
        client: ClientAddress = "network";
        /// Any text switches colours off (<https://no-color.org>); only terminals get any.
        no_color: Option<String> = "", env "NO_COLOR";
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

/// The sections every service has, read together.
#[derive(Clone, Debug)]
pub struct Framework {
    /// `[http]`
    pub http: Http,
    /// `[ops]`
    pub ops: Ops,
    /// `[database]`
    pub database: Database,
    /// `[limits]`
    pub limits: Limits,
    /// `[log]`
    pub log: Log,
    /// `[shutdown]`
    pub shutdown: Shutdown,
}

impl Framework {
    /// Reads them, and checks them against each other.
    pub fn load(loader: &mut Loader) -> Self {
        let framework = Self {
            http: loader.section(),
            ops: loader.section(),
            database: loader.section(),
            limits: loader.section(),
            log: loader.section(),
            shutdown: loader.section(),
        };
        framework.check(loader);
        framework
    }

    fn check(&self, loader: &mut Loader) {
        let Self { http, ops, database, shutdown, .. } = self;
        if database.statement_timeout > http.deadline {
            loader.conflict(
                &["database.statement_timeout_ms", "http.deadline_ms"],
                "a statement would outlive the request it is for",
                "make statement_timeout_ms at most deadline_ms",
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
