//! `Redis`: where it is and how it is asked; connections are made by whoever asks.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    RedisDiagnosis, RedisFailure, RedisUrl,
    address::Topology,
    connection::{Connection, Primary},
    diagnosis,
    link::{Link, Purpose},
};

/// How Redis is asked.
#[derive(Clone, Debug)]
pub struct RedisOptions {
    /// Longest time to connect, TLS and log-in included.
    pub connect_timeout: Duration,
    /// Longest wait for an answer, after which the caller does without and everybody else too,
    /// until Redis has answered again. A round trip on a local network takes less than a
    /// millisecond, and a request should not wait for what it can do without.
    pub command_timeout: Duration,
    /// Every key begins with it, so that services may share a server.
    pub namespace: String,
}

impl Default for RedisOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(1),
            command_timeout: Duration::from_millis(50),
            namespace: "mainstay".to_owned(),
        }
    }
}

/// A Redis or Valkey that may be away at any time. Clones share it.
#[derive(Clone)]
pub struct Redis(Arc<Inner>);

struct Inner {
    url: RedisUrl,
    options: RedisOptions,
}

impl Redis {
    /// Does no I/O: whoever needs a connection makes one, and does without while there is none.
    pub fn new(url: RedisUrl, options: RedisOptions) -> Self {
        Self(Arc::new(Inner { url, options }))
    }

    /// What the server says about itself, and how long that took. Connects for it.
    ///
    /// An error is the reason in words, without any secret.
    pub async fn diagnose(&self) -> Result<RedisDiagnosis, String> {
        diagnosis::examine(self).await.map_err(|failure| diagnosis::explain(&failure))
    }

    /// A connection for one purpose, made and kept by a task of its own. Needs a runtime.
    pub(crate) fn link(&self, purpose: Purpose) -> Link {
        Link::new(self.clone(), purpose)
    }

    /// Every server that takes writes: one, or the primaries of a cluster.
    pub(crate) async fn primaries(&self) -> Result<Vec<Primary>, RedisFailure> {
        Primary::all(&self.0.url, self.0.options.connect_timeout).await
    }

    /// Whether there are several servers, each with a clock of its own.
    pub(crate) fn is_cluster(&self) -> bool {
        matches!(self.0.url.topology, Topology::Cluster(_))
    }

    pub(crate) fn options(&self) -> &RedisOptions {
        &self.0.options
    }

    pub(super) fn url(&self) -> &RedisUrl {
        &self.0.url
    }

    pub(super) async fn connect(&self) -> Result<Connection, RedisFailure> {
        Connection::open(&self.0.url, self.0.options.connect_timeout).await
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Redis").field(&self.0.url).finish()
    }
}
