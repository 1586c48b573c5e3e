//! The tokens of a cluster: the node that leads sends its own to the others, when it begins to lead and when they change.

use std::time::Duration;

use super::{Cluster, lease};
use crate::access::{Access, AccessError, TokenCopy};
use crate::blocking::off_thread;
use crate::ledger::{Ledger, Role};

/// How often the node looks for changed tokens.
const LOOK: Duration = Duration::from_millis(250);
/// How often it notes in the file whether it leads.
const NOTE: Duration = Duration::from_secs(3);

impl Cluster {
    /// Sends this node's tokens while it leads, and notes in their file whether it does. Never returns.
    pub(super) async fn send_tokens(self, ledger: Ledger) {
        let Some(node) = ledger.node() else { return std::future::pending().await };
        let (mut sent, mut noted): (Option<TokenCopy>, Option<tokio::time::Instant>) = (None, None);
        loop {
            let leads = node.state().role == Role::Leads;
            // A follower notes it once: each change of the file makes its server read the tokens again.
            if noted.is_none_or(|noted| leads && noted.elapsed() >= NOTE) {
                let until = ledger.now().plus(if leads { lease::LAPSE.as_nanos() as i64 } else { 0 });
                match with_file(&ledger, move |file| file.leads_until(until)).await {
                    Ok(()) => noted = Some(tokio::time::Instant::now()),
                    Err(error) => warn(&error),
                }
            }
            match with_file(&ledger, Access::copy).await {
                // A node that begins to lead sends its tokens, also if it sent the same when it led before.
                Ok(_) if !leads => sent = None,
                Ok(copy) if sent.as_ref() != Some(&copy) => {
                    if node.send_access(&copy).await {
                        sent = Some(copy);
                    }
                }
                Ok(_) => {}
                Err(error) => warn(&error),
            }
            let mut changed = node.watch();
            let role = changed.wait_for(|state| (state.role == Role::Leads) != leads);
            if tokio::time::timeout(LOOK, role).await.is_ok() {
                noted = None;
            }
        }
    }
}

async fn with_file<T: Send + 'static>(
    ledger: &Ledger,
    work: impl FnOnce(&Access) -> Result<T, AccessError> + Send + 'static,
) -> Result<T, AccessError> {
    let path = ledger.folder().access();
    off_thread(move || work(&Access::open(&path)?)).await
}

fn warn(error: &AccessError) {
    tracing::warn!(error = error as &dyn std::error::Error, "the tokens cannot be sent to the other nodes now");
}
