//! Whether the node hears its cluster. A node that does not shows an old state, so its tails end and its watchers go to another node.

use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::Cluster;
use crate::ledger::Ledger;

/// A node is apart when it has lacked messages of the stream for so long. An election among the NATS servers is shorter, and so is the
/// time for which a leader waits for the confirmations of a commit.
const APART: Duration = Duration::from_secs(15);
/// Pause between two looks.
const LOOK: Duration = Duration::from_secs(1);

impl Cluster {
    /// Whether the node is apart from its cluster.
    pub fn apart(&self) -> watch::Receiver<bool> {
        self.apart.subscribe()
    }

    /// Looks from time to time whether the node hears its cluster. Never returns.
    pub(super) async fn watch_hearing(self, ledger: Ledger) {
        let Some(node) = ledger.node() else { return std::future::pending().await };
        let started = Instant::now();
        loop {
            tokio::time::sleep(LOOK).await;
            let apart = node.state().current.unwrap_or(started).elapsed() >= APART;
            let changed = self.apart.send_if_modified(|before| std::mem::replace(before, apart) != apart);
            if changed && apart {
                tracing::warn!("this node does not hear its cluster, or lacks messages: its tails end");
            }
        }
    }
}
