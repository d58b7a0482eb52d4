//! Connections to other services: TCP without delays, and TLS by whom the system trusts.

use std::{io, time::Duration};

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};

/// Opens connections for hyper's client.
pub(crate) type Connector = HttpsConnector<HttpConnector>;

/// A connector that gives up after `timeout`, and speaks TLS 1.2 and 1.3 where the address is
/// `https`. Fails where the system has no trusted certificates, which it reads from the disk.
pub(crate) fn connector(timeout: Duration) -> io::Result<Connector> {
    let tls =
        HttpsConnectorBuilder::new().with_provider_and_native_roots(ring::default_provider())?;
    Ok(tls.https_or_http().enable_all_versions().wrap_connector(tcp(timeout)))
}

/// The same, trusting `roots` and nobody else. It reads nothing.
pub(super) fn connector_trusting(roots: RootCertStore, timeout: Duration) -> Connector {
    let tls = ClientConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .expect("ring speaks what rustls does by default")
        .with_root_certificates(roots)
        .with_no_client_auth();
    HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_all_versions()
        .wrap_connector(tcp(timeout))
}

fn tcp(timeout: Duration) -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(timeout));
    tcp.set_nodelay(true);
    tcp
}
