//! TLS below a connection, by rustls.

use std::{future::Future, io, pin::Pin, sync::Arc};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};
use tokio_rustls::{
    TlsConnector, client,
    rustls::{
        ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
        client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
        pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
    },
};

use super::socket::Socket;

/// Whom to believe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// Anybody: the connection is encrypted, and whoever sits in between can read it all the same.
    Anybody,
    /// A certificate for the host's name, signed by whom the system trusts.
    System,
    /// A certificate for the host's name, signed by one of this file.
    File(String),
}

/// Why there can be no TLS; a whole fragment for an explanation.
pub(super) type Unusable = String;

/// Prepares the client's side.
pub(super) fn connector(trust: &Trust) -> Result<TlsConnector, Unusable> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up ({error})"))?;
    let builder = match trust {
        Trust::Anybody => {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        }
        Trust::System => builder.with_root_certificates(system_roots()?),
        Trust::File(path) => builder.with_root_certificates(roots(path)?),
    };
    Ok(TlsConnector::from(Arc::new(builder.with_no_client_auth())))
}

fn system_roots() -> Result<RootCertStore, Unusable> {
    let found = rustls_native_certs::load_native_certs();
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(found.certs);
    if store.is_empty() {
        return Err("the system has no trusted certificates".to_owned());
    }
    Ok(store)
}

fn roots(path: &str) -> Result<RootCertStore, Unusable> {
    let unread = |error| format!("{path} cannot be read as PEM certificates ({error})");
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(unread)? {
        let added = store.add(certificate.map_err(unread)?);
        added.map_err(|error| format!("{path} holds no usable certificate ({error})"))?;
    }
    if store.is_empty() {
        return Err(format!("{path} holds no certificate"));
    }
    Ok(store)
}

/// The handshake with one host; `None` where TLS is not wanted.
#[derive(Clone)]
pub(super) struct Handshake(pub(super) Option<(TlsConnector, ServerName<'static>)>);

type Connecting = Pin<Box<dyn Future<Output = io::Result<Encrypted>> + Send>>;

impl TlsConnect<Socket> for Handshake {
    type Stream = Encrypted;
    type Error = io::Error;
    type Future = Connecting;

    fn connect(self, stream: Socket) -> Self::Future {
        Box::pin(async move {
            let Some((connector, name)) = self.0 else {
                return Err(io::Error::new(io::ErrorKind::Unsupported, "TLS was not set up"));
            };
            Ok(Opaque(Box::new(connector.connect(name, stream).await?)))
        })
    }
}

pub(super) type Encrypted = Opaque<Box<client::TlsStream<Socket>>>;

/// A stream that the driver takes for encrypted.
pub(super) struct Opaque<S>(pub(super) S);

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Opaque<S> {
    /// Channel binding would need the hash of the certificate, read out of its DER.
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

type Context<'a> = std::task::Context<'a>;
type Poll<T> = std::task::Poll<io::Result<T>>;

impl<S: AsyncRead + Unpin> AsyncRead for Opaque<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<()> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Opaque<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<usize> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// Takes every certificate, as `sslmode=require` and `prefer` do everywhere; signatures are still
/// checked, so the other side does own the certificate it shows.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
