//! The connection to the NATS servers.

use std::path::PathBuf;
use std::time::Duration;

use async_nats::{Client, ConnectOptions};
use zeroize::Zeroizing;

use super::{ANSWER, HEADERS, NatsError};
use crate::blocking::off_thread;

/// How often the client asks whether the server is still there.
const PING: Duration = Duration::from_secs(2);
/// Pause between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(250);

/// How a node reaches NATS.
#[derive(Debug, Clone, Default)]
pub struct Login {
    /// The servers, as `nats://host:port` or `tls://host:port`.
    pub servers: Vec<String>,
    /// The user, and the file with the password.
    pub user: Option<(String, PathBuf)>,
    /// The certificates of the authority that signs the servers' certificates, PEM.
    pub authority: Option<PathBuf>,
    /// The node's own certificate and its key, PEM.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// Connects. The client connects again by itself, to any of the servers, as often as it takes.
///
/// # Errors
///
/// A file cannot be read, no server answers, or the servers take shorter messages than the ledger sends.
pub async fn connect(login: &Login, node: &str) -> Result<Client, NatsError> {
    let mut options = ConnectOptions::new();
    if let Some((user, path)) = &login.user {
        let read = off_thread({
            let path = path.clone();
            move || std::fs::read_to_string(path)
        });
        let failed = |cause| NatsError::Password { path: path.clone(), cause };
        let password = Zeroizing::new(read.await.map_err(failed)?);
        options = options.user_and_password(user.clone(), password.trim_end().to_owned());
    }
    if let Some(path) = &login.authority {
        options = options.add_root_certificates(path.clone()).require_tls(true);
    }
    if let Some((certificate, key)) = &login.certificate {
        options = options.add_client_certificate(certificate.clone(), key.clone());
    }
    let options = options
        .name(format!("jobledger {node}"))
        .connection_timeout(ANSWER)
        .request_timeout(Some(ANSWER))
        .ping_interval(PING)
        .reconnect_delay_callback(|_| PAUSE);
    let failed = |cause| NatsError::Connect { servers: login.servers.join(","), cause };
    let client = options.connect(login.servers.as_slice()).await.map_err(failed)?;
    let (expected, found) = (crate::stream::MAX_MESSAGE + HEADERS, client.server_info().max_payload);
    if found < expected {
        let (expected, found) = (format!("at least {expected} bytes, better 8MB,"), format!("{found} bytes"));
        return Err(NatsError::Setting { what: "`max_payload`", expected, found });
    }
    Ok(client)
}
