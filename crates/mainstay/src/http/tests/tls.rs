//! Encrypted connections: whose certificates are trusted, and HTTP/2 over them.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::net::TcpListener;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer},
    },
};

use super::{super::attempt::pool_of, super::connector::connector_trusting, *};

/// A server at `localhost` that speaks HTTP/2 and answers the path it is asked for, with a head
/// line as long as is wanted; and its certificate.
async fn start(head_bytes: usize) -> (BaseUrl, CertificateDer<'static>) {
    let made = generate_simple_self_signed(["localhost".to_owned()]);
    let CertifiedKey { cert, signing_key } = made.expect("a certificate");
    let certificate = cert.der().clone();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
    let mut tls = ServerConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .expect("the usual versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .expect("a key of the certificate");
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(async move {
        let answer = move |request: ::http::Request<Incoming>| async move {
            let mut answer =
                ::http::Response::new(Full::<Bytes>::from(request.uri().path().to_owned()));
            let line = "x".repeat(head_bytes).parse().expect("a value");
            answer.headers_mut().insert("x-line", line);
            Ok::<_, Infallible>(answer)
        };
        loop {
            let (socket, _) = listener.accept().await.expect("listening");
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // Whoever does not trust it goes away.
                let Ok(socket) = acceptor.accept(socket).await else { return };
                let connection = http2::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(socket), service_fn(answer));
                connection.await.ok();
            });
        }
    });
    (format!("https://localhost:{port}").parse().expect("an address"), certificate)
}

/// A client that trusts one certificate, where others trust those of the system.
fn trusting(base: BaseUrl, certificate: CertificateDer<'static>) -> Client {
    let client = Client::new("billing", base, options());
    let mut roots = RootCertStore::empty();
    roots.add(certificate).expect("a certificate");
    let connector = connector_trusting(roots, Duration::from_secs(1));
    client.0.pool.set(pool_of(connector, options())).expect("the first");
    client
}

#[tokio::test]
async fn who_is_trusted_is_called_over_http_2() {
    let (base, certificate) = start(1).await;
    let client = trusting(base, certificate);
    let (_, work) = request(SOON);
    let answer = work.scope(client.get("/users/{id}").param("id", 7).send()).await;
    assert_eq!(answer.expect("an answer").body(), "/users/7");
}

#[tokio::test]
async fn a_head_of_http_2_is_bounded_too() {
    let (base, certificate) = start(100_000).await;
    let error = trusting(base, certificate).get("/").send().await;
    assert!(matches!(error, Err(CallError::Failed(_))), "{error:?}");
}

#[tokio::test]
async fn a_certificate_that_the_system_does_not_trust_is_no_connection() {
    let (base, _) = start(1).await;
    let error = Client::new("billing", base, options()).get("/").send().await;
    let error = error.expect_err("nobody knows it");
    assert!(matches!(error, CallError::Unavailable(_)), "{error:?}");
    assert!(shown(&error).contains("certificate"), "{}", shown(&error));
}
