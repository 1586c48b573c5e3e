//! The server's certificate and key, read from files. A renewed pair replaces the old one while the server runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use tokio_rustls::TlsAcceptor;

/// The name of HTTP/2 in the TLS handshake (ALPN).
pub(super) const HTTP2: &[u8] = b"h2";
/// The protocols that the server offers, the best first. A client that names none of its own speaks HTTP/1.1.
const PROTOCOLS: [&[u8]; 2] = [HTTP2, b"http/1.1"];

/// Why a certificate or a key cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the TLS certificate or key `{}`: {why}", .path.display())]
pub struct TlsError {
    /// The file.
    path: PathBuf,
    /// The reason.
    why: String,
}

/// A certificate chain and its key, both PEM. Cheap to clone; all clones use the same pair.
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
    /// Reads the pair.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, is not PEM, or a key that does not fit the certificate.
    pub fn load(certificates: PathBuf, key: PathBuf) -> Result<Tls, TlsError> {
        let (chain, secret) = (read(&certificates)?, read(&key)?);
        let loaded = Loaded { acceptor: acceptor(&certificates, &chain, &key, &secret)?, files: hash(&chain, &secret) };
        Ok(Tls(Arc::new(Pair { certificates, key, loaded: RwLock::new(loaded) })))
    }

    /// Reads the files again. New connections get the pair that the files hold now. Answers whether that pair is new.
    ///
    /// # Errors
    ///
    /// As [`Tls::load`]. The old pair stays in use, for example while a new certificate lies beside the old key.
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

    /// The acceptor, which does the handshake of a new connection with the newest pair.
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
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, secret))
        .map_err(|error| wrong(key, error))?;
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
    Ok(TlsAcceptor::from(Arc::new(config)))
}
