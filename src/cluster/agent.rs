//! The HTTP client by which a node reaches the others.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ureq::Agent;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

use super::ClusterError;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(1);
/// How long an answer may take. A claim waits up to a minute for a job.
const ANSWER: Duration = Duration::from_secs(90);

/// A client that trusts the certificates in `authority`, or without it those of the system's authorities.
///
/// # Errors
///
/// The file cannot be read.
pub(super) fn agent(authority: Option<&Path>) -> Result<Agent, ClusterError> {
    let tls = match authority {
        None => TlsConfig::default(),
        Some(path) => {
            let failed = |cause| ClusterError::Authority { path: path.to_owned(), cause };
            let text = std::fs::read(path).map_err(failed)?;
            let certificates = parse_pem(&text).filter_map(|item| match item {
                Ok(PemItem::Certificate(certificate)) => Some(certificate),
                _ => None,
            });
            TlsConfig::builder().root_certs(RootCerts::Specific(Arc::new(certificates.collect()))).build()
        }
    };
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .timeout_connect(Some(CONNECT))
        .timeout_global(Some(ANSWER))
        .tls_config(tls)
        .build();
    Ok(config.into())
}
