//! One connection, whatever stands behind the address, and how it is made.

use std::{sync::Arc, time::Duration};

use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, Pipeline, PushInfo,
    RedisFuture, Value,
    aio::{ConnectionLike, MultiplexedConnection, SendError},
    cluster::ClusterClient,
    cluster_async::ClusterConnection,
    sentinel::{Sentinel, SentinelNodeConnectionInfo},
};

use super::{RedisFailure, RedisUrl, address::Topology};

/// Requests that the driver writes before it looks for answers; its own 50 make callers wait for
/// each other under load (research with 64 callers).
const PIPELINE_BUFFER: usize = 1024;

/// Many callers share it; clones are cheap.
#[derive(Clone)]
pub(super) enum Connection {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Connection {
    /// Connects, logs in and asks once, all within `timeout`.
    pub(super) async fn open(url: &RedisUrl, timeout: Duration) -> Result<Self, RedisFailure> {
        let opening = async {
            let mut connection = match &url.topology {
                Topology::Cluster(nodes) => Self::Cluster(cluster(nodes, timeout).await?),
                _ => Self::Single(client(url).await?.connect(config(timeout)).await?),
            };
            connection.ping().await?;
            Ok(connection)
        };
        within(timeout, opening).await
    }

    pub(super) async fn ping(&mut self) -> Result<(), RedisFailure> {
        let answer: String = redis::cmd("PING").query_async(self).await?;
        debug_assert_eq!(answer, "PONG");
        Ok(())
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Single(connection) => connection.req_packed_command(cmd),
            Self::Cluster(connection) => connection.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Single(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Single(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}

/// Takes what the server says without being asked; `Err` ends nothing.
pub(crate) type PushReceiver = Arc<dyn Fn(PushInfo) + Send + Sync>;

/// A server that takes writes.
#[derive(Clone)]
pub(crate) struct Primary(Client);

impl Primary {
    /// All of them: one, or those of a cluster.
    pub(super) async fn all(url: &RedisUrl, timeout: Duration) -> Result<Vec<Self>, RedisFailure> {
        let Topology::Cluster(nodes) = &url.topology else {
            return within(timeout, async { Ok(vec![client(url).await?]) }).await;
        };
        let mut failure = RedisFailure::Down;
        for node in nodes {
            match within(timeout, primaries_known_to(node, timeout)).await {
                Ok(primaries) => return Ok(primaries),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// A connection that nobody else uses. Its answers and its pushes come in the order in which
    /// the server sent them.
    pub(crate) async fn connect_alone(
        &self,
        timeout: Duration,
        receiver: PushReceiver,
    ) -> Result<MultiplexedConnection, RedisFailure> {
        let config = config(timeout).set_push_sender(move |push| {
            receiver(push);
            Ok::<(), SendError>(())
        });
        within(timeout, self.connect(config)).await
    }

    async fn connect(
        &self,
        config: AsyncConnectionConfig,
    ) -> Result<MultiplexedConnection, RedisFailure> {
        Ok(self.0.get_multiplexed_async_connection_with_config(&config).await?)
    }
}

async fn within<T>(
    timeout: Duration,
    work: impl Future<Output = Result<T, RedisFailure>>,
) -> Result<T, RedisFailure> {
    tokio::time::timeout(timeout, work).await.unwrap_or(Err(RedisFailure::TimedOut))
}

/// Callers bring a limit of their own for each question.
fn config(connect_timeout: Duration) -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(connect_timeout))
        .set_response_timeout(None)
        .set_pipeline_buffer_size(PIPELINE_BUFFER)
}

async fn client(url: &RedisUrl) -> Result<Primary, RedisFailure> {
    match &url.topology {
        Topology::Single(info) => Ok(Primary(Client::open(info.clone())?)),
        Topology::Sentinel { sentinels, name, primary } => {
            let sentinels: Vec<ConnectionAddr> = sentinels.clone();
            let node = SentinelNodeConnectionInfo::default()
                .set_redis_connection_info(primary.redis_settings().clone())
                .set_tcp_settings(primary.tcp_settings().clone());
            let node =
                if url.is_encrypted { node.set_tls_mode(redis::TlsMode::Secure) } else { node };
            let found = Sentinel::build(sentinels)?.async_master_for(name, Some(&node)).await?;
            Ok(Primary(found))
        }
        // Every caller asks for those of a cluster by another way.
        Topology::Cluster(_) => Err(RedisFailure::Down),
    }
}

async fn cluster(
    nodes: &[ConnectionInfo],
    timeout: Duration,
) -> Result<ClusterConnection, RedisFailure> {
    let client = ClusterClient::builder(nodes.to_vec())
        .use_protocol(redis::ProtocolVersion::RESP3)
        .connection_timeout(timeout)
        .response_timeout(timeout)
        // Of a key that has moved; a node that is away is for the link to deal with.
        .retries(2)
        .build()?;
    Ok(client.get_async_connection().await?)
}

/// The primaries of a cluster, as one of its nodes knows them.
async fn primaries_known_to(
    node: &ConnectionInfo,
    timeout: Duration,
) -> Result<Vec<Primary>, RedisFailure> {
    let seed = Primary(Client::open(node.clone())?);
    let mut connection = seed.connect(config(timeout)).await?;
    let slots: Vec<Value> = redis::cmd("CLUSTER").arg("SLOTS").query_async(&mut connection).await?;
    let mut places: Vec<(String, u16)> = slots.iter().filter_map(primary_of_range).collect();
    places.sort_unstable();
    places.dedup();
    let primary = |(host, port): (String, u16)| {
        let address = match node.addr() {
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => ConnectionAddr::TcpTls {
                host,
                port,
                insecure: *insecure,
                tls_params: tls_params.clone(),
            },
            _ => ConnectionAddr::Tcp(host, port),
        };
        Ok(Primary(Client::open(node.clone().set_addr(address))?))
    };
    places.into_iter().map(primary).collect()
}

/// A range is `[first, last, [host, port, id, …], replicas…]`.
fn primary_of_range(range: &Value) -> Option<(String, u16)> {
    let Value::Array(range) = range else { return None };
    let Some(Value::Array(node)) = range.get(2) else { return None };
    let host = redis::from_redis_value_ref(node.first()?).ok()?;
    let port = redis::from_redis_value_ref(node.get(1)?).ok()?;
    Some((host, port))
}
