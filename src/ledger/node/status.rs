//! What a node says of itself.

use std::time::Instant;

use tokio::sync::{Mutex, MutexGuard, mpsc, oneshot, watch};

use super::{BarrierRequest, FilesRequest, Requests, SharedFiles};
use crate::stream::{MessageHash, StreamKey, Tip};

/// Most reads that wait for the writer thread; further ones wait before it.
const BARRIERS: usize = 1024;

/// What a node does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It reads the stream up to its end.
    CatchingUp,
    /// It applies what the leader writes.
    Follows,
    /// It writes.
    Leads,
    /// It applies nothing more; [`Ledger::read_only`](crate::ledger::Ledger::read_only) says why.
    Stopped,
}

impl Role {
    /// The role as one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::CatchingUp => "catching-up",
            Role::Follows => "follows",
            Role::Leads => "leads",
            Role::Stopped => "stopped",
        }
    }
}

/// The node that wrote the newest `lead` message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leader {
    /// Its name.
    pub name: String,
    /// Its URL.
    pub url: String,
}

/// The state of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeState {
    /// What it does.
    pub role: Role,
    /// The newest message that its log has durably.
    pub durable: Tip,
    /// The node that leads, as far as this one knows.
    pub leader: Option<Leader>,
    /// Whether another node may lead by now: the holder of the lease then takes the place of [`NodeState::leader`].
    pub leader_is_hearsay: bool,
    /// When the stream's leader last answered, or the node started.
    pub heard: Instant,
    /// When the node last had every message of the stream; `None` before it has since it started.
    pub current: Option<Instant>,
    /// Messages that did not count, since the start.
    pub void: u64,
    /// Commits whose outcome was unknown for 10 s, since the start.
    pub unknown: u64,
    /// Messages that the stream lacked and another node gave, since the start.
    pub repaired: u64,
}

impl NodeState {
    fn knows_leader(&self) -> bool {
        self.leader.is_some() && !self.leader_is_hearsay
    }

    /// A message says that this node leads.
    pub(in crate::ledger) fn is_led_by(&mut self, leader: Leader) {
        (self.leader, self.leader_is_hearsay) = (Some(leader), false);
    }
}

/// A ledger as a node.
#[derive(Debug)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// The generation of the stream.
    pub generation: u32,
    /// What authenticates the messages of this cluster's nodes, and encrypts their shared files.
    pub key: StreamKey,
    state: watch::Sender<NodeState>,
    /// Whether this node holds the lease.
    lease: watch::Receiver<bool>,
    files: mpsc::Sender<FilesRequest>,
    /// Held from a read of the shared files until the stream has them, so that no older state follows a newer one.
    files_turn: Mutex<()>,
    barriers: mpsc::Sender<BarrierRequest>,
}

impl Node {
    /// A node, and what others ask of its writer thread.
    pub(in crate::ledger) fn new(
        name: String,
        generation: u32,
        key: StreamKey,
        durable: Tip,
        lease: watch::Receiver<bool>,
    ) -> (Node, Requests) {
        let (files, file_requests) = mpsc::channel(1);
        let (barriers, barrier_requests) = mpsc::channel(BARRIERS);
        let (role, heard) = (Role::CatchingUp, Instant::now());
        let state = NodeState {
            role,
            durable,
            leader: None,
            leader_is_hearsay: false,
            heard,
            current: None,
            void: 0,
            unknown: 0,
            repaired: 0,
        };
        let node = Node {
            name,
            generation,
            key,
            state: watch::Sender::new(state),
            lease,
            files,
            files_turn: Mutex::default(),
            barriers,
        };
        (node, Requests { files: file_requests, barriers: barrier_requests })
    }

    /// Waits until the stream has accepted one more message of this node; `false` if it does not lead. All reads that wait share one
    /// message.
    pub async fn barrier(&self) -> bool {
        let (passed, is_passed) = oneshot::channel();
        self.barriers.send(passed).await.is_ok() && is_passed.await.is_ok()
    }

