//! What `DATABASE_URL` says about a server: where it may be, who asks, and whether encrypted.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use tokio_postgres::{
    Config,
    config::{Host, LoadBalanceHosts, SslMode, TargetSessionAttrs},
};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};

use super::{
    socket::KeepAlive,
    tls::{self, Handshake, Trust},
};
use crate::database::DatabaseOptions;

/// How long a connection is silent before the first probe, unless the address says another: a
/// balancer or a firewall that forgets a connection does so after 350 s or more.
const KEEPALIVE_IDLE: Duration = Duration::from_mins(1);
/// Between two probes, and how many may be lost. With the above, a dead peer is known after 90 s.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_RETRIES: u32 = 3;

/// tokio-postgres's default for [`Config::keepalives_idle`], and the only sign that it was not set.
const KEEPALIVE_IDLE_UNSET: Duration = Duration::from_hours(2);

/// A parsed address.
pub(super) struct Address {
    config: Config,
    tls: Option<TlsConnector>,
    pub(super) endpoints: Vec<Endpoint>,
    /// Whether the endpoints are tried in random order.
    pub(super) shuffled: bool,
    pub(super) session: TargetSessionAttrs,
    pub(super) keep_alive: Option<KeepAlive>,
    /// Before the one of the options.
    pub(super) connect_timeout: Option<Duration>,
}

/// Where a server may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    Tcp { host: String, ip: Option<IpAddr>, port: u16 },
    Unix(PathBuf),
}

/// What is wrong with the address; a whole fragment for an explanation, without the password.
pub(super) type Wrong = String;

