//! TLS from PEM files.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::ServerError;

/// TLS 1.2 and 1.3 with this certificate chain and private key.
pub(super) fn acceptor(chain_file: &Path, key_file: &Path) -> Result<TlsAcceptor, ServerError> {
    let wrong = |path: &Path, message: String| ServerError::Tls { path: path.to_owned(), message };
    let chain: Vec<_> = CertificateDer::pem_file_iter(chain_file)
        .and_then(Iterator::collect)
        .map_err(|error| wrong(chain_file, word(&error, "certificate")))?;
    if chain.is_empty() {
        return Err(wrong(chain_file, word(&pem::Error::NoItemsFound, "certificate")));
    }
    let key = PrivateKeyDer::from_pem_file(key_file)
        .map_err(|error| wrong(key_file, word(&error, "private key")))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(chain_file, error.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| wrong(key_file, error.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Never quotes the file: it may be the private key.
fn word(error: &pem::Error, what: &str) -> String {
    match error {
        pem::Error::Io(error) => error.to_string(),
        pem::Error::NoItemsFound => format!("there is no {what} in it"),
        _ => "it is not PEM".to_owned(),
    }
}

#[cfg(test)]
#[path = "tls_test.rs"]
mod tests;
