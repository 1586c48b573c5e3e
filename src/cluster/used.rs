//! The last use of tokens: each node tells the others which tokens its own requests have used.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::timeout;

use super::Cluster;
use crate::access::LiveAccess;
use crate::job::Time;
use crate::ledger::Ledger;
use crate::stream::TokensUsed;

/// How long a node waits for NATS when it tells.
const ANSWER: Duration = Duration::from_secs(2);

impl Cluster {
    /// Tells the other nodes when requests of this node last used tokens. A message that is lost is not sent again: the next use of the
    /// token brings another one.
    pub async fn tell_used(&self, ledger: &Ledger, used: &HashMap<i64, Time>) {
        let Some(node) = ledger.node().filter(|_| !used.is_empty()) else { return };
        let all: Vec<_> = used.iter().map(|(token, at)| (*token, *at)).collect();
        let tell = async {
            for some in all.chunks(TokensUsed::MOST) {
                let bytes = TokensUsed { node: &node.name, used: some.to_vec() }.to_bytes(&node.key);
                if let Err(error) = self.client.publish(self.names.used(), bytes.into()).await {
                    tracing::debug!(error = &error as &dyn std::error::Error, "the use of tokens is not sent");
                }
            }
            // A node that stops ends its client soon after.
            let _ = self.client.flush().await;
        };
        // Without NATS the client's queue fills, and a publish waits.
        let _ = timeout(ANSWER, tell).await;
    }

    /// Notes when requests of the other nodes last used tokens. Never returns.
    pub(super) async fn hear_used(self, ledger: Ledger, access: LiveAccess) {
        let Some(node) = ledger.node() else { return std::future::pending().await };
        let note = |notice: &[u8]| match TokensUsed::read(notice, &node.key) {
            Some(said) if said.node != node.name => access.note_used(said.used),
            _ => {}
        };
        self.hear(self.names.used(), "the use of tokens on other nodes", note).await;
    }
}
