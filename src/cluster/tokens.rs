//! The tokens and sessions of a cluster: the node that leads sends its own to the others, when it begins to lead and when they change.

use std::path::PathBuf;
use std::time::Duration;

use super::{Cluster, lease};
use crate::access::{Access, AccessError, TokenCopy};
use crate::blocking::off_thread;
use crate::job::Time;
use crate::ledger::{Ledger, Node, Role};

/// How often the node looks for changed tokens and sessions.
const LOOK: Duration = Duration::from_millis(100);
/// How often it notes in the file whether it leads.
const NOTE: Duration = Duration::from_secs(3);

/// The file of the tokens, and what the other nodes have of it.
struct TokenFile {
    path: PathBuf,
    /// `None` after a failure.
    open: Option<Access>,
    /// The version of the file whose rows were sent; `None` if the rows are to be sent.
    seen: Option<i64>,
    sent: Option<TokenCopy>,
}

impl Cluster {
    /// Sends this node's tokens and sessions while it leads, and notes in their file whether it does. Never returns.
    pub(super) async fn send_tokens(self, ledger: Ledger) {
        let Some(node) = ledger.node() else { return std::future::pending().await };
        let mut file = TokenFile { path: ledger.folder().access(), open: None, seen: None, sent: None };
        let mut noted: Option<tokio::time::Instant> = None;
        loop {
            let leads = node.state().role == Role::Leads;
            // A follower notes it once: each change of the file makes its server read the tokens again.
            if noted.is_none_or(|noted| leads && noted.elapsed() >= NOTE) {
                let until = ledger.now().plus(if leads { lease::LAPSE.as_nanos() as i64 } else { 0 });
                match file.note(until).await {
                    Ok(()) => noted = Some(tokio::time::Instant::now()),
                    Err(error) => warn(&error),
                }
            }
            if leads {
                if let Err(error) = file.send(node).await {
                    warn(&error);
                }
            } else {
                // A node that begins to lead sends its tokens, also if it sent the same when it led before.
                (file.seen, file.sent) = (None, None);
            }
            let mut changed = node.watch();
            let role = changed.wait_for(|state| (state.role == Role::Leads) != leads);
            if tokio::time::timeout(LOOK, role).await.is_ok() {
                noted = None;
            }
        }
    }
}

impl TokenFile {
    /// Notes that the node leads until this time.
    async fn note(&mut self, until: Time) -> Result<(), AccessError> {
        self.with(move |file| file.leads_until(until)).await
    }

    /// Sends the rows if they have changed.
    async fn send(&mut self, node: &Node) -> Result<(), AccessError> {
        let version = self.with(Access::version).await?;
        if self.seen == Some(version) {
            return Ok(());
        }
        let copy = self.with(Access::copy).await?;
        if self.sent.as_ref() == Some(&copy) || node.send_access(&copy).await {
            (self.seen, self.sent) = (Some(version), Some(copy));
        }
        Ok(())
    }

    /// Works with the open file. A failure closes it: the next call opens it again.
    async fn with<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&Access) -> Result<T, AccessError> + Send + 'static,
    ) -> Result<T, AccessError> {
        let (path, open) = (self.path.clone(), self.open.take());
        // A version counts for one connection only.
        self.seen = self.seen.filter(|_| open.is_some());
        let worked = off_thread(move || {
            let file = open.map_or_else(|| Access::open(&path), Ok)?;
            let done = work(&file)?;
            Ok::<_, AccessError>((file, done))
        });
        let (file, done) = worked.await?;
        self.open = Some(file);
        Ok(done)
    }
}

fn warn(error: &AccessError) {
    tracing::warn!(error = error as &dyn std::error::Error, "the tokens cannot be sent to the other nodes now");
}
