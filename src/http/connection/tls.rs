//! The certificate and the key that the server greets with, as they lie in their files: a renewed pair takes the place of the old.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use tokio_rustls::TlsAcceptor;

/// Why a certificate or a key cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the TLS certificate or key `{}`: {why}", .path.display())]
pub struct TlsError {
    /// Which file.
    path: PathBuf,
    /// Why.
    why: String,
}

/// A certificate chain and its key, both PEM. Cheap to clone; all clones greet with the same pair.
#[derive(Clone)]
pub struct Tls(Arc<Pair>);

struct Pair {
    certificates: PathBuf,
    key: PathBuf,
    loaded: RwLock<Loaded>,
}

#[derive(Clone)]
struct Loaded {
    acceptor: TlsAcceptor,
    /// SHA-256 of both files.
    files: [u8; 32],
}

impl Tls {
    /// Reads them.
    pub fn load(certificates: PathBuf, key: PathBuf) -> Result<Tls, TlsError> {
        let (chain, secret) = (read(&certificates)?, read(&key)?);
        let loaded = Loaded { acceptor: acceptor(&certificates, &chain, &key, &secret)?, files: hash(&chain, &secret) };
        Ok(Tls(Arc::new(Pair { certificates, key, loaded: RwLock::new(loaded) })))
    }

    /// Reads the files again, and greets with what they hold now; whether that is another pair than before. A pair that cannot
    /// be used, such as a new certificate beside the old key, changes nothing.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let Pair { certificates, key, loaded } = &*self.0;
        let (chain, secret) = (read(certificates)?, read(key)?);
        let files = hash(&chain, &secret);
        if files == loaded.read().files {
            return Ok(false);
        }
        let acceptor = acceptor(certificates, &chain, key, &secret)?;
        *loaded.write() = Loaded { acceptor, files };
        Ok(true)
    }

    /// What greets a new connection.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        self.0.loaded.read().acceptor.clone()
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|error| wrong(path, error))
}

fn hash(chain: &[u8], secret: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(Sha256::digest(chain)).chain_update(secret).finalize().into()
}

fn wrong(path: &Path, why: impl ToString) -> TlsError {
    TlsError { path: path.to_owned(), why: why.to_string() }
}

fn acceptor(certificates: &Path, chain: &[u8], key: &Path, secret: &[u8]) -> Result<TlsAcceptor, TlsError> {
    let chain = CertificateDer::pem_slice_iter(chain).collect::<Result<_, _>>();
    let chain = chain.map_err(|error| wrong(certificates, error))?;
    let secret = PrivateKeyDer::from_pem_slice(secret).map_err(|error| wrong(key, error))?;
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, secret))
        .map_err(|error| wrong(key, error))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
