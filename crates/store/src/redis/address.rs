//! Where Redis is: `REDIS_URL`, parsed.

use std::{fmt, str::FromStr};

use redis::{
    ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, io::tcp::TcpSettings,
};

/// Sentinels listen there unless somebody says otherwise.
const SENTINEL_PORT: u16 = 26379;

const PORT: u16 = 6379;

/// The address of a Redis or Valkey.
///
/// - `redis://user:password@host:6379/0`, `rediss://…` with TLS, `redis+unix:///path/to/socket`;
/// - `redis+sentinel://user:password@one:26379,two:26379/primary-name/0`: who is the primary is
///   asked of sentinels; the user and the password are those of the primary;
/// - `redis+cluster://user:password@one:6379,two:6379`: the rest of the cluster is found by itself.
///
/// `valkey` may stand for `redis`, and `rediss+sentinel` and `rediss+cluster` use TLS.
///
/// Neither `Debug` nor `Display` shows a password.
#[derive(Clone)]
pub struct RedisUrl {
    pub(super) topology: Topology,
    shown: String,
    pub(super) is_encrypted: bool,
}

#[derive(Clone)]
pub(super) enum Topology {
    /// One server, or whatever stands for one.
    Single(ConnectionInfo),
    /// The primary of this name, which the sentinels know. What is told of the primary is the
    /// account and the database; the address is found out.
    Sentinel { sentinels: Vec<ConnectionAddr>, name: String, primary: ConnectionInfo },
    /// Some nodes of a cluster.
    Cluster(Vec<ConnectionInfo>),
}

/// The text is not the address of a Redis.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedisUrlError {
    /// It starts with nothing we know.
    #[error(
        "expected `redis://HOST`, `rediss://HOST` (TLS), `redis+unix:///PATH`, \
         `redis+sentinel://HOST,HOST/NAME` or `redis+cluster://HOST,HOST`"
    )]
    Scheme,
    /// `redis://`
    #[error("no host is named")]
    NoHost,
    /// `redis+sentinel://host`
    #[error("the sentinels are asked for a primary, and its name is missing: `…/NAME`")]
    NoName,
    /// `redis+cluster://host/1`
    #[error("a cluster has no databases to choose from: leave out what follows the hosts")]
    ClusterDatabase,
    /// `redis://host?a=b`
    #[error("it has options (`?` or `#`), and none is known")]
    Options,
    /// A port or a number of a database that is none.
    #[error("a host, a port or the number of the database cannot be read")]
    Malformed,
}

impl FromStr for RedisUrl {
    type Err = RedisUrlError;

    fn from_str(text: &str) -> Result<Self, RedisUrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(RedisUrlError::Scheme)?;
        let (protocol, kind) = scheme.split_once('+').unwrap_or((scheme, "single"));
        let is_encrypted = match protocol {
            "redis" | "valkey" => false,
            "rediss" | "valkeys" => true,
            _ => return Err(RedisUrlError::Scheme),
        };
        if rest.contains(['?', '#']) {
            return Err(RedisUrlError::Options);
        }
        let (login, place) = match rest.rsplit_once('@') {
            Some((login, place)) => (format!("{login}@"), place),
            None => (String::new(), rest),
        };
        let one = |host: &str, database: &str| one(is_encrypted, &login, host, database);
        let (hosts, path) = place.split_once('/').unwrap_or((place, ""));
        let hosts: Vec<&str> = hosts.split(',').filter(|host| !host.is_empty()).collect();
        let first = hosts.first().copied().ok_or(RedisUrlError::NoHost);
        let topology = match kind {
            "single" if hosts.len() > 1 => return Err(RedisUrlError::Malformed),
            "single" => Topology::Single(one(first?, path)?),
            "unix" if is_encrypted => return Err(RedisUrlError::Scheme),
            "unix" => Topology::Single(info(&format!("redis+unix://{rest}"))?),
            "cluster" if !path.is_empty() => return Err(RedisUrlError::ClusterDatabase),
            "cluster" => {
                first?;
                let nodes: Result<_, _> = hosts.iter().map(|host| one(host, "")).collect();
                Topology::Cluster(nodes?)
            }
            "sentinel" => {
                let (name, database) = path.split_once('/').unwrap_or((path, ""));
                if name.is_empty() {
                    return Err(RedisUrlError::NoName);
                }
                let sentinels: Result<_, _> = hosts.iter().map(|host| sentinel(host)).collect();
                let primary = one(first?, database)?;
                Topology::Sentinel { sentinels: sentinels?, name: name.to_owned(), primary }
            }
            _ => return Err(RedisUrlError::Scheme),
        };
        let shown = format!("{scheme}://{}{place}", shown_login(&login));
        Ok(Self { topology, shown, is_encrypted })
    }
}

