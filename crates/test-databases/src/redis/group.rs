//! Several servers that belong together: a cluster, or a primary with a replica and a sentinel.

use std::time::{Duration, Instant};

use super::{Memory, PrivateRedis};
use crate::machine::ServerError;

/// Slots of every cluster, by its specification.
const SLOTS: u32 = 16384;

/// What it takes to agree, many times over.
const AGREE_MAX: Duration = Duration::from_secs(20);

/// A cluster of primaries without replicas.
#[derive(Debug)]
pub struct PrivateCluster {
    nodes: Vec<PrivateRedis>,
}

impl PrivateCluster {
    /// Starts one of so many nodes, and returns once all of them take part.
    pub fn start(nodes: u32) -> Result<Self, ServerError> {
        let settings = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"];
        let start = |_| PrivateRedis::start_with(Memory::Lost, &settings);
        let cluster = Self { nodes: (0..nodes).map(start).collect::<Result<_, _>>()? };
        let (first, share) = (cluster.nodes[0].port.to_string(), SLOTS.div_ceil(nodes));
        for (index, node) in (0..).zip(&cluster.nodes) {
            let [from, to] = [index * share, ((index + 1) * share).min(SLOTS) - 1];
            node.ask(&["CLUSTER", "ADDSLOTSRANGE", &from.to_string(), &to.to_string()]);
            node.ask(&["CLUSTER", "MEET", "127.0.0.1", &first]);
        }
        let knows_all = |node: &PrivateRedis| {
            let info = node.ask(&["CLUSTER", "INFO"]);
            info.contains("cluster_state:ok") && info.contains(&format!("cluster_size:{nodes}"))
        };
        wait("the cluster agrees", || cluster.nodes.iter().all(knows_all));
        Ok(cluster)
    }

    /// The address of it, by two of its nodes.
    pub fn url(&self) -> String {
        let hosts = self.nodes.iter().take(2).map(|node| format!("127.0.0.1:{}", node.port));
        format!("redis+cluster://{}", hosts.collect::<Vec<_>>().join(","))
    }

    /// Its nodes.
    pub fn nodes(&self) -> &[PrivateRedis] {
        &self.nodes
    }
}

/// A primary, a replica of it, and a sentinel that makes the replica the primary when it is away.
#[derive(Debug)]
pub struct PrivateSentinel {
    primary: PrivateRedis,
    replica: PrivateRedis,
    sentinel: PrivateRedis,
}

impl PrivateSentinel {
    /// Starts all three, and returns once the sentinel knows the replica.
    pub fn start() -> Result<Self, ServerError> {
        let primary = PrivateRedis::start(Memory::Lost)?;
        let port = primary.port.to_string();
        let replica = PrivateRedis::start_with(Memory::Lost, &["--replicaof", "127.0.0.1", &port])?;
        let sentinel = PrivateRedis::start_sentinel()?;
        sentinel.ask(&["SENTINEL", "MONITOR", "main", "127.0.0.1", &port, "1"]);
        // How long silence may last before the primary is taken to be away.
        sentinel.ask(&["SENTINEL", "SET", "main", "down-after-milliseconds", "500"]);
        sentinel.ask(&["SENTINEL", "SET", "main", "failover-timeout", "2000"]);
        let follows = || {
            replica.ask(&["INFO", "replication"]).contains("master_link_status:up")
                && sentinel.ask(&["SENTINEL", "MASTER", "main"]).contains("num-slaves\n1")
        };
        wait("the replica follows", follows);
        Ok(Self { primary, replica, sentinel })
    }

    /// The address of whichever is the primary.
    pub fn url(&self) -> String {
        format!("redis+sentinel://127.0.0.1:{}/main", self.sentinel.port)
    }

    /// The server that is the primary at first.
    pub fn primary(&self) -> &PrivateRedis {
        &self.primary
    }

    /// The server that follows it at first.
    pub fn replica(&self) -> &PrivateRedis {
        &self.replica
    }
}

fn wait(what: &str, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < AGREE_MAX, "{what}");
        std::thread::yield_now();
    }
}