impl Address {
    pub(super) fn parse(url: &str, options: &DatabaseOptions) -> Result<Self, Wrong> {
        let (url, security) = Security::take(url)?;
        // The driver's text names the option that it does not understand, and no value.
        let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| {
            let source = std::error::Error::source(&error).map(|source| format!(" ({source})"));
            format!("{error}{}", source.unwrap_or_default())
        })?;
        if config.get_application_name().is_none() {
            config.application_name(options.application_name.as_str());
        }
        if matches!(security, Security::Verified(_)) {
            config.ssl_mode(SslMode::Require);
        }
        let trust = match security {
            Security::Verified(Some(file)) => Trust::File(file),
            Security::Verified(None) => Trust::System,
            Security::Unverified => Trust::Anybody,
        };
        let tls = match config.get_ssl_mode() {
            SslMode::Disable => None,
            _ => Some(tls::connector(&trust)?),
        };
        let keep_alive = config.get_keepalives().then(|| KeepAlive {
            idle: Some(config.get_keepalives_idle())
                .filter(|idle| *idle != KEEPALIVE_IDLE_UNSET)
                .unwrap_or(KEEPALIVE_IDLE),
            interval: config.get_keepalives_interval().unwrap_or(KEEPALIVE_INTERVAL),
            retries: config.get_keepalives_retries().unwrap_or(KEEPALIVE_RETRIES),
        });
        Ok(Self {
            endpoints: endpoints(&config)?,
            shuffled: config.get_load_balance_hosts() == LoadBalanceHosts::Random,
            session: config.get_target_session_attrs(),
            keep_alive,
            connect_timeout: config.get_connect_timeout().copied(),
            tls,
            config,
        })
    }

    /// How to speak to `endpoint`.
    pub(super) fn protocol(&self, endpoint: &Endpoint) -> Result<(Config, Handshake), Wrong> {
        let mut config = self.config.clone();
        let (Some(tls), Endpoint::Tcp { host, .. }) = (&self.tls, endpoint) else {
            // A Unix socket is not encrypted by the server, and does not leave the machine.
            config.ssl_mode(SslMode::Disable);
            return Ok((config, Handshake(None)));
        };
        let name = ServerName::try_from(host.clone())
            .map_err(|_| format!("{host} is no name that a certificate could be for"))?;
        Ok((config, Handshake(Some((tls.clone(), name)))))
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp { host, port, .. } => write!(f, "{host}:{port}"),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

/// The part of `sslmode` that the driver leaves to us.
#[derive(Debug, PartialEq, Eq)]
enum Security {
    Unverified,
    /// `verify-full`, with the file of `sslrootcert`.
    Verified(Option<String>),
}

impl Security {
    /// Takes `sslmode=verify-full` and `sslrootcert` out of the address.
    fn take(url: &str) -> Result<(String, Self), Wrong> {
        let Some((base, query)) = url.split_once('?') else {
            return Ok((url.to_owned(), Self::Unverified));
        };
        let (mut verified, mut file, mut rest) = (false, None, Vec::new());
        for pair in query.split('&') {
            match pair.split_once('=') {
                Some(("sslmode", "verify-full")) => verified = true,
                Some(("sslmode", "verify-ca" | "allow")) => {
                    return Err("its `sslmode` is none of `disable`, `prefer`, `require` and \
                                `verify-full`"
                        .to_owned());
                }
                Some(("sslrootcert", "system")) => file = None,
                Some(("sslrootcert", path)) => {
                    let path = percent_encoding::percent_decode_str(path).decode_utf8();
                    file = Some(path.map_err(|_| "its `sslrootcert` is not UTF-8")?.into_owned());
                }
                _ => rest.push(pair),
            }
        }
        if file.is_some() && !verified {
            return Err("its `sslrootcert` needs `sslmode=verify-full`".to_owned());
        }
        let security = if verified { Self::Verified(file) } else { Self::Unverified };
        Ok((format!("{base}?{}", rest.join("&")), security))
    }
}

fn endpoints(config: &Config) -> Result<Vec<Endpoint>, Wrong> {
    /// PostgreSQL's own.
    const PORT: u16 = 5432;
    let (hosts, ips, ports) = (config.get_hosts(), config.get_hostaddrs(), config.get_ports());
    let count = hosts.len().max(ips.len());
    if count == 0 {
        return Err("it names no host".to_owned());
    }
    if !hosts.is_empty() && !ips.is_empty() && hosts.len() != ips.len() {
        return Err("it has not as many `host` as `hostaddr`".to_owned());
    }
    if ports.len() > 1 && ports.len() != count {
        return Err("it has not as many ports as hosts".to_owned());
    }
    let endpoints = (0..count).map(|index| {
        let port = ports.get(index).or(ports.first()).copied().unwrap_or(PORT);
        let ip = ips.get(index).copied();
        match hosts.get(index) {
            #[cfg(unix)]
            Some(Host::Unix(folder)) => Endpoint::Unix(folder.join(format!(".s.PGSQL.{port}"))),
            Some(Host::Tcp(host)) => Endpoint::Tcp { host: host.clone(), ip, port },
            None => {
                let host = ip.map(|ip| ip.to_string()).unwrap_or_default();
                Endpoint::Tcp { host, ip, port }
            }
        }
    });
    Ok(endpoints.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> Result<Address, Wrong> {
        Address::parse(url, &DatabaseOptions::default())
    }

    fn wrong(url: &str) -> Wrong {
        parsed(url).err().expect("is refused")
    }

    fn shown(url: &str) -> Vec<String> {
        let address = parsed(url).expect("an address");
        address.endpoints.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn hosts_and_sockets_are_found() {
        assert_eq!(shown("postgres://u@db/app"), ["db:5432"]);
        assert_eq!(shown("postgres://u@a:1,b:2/app"), ["a:1", "b:2"]);
        let socket = "/run/postgresql/.s.PGSQL.5433";
        assert_eq!(shown("postgres:///app?host=/run/postgresql&port=5433"), [socket]);
        assert_eq!(shown("postgres://u@%2Frun%2Fpostgresql:5433/app"), [socket]);
        assert_eq!(shown("postgres:///app?hostaddr=127.0.0.1"), ["127.0.0.1:5432"]);
    }

    #[test]
    fn encryption_is_as_the_address_says() {
        let mode = |url| {
            let address = parsed(url).expect("an address");
            let (config, handshake) = address.protocol(&address.endpoints[0]).expect("a name");
            (config.get_ssl_mode(), handshake.0.is_some())
        };
        assert_eq!(mode("postgres://db/app?sslmode=disable"), (SslMode::Disable, false));
        assert_eq!(mode("postgres://db/app"), (SslMode::Prefer, true));
        assert_eq!(mode("postgres://db/app?sslmode=require"), (SslMode::Require, true));
        assert_eq!(mode("postgres:///a?host=/tmp&sslmode=require"), (SslMode::Disable, false));
    }

    #[test]
    fn a_wrong_address_is_explained_without_its_password() {
        for (url, why) in [
            ("postgres://u:secret@db/app?sslmode=verify-ca", "`sslmode` is none of"),
            ("postgres://u:secret@db/app?sslrootcert=/x", "needs `sslmode=verify-full`"),
            ("postgres://u:secret@db/app?nonsense=1", "nonsense"),
            ("postgres:///app?password=secret", "no host"),
            ("postgres://u:secret@db:port/app", "port"),
            ("postgres://u:secret@db/a?sslmode=verify-full&sslrootcert=/none", "cannot be read"),
        ] {
            let wrong = wrong(url);
            assert!(wrong.contains(why) && !wrong.contains("secret"), "{url}: {wrong}");
        }
    }
}
