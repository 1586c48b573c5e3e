//! Confirmations between nodes: each tells the leader up to where it is durable, and the leader counts.

use std::time::Duration;

use super::Cluster;
use crate::ledger::{Ledger, NodeState};
use crate::stream::Confirmation;

/// A node repeats its newest confirmation after so long, because NATS may lose one.
const AGAIN: Duration = Duration::from_millis(500);

impl Cluster {
    /// Tells the leader of each message that this node's log has durably. Never returns.
    pub(super) async fn confirm(self, ledger: Ledger) {
        let Some(node) = ledger.node() else { return std::future::pending().await };
        let what =
            |state: &NodeState| (state.durable.sequence, state.leader.as_ref().map(|leader| leader.name.clone()));
        let mut state = node.watch();
        loop {
            let told = what(&state.borrow_and_update());
            if let (sequence, Some(leader)) = &told
                && *leader != node.name
            {
                let confirmation = Confirmation { generation: node.generation, sequence: *sequence, node: &node.name };
                let bytes = confirmation.to_bytes(&node.key);
                if let Err(error) = self.client.publish(self.names.confirmations(leader), bytes.into()).await {
                    tracing::debug!(error = &error as &dyn std::error::Error, "a confirmation is not sent");
                }
            }
            let newer = state.wait_for(|state| what(state) != told);
            // After this time the same confirmation again.
            let _ = tokio::time::timeout(AGAIN, newer).await;
        }
    }

    /// Notes the confirmations of the other nodes. Never returns.
    pub(super) async fn hear_confirmations(self, ledger: Ledger) {
        let Some(node) = ledger.node() else { return std::future::pending().await };
        let note = |notice: &[u8]| match Confirmation::read(notice, &node.key) {
            Some(said) if said.generation == node.generation && said.node != node.name => {
                self.confirmations.note(said.node, said.sequence);
            }
            _ => {}
        };
        self.hear(self.names.confirmations(&node.name), "confirmations", note).await;
    }
}
