//! Whether the NATS servers keep what they accept.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::Deserialize;

use super::{Cluster, ClusterError, Settings};
use crate::blocking::off_thread;

/// The oldest version of NATS that was tried.
const OLDEST: (u32, u32) = (2, 12);

/// How long a server may take to answer.
const ANSWER: Duration = Duration::from_secs(3);

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

/// How often the servers are checked while a node runs. Their configuration may change.
const AGAIN: Duration = Duration::from_secs(30);

/// Checks each server: a known version, and a sync of every message. A server that does not answer is checked later, as long as most
/// servers have passed: a node must start while a machine is down.
///
/// # Errors
///
/// A server fails the check or is not named, or too few answer.
pub(super) async fn check(settings: &Settings) -> Result<(), ClusterError> {
    let (servers, found) = (settings.login.servers.len(), settings.monitors.len());
    if found < servers {
        return Err(ClusterError::Unchecked { servers, found });
    }
    let monitors = settings.monitors.clone();
    off_thread(move || {
        let silent = check_all(&monitors)?;
        match silent.into_iter().next() {
            Some((count, error)) if count * 2 >= monitors.len() => Err(error),
            _ => Ok(()),
        }
    })
    .await
}

/// Checks each server. Answers how many did not answer, and the error of the first of them.
fn check_all(monitors: &[String]) -> Result<Option<(usize, ClusterError)>, ClusterError> {
    let mut silent = None;
    for url in monitors {
        match check_one(url) {
            Err(error @ ClusterError::Monitor { .. }) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a NATS server is not checked: it does not answer"
                );
                let (count, first) = silent.unwrap_or((0, error));
                silent = Some((count + 1, first));
            }
            checked => checked?,
        }
    }
    Ok(silent)
}

impl Cluster {
    /// Checks the servers from time to time. While one of them does not sync, this node does not lead. Never returns.
    pub(super) async fn check_servers(self) {
        loop {
            tokio::time::sleep(AGAIN).await;
            let monitors = self.settings.monitors.clone();
            let checked = off_thread(move || check_all(&monitors)).await;
            if let Err(error) = &checked {
                tracing::error!(
                    error = error as &dyn std::error::Error,
                    "this node does not lead: a NATS server is not as it must be"
                );
            }
            self.keeps.store(checked.is_ok(), Ordering::Relaxed);
        }
    }

    /// Whether no server of NATS was found that may lose what it accepts.
    pub fn keeps(&self) -> bool {
        self.keeps.load(Ordering::Relaxed)
    }
}

fn check_one(url: &str) -> Result<(), ClusterError> {
    let failed = |cause| ClusterError::Monitor { url: url.to_owned(), cause: Box::new(cause) };
    let agent: ureq::Agent = ureq::Agent::config_builder().timeout_global(Some(ANSWER)).build().into();
    let mut answer = agent.get(format!("{}/varz", url.trim_end_matches('/'))).call().map_err(failed)?;
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
