//! A Redis that speaks TLS, with a certificate that nobody but its test believes.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tempfile::TempDir;

use super::{Memory, PrivateRedis};
use crate::machine::{ServerError, on_free_port};

/// A server that is asked over TLS at `localhost`.
#[derive(Debug)]
pub struct EncryptedRedis {
    port: u16,
    folder: TempDir,
    _server: PrivateRedis,
}

impl EncryptedRedis {
    /// Makes a certificate, and starts a server that shows it.
    ///
    /// # Panics
    /// When no certificate can be made.
    pub fn start() -> Result<Self, ServerError> {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let folder = tempfile::tempdir()?;
        let [certificate, key] = ["certificate", "key"].map(|name| folder.path().join(name));
        fs::write(&certificate, cert.pem())?;
        fs::write(&key, signing_key.serialize_pem())?;
        let mut server = None;
        let port = on_free_port(|port| {
            server = Some(start(port, &certificate, &key)?);
            Ok(())
        })?;
        let server = server.expect("a port was found");
        Ok(Self { port, folder, _server: server })
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("rediss://localhost:{}", self.port)
    }

    /// The file with its certificate, in PEM.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate")
    }
}

fn start(port: u16, certificate: &Path, key: &Path) -> Result<PrivateRedis, ServerError> {
    let [certificate, key] = [certificate, key].map(|path| path.to_string_lossy());
    let (port, pair) =
        (port.to_string(), ["--tls-cert-file", &certificate, "--tls-key-file", &key]);
    let settings = [&["--tls-port", &port, "--tls-auth-clients", "no"], &pair[..]].concat();
    PrivateRedis::start_with(Memory::Lost, &settings)
}
