//! One commit of a node that follows: the rows of some messages, what they bring beside the log, and a signature for each tree.

use super::brought::{self, Brought, Events};
use super::error::FollowError;
use super::stream::row;
use crate::job::{Position, Time};
use crate::ledger::commit::seal::{Seal, Sealed, Signed, grow};
use crate::ledger::commit::thread::WriterThread;
use crate::ledger::keys::{identity, key_file};
use crate::ledger::node::{Leader, Node, SharedFiles};
use crate::ledger::transfer::{InsertError, KnownJobs, insert_entry};
use crate::ledger::{Folder, Identity};
use crate::log::{self, LoggedMessage, Reader};
use crate::stream::{FilesBody, MessageHash, Whole};
use crate::tree::Frontier;
use crate::wire::{LEDGER, LedgerKeyAdded};

/// What the open transaction has stored.
struct Stored<'w> {
    edge: Frontier,
    sealed: Option<Sealed>,
    recorded: Option<Time>,
    newest: Option<LoggedMessage>,
    leader: Option<Leader>,
    /// The newest message with shared files.
    files: Option<&'w Whole>,
    /// Set if an event added a key.
    rotated: Option<Rotated>,
}

/// What signs for the log after the event of a rotation, and the identity that the event gives the log.
struct Rotated {
    seal: Seal,
    identity: Identity,
}

impl WriterThread {
    /// Stores the messages, and signs on. Answers the newest leader that they name.
    ///
    /// # Errors
    ///
    /// The log failed, or a message does not fit it. The transaction may be open then.
    pub(super) fn store_all(
        &mut self,
        node: &Node,
        folder: &Folder,
        wholes: &[Whole],
    ) -> Result<Option<Leader>, FollowError> {
        let WriterThread { state, seal: Some(seal), shared, known_jobs, .. } = self else { return Ok(None) };
        state.log().begin()?;
        let edge = seal.edge().clone();
        let mut stored =
            Stored { edge, sealed: None, recorded: None, newest: None, leader: None, files: None, rotated: None };
        brought::each(wholes, |whole, brought| {
            let first = Position::new(stored.edge.leaves());
            let log = state.log();
            match brought {
                Brought::Events(events) => {
                    if insert_all(log, known_jobs, whole.sequence, &events)? {
                        stored.rotated = Some(rotated(&log.reader(), folder, seal)?);
                    }
                    let Events { body, .. } = events;
                    stored.edge = grow(log, &stored.edge, body.entries.iter().map(|entry| entry.leaf))?;
                    if let Some(found) = stored.edge.head().filter(|found| *found != body.head) {
                        return Err(FollowError::OtherTree { sequence: whole.sequence, expected: body.head, found });
                    }
                    let signer = stored.rotated.as_ref().map_or(&*seal, |rotated| &rotated.seal);
                    let Signed { sealed, unchecked } = signer.sign_unchecked(log, stored.edge.clone())?;
                    shared.checker.begin(unchecked);
                    (stored.sealed, stored.recorded) = (Some(sealed), Some(body.recorded));
                }
                Brought::Leader(leader) => stored.leader = Some(leader),
                Brought::Barrier => {}
                Brought::Files => stored.files = Some(whole),
            }
            if whole.sequence == 0 {
                begins(seal.origin(), &stored.edge, whole)?;
            }
            let row = row(whole, first);
            log.add_message(&row)?;
            stored.newest = Some(row);
            Ok(())
        })?;
        // After all messages fit, and before the log notes them: a crash in between repeats it.
        if let Some(whole) = stored.files {
            take_over(node, folder, whole)?;
        }
        let committed = state.log().commit();
        shared.checker.wait();
        committed?;
        let leader = stored.leader.take();
        self.keep(node, stored);
        Ok(leader)
    }

    /// Signs on with what a commit has stored, and says up to which message the log is durable.
    fn keep(&mut self, node: &Node, stored: Stored<'_>) {
        let Some(seal) = &mut self.seal else { return };
        if let Some(rotated) = stored.rotated {
            *seal = rotated.seal;
            self.shared.identity.set(rotated.identity);
        }
        if let Some(sealed) = stored.sealed {
            seal.keep(sealed);
        }
        if let Some(recorded) = stored.recorded {
            self.state.followed(Position::new(stored.edge.leaves() - 1), recorded);
        }
        // A commit in a file that is no longer at the log's path is not confirmed.
        let is_kept = self.shared.files.committed(self.state.head());
        let newest = stored.newest.filter(|newest| is_kept && newest.generation == node.generation);
        if let Some(newest) = newest {
            node.is_durable(newest.tip.sequence, newest.tip.hash);
        }
    }
}

/// Checks that a generation begins with this log, after the events that its start brings. The start has the hash of the log's size and
/// root.
fn begins(origin: &str, edge: &Frontier, start: &Whole) -> Result<(), FollowError> {
    let own = edge.head().expect("a log has at least one event");
    if MessageHash::of_start(origin, start.generation, own) == start.hash {
        return Ok(());
    }
    Err(FollowError::OtherLog { generation: start.generation, found: own.size.get() })
}

/// The seal and the identity of a log to which an event has added a key.
fn rotated(log: &Reader<'_>, folder: &Folder, before: &Seal) -> Result<Rotated, FollowError> {
    let identity = identity(log).map_err(FollowError::Identity)?;
    let keys = key_file::signing(folder, &identity).map_err(FollowError::NoKey)?;
    Ok(Rotated { seal: Seal::new(&identity.origin, keys, before.edge().clone()), identity })
}

/// Takes over the tokens, sessions and webhooks of the node that leads.
fn take_over(node: &Node, folder: &Folder, whole: &Whole) -> Result<(), FollowError> {
    let sequence = whole.sequence;
    let files = FilesBody::read(&whole.body, &node.key).map_err(|error| FollowError::Body(sequence, error))?;
    let files: SharedFiles =
        serde_json::from_slice(&files).map_err(|error| FollowError::UnknownFiles(sequence, error))?;
    Ok(files.take_over(folder)?)
}

/// Inserts the events of a commit. Answers whether one of them added a key that signs.
fn insert_all(
    log: &mut log::Writer,
    jobs: &mut KnownJobs,
    sequence: u64,
    Events { body, leaves }: &Events<'_>,
) -> Result<bool, FollowError> {
    let mut adds_key = false;
    let wrong = |why: &dyn std::fmt::Display| FollowError::Entry(sequence, why.to_string());
    for (entry, leaf) in body.entries.iter().zip(leaves) {
        adds_key |= leaf.source == LEDGER && leaf.event_type == LedgerKeyAdded::TYPE;
        let content = entry.content.map(|(salt, data)| (data, salt));
        insert_entry(log, jobs, leaf, (entry.leaf, content)).map_err(|error| match error {
            InsertError::Log(error) if error.is_contradiction() => wrong(&error),
            InsertError::Log(error) => FollowError::Log(error),
            InsertError::Entry(fault) => wrong(&fault),
        })?;
    }
    Ok(adds_key)
}
