//! The HTTP client by which a node reaches the others. A request whose future is dropped ends its connection, so the other node stops
//! working on it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::ClusterError;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(1);
/// How long a connection stays open without a request. Shorter than a server waits for the next one.
const IDLE: Duration = Duration::from_secs(10);
/// How many connections to a node stay open without a request.
const KEPT: usize = 64;

/// A client for requests with a body in memory. Cheap to clone.
pub type Agent = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// A client that trusts the certificates in `authority`, or without it those of the public authorities.
///
/// # Errors
///
/// The file cannot be read.
pub(super) fn agent(authority: Option<&Path>) -> Result<Agent, ClusterError> {
    let mut tcp = HttpConnector::new();
    tcp.set_connect_timeout(Some(CONNECT));
    tcp.set_nodelay(true);
    tcp.enforce_http(false);
    let https = HttpsConnectorBuilder::new();
    let https = match authority {
        None => https.with_webpki_roots(),
        Some(path) => https.with_tls_config(trusting(path)?),
    };
    let connector = https.https_or_http().enable_http1().wrap_connector(tcp);
    Ok(Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(KEPT)
        .build(connector))
}

/// A configuration that trusts the certificates in the file `path`.
fn trusting(path: &Path) -> Result<ClientConfig, ClusterError> {
    let failed = |cause| ClusterError::Authority { path: path.to_owned(), cause };
    let text = std::fs::read(path).map_err(failed)?;
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&text).filter_map(Result::ok));
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has TLS 1.2 and 1.3");
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
