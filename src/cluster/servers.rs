//! Whether the NATS servers keep what they accept.

use serde::Deserialize;

use super::{ClusterError, Settings};
use crate::blocking::off_thread;

/// The oldest version of NATS that was tried.
const OLDEST: (u32, u32) = (2, 12);

/// What a server says of itself (`/varz`).
#[derive(Debug, Deserialize)]
struct Varz {
    version: String,
    #[serde(default)]
    jetstream: JetStream,
}

#[derive(Debug, Default, Deserialize)]
struct JetStream {
    #[serde(default)]
    config: Config,
}

#[derive(Debug, Default, Deserialize)]
struct Config {
    #[serde(default)]
    sync_always: bool,
}

/// Checks each server: a known version, and a sync of every message.
///
/// # Errors
///
/// A server fails the check, does not answer, or is not named.
pub(super) async fn check(settings: &Settings) -> Result<(), ClusterError> {
    let (servers, found) = (settings.login.servers.len(), settings.monitors.len());
    if found < servers {
        return Err(ClusterError::Unchecked { servers, found });
    }
    let monitors = settings.monitors.clone();
    off_thread(move || monitors.iter().try_for_each(|url| check_one(url))).await
}

fn check_one(url: &str) -> Result<(), ClusterError> {
    let failed = |cause| ClusterError::Monitor { url: url.to_owned(), cause: Box::new(cause) };
    let mut answer = ureq::get(format!("{}/varz", url.trim_end_matches('/'))).call().map_err(failed)?;
    let text = answer.body_mut().read_to_string().map_err(failed)?;
    let varz: Varz = serde_json::from_str(&text).map_err(|error| failed(ureq::Error::Io(error.into())))?;
    judge(url, varz)
}

fn judge(url: &str, varz: Varz) -> Result<(), ClusterError> {
    let mut parts = varz.version.split('.').map(|part| part.parse::<u32>().unwrap_or_default());
    if (parts.next().unwrap_or_default(), parts.next().unwrap_or_default()) < OLDEST {
        return Err(ClusterError::OldServer { url: url.to_owned(), found: varz.version });
    }
    if varz.jetstream.config.sync_always { Ok(()) } else { Err(ClusterError::NoSync(url.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_does_not_sync_or_is_old_is_refused() {
        let judged = |text: &str| judge("http://a", serde_json::from_str(text).unwrap());
        assert!(judged(r#"{"version":"2.15.1","jetstream":{"config":{"sync_always":true}}}"#).is_ok());
        let lazy = judged(r#"{"version":"2.15.1","jetstream":{"config":{"sync_interval":120000000000}}}"#);
        assert!(matches!(lazy, Err(ClusterError::NoSync(_))));
        assert!(matches!(judged(r#"{"version":"2.15.1"}"#), Err(ClusterError::NoSync(_))));
        let old = judged(r#"{"version":"2.9.25","jetstream":{"config":{"sync_always":true}}}"#);
        assert!(matches!(old, Err(ClusterError::OldServer { .. })));
    }
}
