//! The server's certificate.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::Error;

/// A certificate with its key, for `https`.
#[derive(Clone)]
pub struct Tls(pub(crate) TlsAcceptor);

impl Tls {
    /// The certificate chain and the private key in these PEM files.
    ///
    /// # Errors
    /// [`Error::Tls`] if either cannot be read, or the two do not belong together.
    pub fn from_pem_files(certificates: &Path, key: &Path) -> Result<Self, Error> {
        let failed = |path: &Path, why: &dyn std::fmt::Display| Error::Tls {
            path: path.display().to_string(),
            why: why.to_string(),
        };
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificates)
            .and_then(Iterator::collect)
            .map_err(|error| failed(certificates, &error))?;
        let private = PrivateKeyDer::from_pem_file(key).map_err(|error| failed(key, &error))?;
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(|error| failed(certificates, &error))?
                .with_no_client_auth()
                .with_single_cert(chain, private)
                .map_err(|error| failed(certificates, &error))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }
}