impl RedisUrl {
    /// Whether everything leads to this machine.
    pub(super) fn is_local(&self) -> bool {
        match &self.topology {
            Topology::Single(info) => is_local(info.addr()),
            Topology::Sentinel { sentinels, .. } => sentinels.iter().all(is_local),
            Topology::Cluster(nodes) => nodes.iter().all(|node| is_local(node.addr())),
        }
    }
}

fn is_local(address: &ConnectionAddr) -> bool {
    match address {
        ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => {
            let ip = host.parse::<std::net::IpAddr>();
            host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
        }
        _ => true,
    }
}

fn one(
    is_encrypted: bool,
    login: &str,
    host: &str,
    database: &str,
) -> Result<ConnectionInfo, RedisUrlError> {
    let scheme = if is_encrypted { "rediss" } else { "redis" };
    info(&format!("{scheme}://{login}{host}/{database}"))
}

/// Reads an address of one server as the driver does, and settles what is not for the address to
/// say.
fn info(text: &str) -> Result<ConnectionInfo, RedisUrlError> {
    let info = text.into_connection_info().map_err(|_| RedisUrlError::Malformed)?;
    // RESP3: pushes come on the connection that asked for them.
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    // Small requests and answers; waiting for more to send only delays them.
    let tcp = TcpSettings::default().set_nodelay(true);
    Ok(info.set_redis_settings(settings).set_tcp_settings(tcp))
}

/// A sentinel speaks without TLS and without a password, whatever the primary asks for.
fn sentinel(host: &str) -> Result<ConnectionAddr, RedisUrlError> {
    let info = info(&format!("redis://{host}"))?;
    Ok(match info.addr() {
        ConnectionAddr::Tcp(host, PORT) => ConnectionAddr::Tcp(host.clone(), SENTINEL_PORT),
        address => address.clone(),
    })
}

/// The account without its password.
fn shown_login(login: &str) -> String {
    match login.trim_end_matches('@').split_once(':') {
        Some((user, _)) => format!("{user}:***@"),
        None => login.to_owned(),
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_shown_without_their_password() {
        for (text, shown) in [
            ("redis://host", "redis://host"),
            ("rediss://host:6380/2", "rediss://host:6380/2"),
            ("valkey://[::1]:7000", "valkey://[::1]:7000"),
            ("redis://:secret@host", "redis://:***@host"),
            ("redis://ada:se%40cret@host/1", "redis://ada:***@host/1"),
            ("redis+unix:///run/redis.sock", "redis+unix:///run/redis.sock"),
            ("redis+sentinel://ada:secret@a,b:7/main/3", "redis+sentinel://ada:***@a,b:7/main/3"),
            ("rediss+cluster://a:1,b:2", "rediss+cluster://a:1,b:2"),
        ] {
            let url: RedisUrl = text.parse().expect(text);
            assert_eq!(format!("{url} {url:?}"), format!("{shown} {shown}"));
        }
    }

    #[test]
    fn sentinels_have_a_port_of_their_own_and_the_primary_keeps_its_account() {
        let url: RedisUrl = "redis+sentinel://ada:secret@a,b:7/main/3".parse().expect("is one");
        let Topology::Sentinel { sentinels, name, primary } = url.topology else {
            panic!("no sentinels");
        };
        let place = |host: &str, port| ConnectionAddr::Tcp(host.to_owned(), port);
        assert_eq!(sentinels, [place("a", 26379), place("b", 7)]);
        let settings = primary.redis_settings();
        let account = (settings.username(), settings.password(), settings.db());
        assert_eq!((name.as_str(), account), ("main", (Some("ada"), Some("secret"), 3)));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for (text, error) in [
            ("host:6379", RedisUrlError::Scheme),
            ("http://host", RedisUrlError::Scheme),
            ("redis+mesh://host", RedisUrlError::Scheme),
            ("redis://", RedisUrlError::NoHost),
            ("redis+cluster://", RedisUrlError::NoHost),
            ("redis://a,b", RedisUrlError::Malformed),
            ("redis://host:port", RedisUrlError::Malformed),
            ("redis://host/first", RedisUrlError::Malformed),
            ("rediss://host#insecure", RedisUrlError::Options),
            ("redis+sentinel://host", RedisUrlError::NoName),
            ("redis+cluster://host/1", RedisUrlError::ClusterDatabase),
        ] {
            assert_eq!(text.parse::<RedisUrl>().expect_err(text), error, "{text}");
        }
    }
}
