//! Up to where the other nodes have the stream durably in their own logs. An append is answered when a majority has it.

use std::collections::BTreeMap;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

use crate::stream::Sequence;

/// The other nodes' durable places in the stream.
#[derive(Debug, Default)]
pub struct Confirmations {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// By node.
    durable: BTreeMap<String, Sequence>,
    /// How many other nodes must have a message before its appends are answered.
    needed: usize,
}

impl Confirmations {
    /// Notes that `node` has all messages up to `sequence`. The newest word counts: a node that was put back to an earlier state has
    /// fewer messages than before.
    pub fn note(&self, node: &str, sequence: Sequence) {
        self.state.lock().durable.insert(node.to_owned(), sequence);
        self.changed.notify_all();
    }

    /// Sets how many other nodes must have a message.
    pub fn need(&self, needed: usize) {
        self.state.lock().needed = needed;
        self.changed.notify_all();
    }

    /// How many other nodes must have a message.
    pub fn needed(&self) -> usize {
        self.state.lock().needed
    }

    /// The other nodes that confirmed something since the start, and up to where.
    pub fn durable(&self) -> BTreeMap<String, Sequence> {
        self.state.lock().durable.clone()
    }

    /// Waits until enough nodes have `sequence`; `false` at `deadline`.
    pub(in crate::ledger) fn wait(&self, sequence: Sequence, deadline: Instant) -> bool {
        let missing =
            |state: &mut State| state.durable.values().filter(|durable| **durable >= sequence).count() < state.needed;
        let mut state = self.state.lock();
        !self.changed.wait_while_until(&mut state, missing, deadline).timed_out()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_message_is_confirmed_when_enough_nodes_have_it() {
        let confirmations = Confirmations::default();
        let is_confirmed = |sequence| confirmations.wait(sequence, Instant::now() + Duration::from_millis(1));
        assert!(is_confirmed(7), "a ledger alone waits for no other");
        confirmations.need(1);
        assert!(!is_confirmed(7));
        confirmations.note("b", 6);
        assert!(!is_confirmed(7));
        confirmations.note("b", 7);
        assert!(is_confirmed(7) && !is_confirmed(8));
        confirmations.need(2);
        assert!(!is_confirmed(7));
        confirmations.note("c", 9);
        assert!(is_confirmed(7) && !is_confirmed(8));
    }
}
