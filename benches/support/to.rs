//! Where clients connect: an address, in clear or over TLS with a certificate that is made for the run.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// The files of a certificate and its key.
pub struct Certificate {
    certificate: PathBuf,
    key: PathBuf,
}

/// A server that clients connect to. Cheap to clone.
#[derive(Clone)]
pub struct To {
    address: SocketAddr,
    /// Trusts the certificate of a server with TLS.
    tls: Option<TlsConnector>,
}

/// A connection, in clear or not.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

impl To {
    /// A server without TLS.
    pub fn clear(address: SocketAddr) -> To {
        To { address, tls: None }
    }

    /// A server with this certificate.
    pub fn trusting(address: SocketAddr, certificate: &Certificate) -> To {
        To { address, tls: Some(certificate.connector()) }
    }

    /// A new connection.
    pub async fn connect(&self) -> Box<dyn Stream> {
        let stream = TcpStream::connect(self.address).await.expect("the server listens");
        stream.set_nodelay(true).expect("a TCP socket");
        let Some(tls) = &self.tls else { return Box::new(stream) };
        let name = ServerName::IpAddress(self.address.ip().into());
        Box::new(tls.connect(name, stream).await.expect("the certificate is trusted"))
    }
}

impl Certificate {
    /// Makes a certificate for 127.0.0.1 in `folder`; `None` if this machine lacks openssl.
    pub fn make(folder: &Path) -> Option<Certificate> {
        let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
        let made = Command::new("openssl")
            .args(
                "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=bench".split(' '),
            )
            .args(["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .output();
        made.is_ok_and(|made| made.status.success()).then_some(Certificate { certificate, key })
    }

    /// The paths of the certificate and its key.
    pub fn paths(&self) -> (String, String) {
        let text = |path: &PathBuf| path.to_str().expect("a path in UTF-8").to_owned();
        (text(&self.certificate), text(&self.key))
    }

    /// Clients that trust this certificate.
    fn connector(&self) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_file(&self.certificate).expect("openssl wrote it");
        roots.add(certificate).expect("a certificate");
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider has them")
            .with_root_certificates(roots)
            .with_no_client_auth();
        TlsConnector::from(Arc::new(config))
    }
}
