//! Messages that the stream lacks: it was purged up to a later one, a server of NATS has lost them, or the stream was lost and another
//! node began the next generation. Another node's log has what they brought.

use super::Stream;
use crate::ledger::commit::thread::WriterThread;
use crate::ledger::node::Role;
use crate::stream::Sequence;

impl WriterThread {
    /// Stores messages that the stream lacks as another node's log has them. Answers whether it could.
    pub(super) fn repair(&mut self, stream: &mut Stream, missing: Sequence) -> bool {
        let (generation, newest) = match self.state.reader().newest_message() {
            Ok(newest) => newest.map_or((0, 0), |newest| (newest.generation, newest.tip.sequence)),
            Err(error) => {
                self.cannot_store(stream, &error);
                return false;
            }
        };
        // Another node may lead, also with one of the missing messages, which do not say at which URL.
        stream.leads = false;
        stream.node.change(|state| (state.role, state.leader_is_hearsay) = (Role::CatchingUp, true));
        let wholes = stream.peers.messages(&stream.node.key, generation, newest);
        if wholes.is_empty() {
            tracing::error!(missing, "the stream lacks a message that no other node gives: this node waits for it");
            return false;
        }
        let count = wholes.len() as u64;
        if !self.store(stream, &wholes) {
            return false;
        }
        tracing::warn!(missing, count, "the stream lacked messages, and another node gave them");
        stream.node.change(|state| state.repaired += count);
        self.begin_again(stream);
        // Otherwise the others have not got the missing message yet.
        generation < stream.node.generation || stream.judge.chain.tip().sequence >= missing
    }
}
