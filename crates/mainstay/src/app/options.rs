//! From configuration to the options of the parts.

use std::time::Duration;

use axum::http::HeaderValue;
use mainstay_store::{
    CachesOptions, DatabaseOptions, DatabaseUrl, Redis, RedisOptions, RedisUrlError, StatementMode,
};
use mainstay_web::{
    EdgeOptions, Transport,
    edge::{Cors, ForwardedHeader, Sampler, TrustedProxies},
    ops,
    server::ServerOptions,
};

use super::{Application, Failure};
use crate::{
    config::{self, Framework, Hsts, SessionTransport},
    console,
    passwords::{PasswordCost, PasswordOptions},
};

/// Two years: what browsers' preload lists ask for.
const TRANSPORT_SECURITY: HeaderValue =
    HeaderValue::from_static("max-age=63072000; includeSubDomains");

/// How long after its deadline a commit may still come: what a claim of a request outlives it by.
const COMMIT_MAX: Duration = Duration::from_secs(5);

/// A probe takes milliseconds.
const OPS_DRAIN: Duration = Duration::from_secs(1);

pub(super) fn edge<A: Application>(framework: &Framework) -> EdgeOptions {
    let Framework { http, limits, .. } = framework;
    EdgeOptions {
        title: A::NAME,
        version: A::VERSION,
        deadline: http.deadline,
        body_timeout: http.body_timeout,
        body_bytes_max: http.body_bytes_max,
        limit_quota: limits.requests,
        limit_window: limits.window,
        limit_multiplier: limits.multiplier,
        proxies: TrustedProxies {
            networks: http.trusted_proxies.clone(),
            header: match http.forwarded_header {
                config::ForwardedHeader::XForwardedFor => ForwardedHeader::XForwardedFor,
                config::ForwardedHeader::Forwarded => ForwardedHeader::Forwarded,
            },
        },
        cors: Cors {
            // An origin of the configuration has been parsed, so it is a header value.
            origins: http
                .cors_origins
                .iter()
                .flat_map(|o| HeaderValue::try_from(o.as_str()))
                .collect(),
        },
        transport: match http.session_transport {
            SessionTransport::Bearer => Transport::Bearer,
            SessionTransport::Cookie => Transport::Cookie,
        },
        sampler: sampler(framework),
        transport_security: (http.hsts == Hsts::On).then_some(TRANSPORT_SECURITY),
        ..EdgeOptions::default()
    }
}

/// Without a collector no trace is kept here, and callers' decisions are passed on.
fn sampler(framework: &Framework) -> Sampler {
    let config::Traces { endpoint, sample_ratio, followed_per_second, .. } = &framework.traces;
    match endpoint {
        Some(_) => Sampler::new(sample_ratio.0, *followed_per_second),
        None => Sampler::default(),
    }
}

/// The operators' listener serves no pages of other origins, may ask for a token, and leaves no
/// traces.
pub(super) fn ops_edge(framework: &Framework, options: EdgeOptions) -> EdgeOptions {
    let gate = framework.ops.token.as_ref().map(|token| ops::gate(&token.0, console::open_paths()));
    EdgeOptions { gate, cors: Cors::default(), sampler: Sampler::default(), ..options }
}

pub(super) fn server(framework: &Framework) -> ServerOptions {
    let Framework { http, shutdown, .. } = framework;
    ServerOptions {
        first_byte_timeout: http.header_timeout,
        header_timeout: http.header_timeout,
        idle_timeout: http.idle_timeout,
        connections_max: http.connections_max,
        pre_drain: shutdown.pre_drain,
        drain_deadline: shutdown.drain_deadline,
        ..ServerOptions::default()
    }
}

/// The probes outlive the API's drain and have none of their own.
pub(super) fn ops_server(framework: &Framework) -> ServerOptions {
    ServerOptions { pre_drain: Duration::ZERO, drain_deadline: OPS_DRAIN, ..server(framework) }
}

pub(super) fn passwords(framework: &Framework) -> PasswordOptions {
    let config::Passwords { memory_kib, passes, concurrency, queue_max } = framework.passwords;
    let concurrency = concurrency.unwrap_or_else(PasswordOptions::cores);
    PasswordOptions {
        cost: PasswordCost { memory_kib, passes },
        concurrency,
        queue_max: queue_max.unwrap_or(PasswordOptions::default().queue_max),
    }
}

pub(crate) fn database<A: Application>(
    framework: &Framework,
) -> Result<(DatabaseUrl, DatabaseOptions), Failure> {
    let Framework { database, pool, .. } = framework;
    let url: DatabaseUrl = database.url.reveal().parse().map_err(|error| {
        Failure::new(
            "the address of the database cannot be used",
            format!("{error}"),
            "set DATABASE_URL to `sqlite:PATH` or `postgres://…`",
        )
    })?;
    let replica = database.replica_url.as_ref().map(|url| url.reveal().parse()).transpose();
    let replica = replica.map_err(|error: mainstay_store::UrlError| {
        Failure::new(
            "the address of the replica cannot be used",
            format!("{error}"),
            "set DATABASE_REPLICA_URL to `postgres://…`, or leave it out",
        )
    })?;
    let options = DatabaseOptions {
        replica,
        readers: database.readers,
        read_queue_max: database.read_queue_max,
        write_queue_max: database.write_queue_max,
        busy_timeout: database.busy_timeout,
        statement_timeout: database.statement_timeout,
        lanes: pool.lanes,
        lane_depth: pool.lane_depth,
        pool_max: pool.size_max,
        pool_min_idle: pool.idle_min,
        idle_timeout: pool.idle_timeout,
        acquire_timeout: pool.acquire_timeout,
        connect_timeout: pool.connect_timeout,
        max_lifetime: pool.lifetime_max,
        statement_mode: match pool.statement_mode {
            config::StatementMode::Auto => StatementMode::Auto,
            config::StatementMode::Named => StatementMode::Named,
            config::StatementMode::Unnamed => StatementMode::Unnamed,
        },
        application_name: A::NAME.to_owned(),
        ..DatabaseOptions::default()
    };
    Ok((url, options))
}

/// What holds for caches that processes keep together.
pub(super) fn caches(framework: &Framework) -> CachesOptions {
    let usual = CachesOptions::default();
    CachesOptions {
        staleness: framework.cache.staleness,
        // No transaction outlives its request by more than the time its end may take.
        write_max: usual.write_max.max(framework.http.deadline + COMMIT_MAX),
        ..usual
    }
}

/// What processes share, if it is configured.
pub(crate) fn redis<A: Application>(framework: &Framework) -> Result<Option<Redis>, Failure> {
    let config::Redis { url, connect_timeout, command_timeout, namespace } = &framework.redis;
    let Some(url) = url else { return Ok(None) };
    let url = url.reveal().parse().map_err(|error: RedisUrlError| {
        Failure::new(
            "the address of Redis cannot be used",
            error.to_string(),
            "set REDIS_URL to `redis://HOST:PORT`, or leave it out",
        )
    })?;
    let options = RedisOptions {
        connect_timeout: *connect_timeout,
        command_timeout: *command_timeout,
        namespace: namespace.clone().unwrap_or_else(|| A::NAME.to_owned()),
    };
    Ok(Some(Redis::new(url, options)))
}