    /// Whether this node leads and holds the lease.
    ///
    /// A node that cannot reach NATS while it brings a commit into the stream has the role of the leader until the stream answers. Its
    /// lease lapses before that, and another node may lead.
    pub fn leads(&self) -> bool {
        self.state.borrow().role == Role::Leads && *self.lease.borrow()
    }

    /// Returns when [`Node::leads`] answers `leads`.
    pub async fn until_leading(&self, leads: bool) {
        let (mut state, mut lease) = (self.state.subscribe(), self.lease.clone());
        loop {
            let now = state.borrow_and_update().role == Role::Leads && *lease.borrow_and_update();
            if now == leads {
                return;
            }
            tokio::select! {
                () = ring(&mut state) => {}
                () = ring(&mut lease) => {}
            }
        }
    }

    /// The turn to read this node's shared files and to send them.
    pub async fn files_turn(&self) -> MutexGuard<'_, ()> {
        self.files_turn.lock().await
    }

    /// Sends this node's shared files to the others. The caller has read them in its [`Node::files_turn`]. Answers whether the stream has them; `false` also if this node does not lead.
    pub async fn send_files(&self, files: &SharedFiles) -> bool {
        let (sent, is_sent) = oneshot::channel();
        let request = FilesRequest { body: files.to_body(&self.key), sent };
        self.files.send(request).await.is_ok() && is_sent.await.unwrap_or(false)
    }

    /// Whether a message says who leads.
    pub fn knows_leader(&self) -> bool {
        self.state.borrow().knows_leader()
    }

    /// Takes a node for the leader that holds the lease, until a message of a leader comes. A node that starts has that message already,
    /// and a node that got messages from another one may have missed it.
    pub fn believe(&self, leader: Leader) {
        self.state.send_if_modified(|state| {
            let is_news = !state.knows_leader() && leader.name != self.name && state.leader.as_ref() != Some(&leader);
            if is_news {
                (state.leader, state.leader_is_hearsay) = (Some(leader), true);
            }
            is_news
        });
    }

    /// The state now.
    pub fn state(&self) -> NodeState {
        self.state.borrow().clone()
    }

    /// The state, and a bell that rings when it changes.
    pub fn watch(&self) -> watch::Receiver<NodeState> {
        self.state.subscribe()
    }

    pub(in crate::ledger) fn change(&self, change: impl FnOnce(&mut NodeState)) {
        self.state.send_modify(change);
    }

    /// The stream's leader has said that the node had every message at this time.
    pub(in crate::ledger) fn is_current(&self, at: Instant) {
        self.change(|state| (state.heard, state.current) = (Instant::now(), Some(at)));
    }

    /// The log has every message up to `sequence` durably.
    pub(in crate::ledger) fn is_durable(&self, sequence: u64, hash: MessageHash) {
        self.change(|state| state.durable = Tip { sequence, hash });
    }
}

/// Returns when the value has changed; never, once its sender is gone.
pub(in crate::ledger) async fn ring<T>(bell: &mut watch::Receiver<T>) {
    if bell.changed().await.is_err() {
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_of_the_lease_counts_as_leader_until_a_message_says_who_leads() {
        let (tip, lease) = (Tip { sequence: 0, hash: MessageHash([0; 32]) }, watch::channel(false).1);
        let (node, _requests) = Node::new("a".into(), 1, StreamKey::derive(&[1; 32]), tip, lease);
        let leader = |name: &str| Leader { name: name.into(), url: format!("http://{name}") };
        let known = || node.state().leader.map(|leader| leader.name);
        node.believe(leader("a"));
        assert_eq!(known(), None, "the node knows best whether it leads");
        for name in ["b", "c"] {
            node.believe(leader(name));
            assert_eq!(known().as_deref(), Some(name));
        }
        node.change(|state| state.is_led_by(leader("b")));
        node.believe(leader("c"));
        assert_eq!(known().as_deref(), Some("b"));
    }
}
