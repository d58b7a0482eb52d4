//! Connections to other services: TCP without delays, and TLS by whom the system trusts.

use std::{io, time::Duration};

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;

/// Opens connections for hyper's client.
pub(crate) type Connector = HttpsConnector<HttpConnector>;

/// A connector that gives up after `timeout`, and speaks TLS 1.2 and 1.3 where the address is
/// `https`. Fails where the system has no trusted certificates.
pub(crate) fn connector(timeout: Duration) -> io::Result<Connector> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(timeout));
    tcp.set_nodelay(true);
    let tls = HttpsConnectorBuilder::new()
        .with_provider_and_native_roots(tokio_rustls::rustls::crypto::ring::default_provider())?;
    Ok(tls.https_or_http().enable_all_versions().wrap_connector(tcp))
}
