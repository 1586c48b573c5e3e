//! A node stores what another node decided: the same rows, and a signature under the same tree.

use std::collections::HashMap;
use std::time::Instant;

use super::Stream;
use super::error::{FollowError, NotOfLog};
use super::judge::{Next, cannot_be_read, judge_some};
use crate::chain;
use crate::history::newest_redaction;
use crate::job::{Position, Time};
use crate::ledger::Identity;
use crate::ledger::commit::seal::{Seal, Sealed, grow};
use crate::ledger::commit::thread::{WriterThread, end_after_failed_sync};
use crate::ledger::keys::{identity, key_file};
use crate::ledger::node::{Leader, Role, SharedFiles};
use crate::ledger::transfer::{InsertError, insert_entry};
use crate::log::{self, LoggedMessage, Reader};
use crate::sqlite::ErrorKind;
use crate::stream::{CommitBody, FilesBody, Kind, LeadBody, MessageHash, Sequence, Whole};
use crate::tree::Frontier;
use crate::wire::{LEDGER, Leaf, LedgerKeyAdded};

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
    /// Checks that the stream has the newest message of this log.
    ///
    /// # Errors
    ///
    /// The stream is behind this log, or another one.
    pub(super) fn is_of(&mut self, stream: &mut Stream, closing: impl Fn() -> bool) -> Result<(), NotOfLog> {
        let tip = stream.chain.tip();
        while tip.sequence > 0 && !stream.is_older() && !closing() {
            match stream.log.read(tip.sequence) {
                Ok(found) => {
                    return match found.first() {
                        // The stream was purged up to a later message, whose own `prev` then decides.
                        Some(stored) if stored.sequence > tip.sequence => Ok(()),
                        Some(stored) if MessageHash::of(&stored.bytes) == tip.hash => Ok(()),
                        Some(_) => Err(NotOfLog::Another(tip.sequence)),
                        None => Err(NotOfLog::Behind(tip.sequence)),
                    };
                }
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "the stream cannot be read yet");
                    std::thread::sleep(super::LOOK);
                }
            }
        }
        Ok(())
    }

    /// Stores messages until the stream ends. Answers whether this node has every message.
    pub(super) fn follow_to_end(&mut self, stream: &mut Stream) -> bool {
        match stream.log.last() {
            Ok(last) => {
                let has_all = self.follow(stream, last);
                if has_all {
                    stream.node.change(|state| state.heard = Instant::now());
                }
                has_all
            }
            Err(error) => {
                cannot_be_read(&error);
                false
            }
        }
    }

    /// Stores messages up to the one at `last`. Answers whether this node has every message up to there.
    pub(super) fn follow(&mut self, stream: &mut Stream, last: Sequence) -> bool {
        loop {
            match judge_some(stream, last) {
                Ok(Next::Messages(wholes)) if self.store(stream, &wholes) => {}
                Ok(Next::Missing(sequence)) if self.repair(stream, sequence) => {}
                Ok(Next::Messages(_) | Next::Unreadable | Next::Missing(_)) => return false,
                Ok(Next::End) => {
                    if stream.node.state().role == Role::CatchingUp {
                        let role = if stream.leads { Role::Leads } else { Role::Follows };
                        stream.node.change(|state| state.role = role);
                    }
                    return true;
                }
                Err(error) => {
                    self.stop_node(stream, chain(&error));
                    return false;
                }
            }
        }
    }

    /// Stores messages in one commit, and shows them. Answers whether it could.
    pub(super) fn store(&mut self, stream: &mut Stream, wholes: &[Whole]) -> bool {
        if wholes.is_empty() {
            return true;
        }
        self.shared.commits.begin();
        let stored = self.try_store(stream, wholes);
        self.shared.commits.end();
        match stored {
            Ok(leader) => {
                self.show(stream, leader);
                true
            }
            Err(FollowError::Log(error)) => {
                self.cannot_store(stream, &error);
                is_behind(stream);
                false
            }
            Err(FollowError::Files(error)) => {
                is_behind(stream);
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the leader's tokens and webhooks cannot be stored now"
                );
                self.begin_again(stream);
                false
            }
            Err(error) => {
                self.reload();
                self.stop_node(stream, chain(&error));
                false
            }
        }
    }

    fn try_store(&mut self, stream: &Stream, wholes: &[Whole]) -> Result<Option<Leader>, FollowError> {
        let Some(seal) = &mut self.seal else { return Ok(None) };
        self.state.log().begin()?;
        let edge = seal.edge().clone();
        let mut stored =
            Stored { edge, sealed: None, recorded: None, newest: None, leader: None, files: None, rotated: None };
        let mut rows = HashMap::new();
        for whole in wholes {
            let first = Position::new(stored.edge.leaves());
            match whole.kind {
                Kind::Commit => {
                    let body =
                        CommitBody::read(&whole.body).map_err(|error| FollowError::Body(whole.sequence, error))?;
                    let log = self.state.log();
                    if insert_all(log, &mut rows, whole.sequence, &body)? {
                        stored.rotated = Some(rotated(&log.reader(), stream, seal)?);
                    }
                    stored.edge = grow(log, &stored.edge, body.entries.iter().map(|entry| entry.leaf))?;
                    if let Some(found) = stored.edge.head().filter(|found| *found != body.head) {
                        return Err(FollowError::OtherTree { sequence: whole.sequence, expected: body.head, found });
                    }
                    let signer = stored.rotated.as_ref().map_or(&*seal, |rotated| &rotated.seal);
                    stored.sealed = Some(signer.sign(log, stored.edge.clone())?);
                    stored.recorded = Some(body.recorded);
                }
                Kind::Lead => {
                    let body = LeadBody::read(&whole.body).map_err(|error| FollowError::Body(whole.sequence, error))?;
                    stored.leader = Some(Leader { name: whole.node.clone(), url: body.url.to_owned() });
                }
                Kind::Barrier => {}
                Kind::Files => stored.files = Some(whole),
            }
            if whole.sequence == 0 {
                begins(seal.origin(), &stored.edge, whole)?;
            }
            let row = stream.row(whole, first);
            self.state.log().add_message(&row)?;
            stored.newest = Some(row);
        }
        // After every check of the messages, and before the log notes them: a crash in between repeats it.
        if let Some(whole) = stored.files {
            take_over(stream, whole)?;
        }
        self.state.log().commit()?;
        let leader = stored.leader.take();
        self.keep(stream, stored);
        Ok(leader)
    }

    /// Signs on with what a commit has stored, and says up to which message the log is durable.
    fn keep(&mut self, stream: &Stream, stored: Stored<'_>) {
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
        let newest = stored.newest.filter(|newest| is_kept && newest.generation == stream.node.generation);
        if let Some(newest) = newest {
            stream.node.is_durable(newest.tip.sequence, newest.tip.hash);
        }
    }

    /// Shows the stored messages to readers.
    fn show(&mut self, stream: &mut Stream, leader: Option<Leader>) {
        if let Some(leader) = leader {
            tracing::info!(leader = leader.name, url = leader.url, "a node leads");
            stream.leads &= leader.name == stream.node.name;
            let role = if stream.leads { Role::Leads } else { Role::Follows };
            stream.node.change(|state| {
                state.role = if state.role == Role::CatchingUp { state.role } else { role };
                state.leader = Some(leader);
            });
        }
        let head = self.state.head();
        if *self.shared.head.borrow() == head {
            return;
        }
        let redacted = newest_redaction(&self.state.reader()).unwrap_or_default();
        if redacted > self.shared.redactions.recorded() {
            self.shared.redactions.record(redacted);
        }
        self.shared.leases.lost_track();
        self.shared.projection.committed(None, head);
        self.shared.head.send_replace(head);
        self.copy_back();
    }

    /// Continues from the file after a commit that failed.
    pub(super) fn cannot_store(&mut self, stream: &mut Stream, error: &log::Error) {
        tracing::error!(error = error as &dyn std::error::Error, "messages of the stream cannot be stored now");
        if error.is(ErrorKind::FailedSync) {
            end_after_failed_sync(self.shared.end);
        }
        self.begin_again(stream);
    }

    /// Takes the state of the log and the newest message from the file.
    pub(super) fn begin_again(&mut self, stream: &mut Stream) {
        self.continue_from_file();
        self.has_known_keys();
        match self.state.reader().newest_message() {
            Ok(Some(newest)) => stream.begin_again(&newest),
            Ok(None) => self.stop_node(stream, "the log is no longer that of a node".into()),
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the log cannot be read again: the process ends"
                );
                (self.shared.end)();
            }
        }
    }

    /// Ends the process if a commit that failed has added a key all the same: a fresh start signs with it.
    fn has_known_keys(&self) {
        if !identity(&self.state.reader()).is_ok_and(|now| now == self.shared.identity.get()) {
            tracing::error!("the log has another key than before a commit that failed: the process ends");
            (self.shared.end)();
        }
    }
}

/// The node lacks messages that it cannot store: it may not lead, and says that it catches up.
fn is_behind(stream: &Stream) {
    stream.node.change(|state| state.role = Role::CatchingUp);
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
fn rotated(log: &Reader<'_>, stream: &Stream, before: &Seal) -> Result<Rotated, FollowError> {
    let identity = identity(log).map_err(FollowError::Identity)?;
    let keys = key_file::signing(&stream.folder, &identity).map_err(FollowError::NoKey)?;
    Ok(Rotated { seal: Seal::new(&identity.origin, keys, before.edge().clone()), identity })
}

/// Takes over the tokens, sessions and webhooks of the node that leads.
fn take_over(stream: &Stream, whole: &Whole) -> Result<(), FollowError> {
    let sequence = whole.sequence;
    let files = FilesBody::read(&whole.body, &stream.node.key).map_err(|error| FollowError::Body(sequence, error))?;
    let files: SharedFiles =
        serde_json::from_slice(&files).map_err(|error| FollowError::UnknownFiles(sequence, error))?;
    Ok(files.take_over(&stream.folder)?)
}

/// Inserts the events of a commit. Answers whether one of them added a key that signs.
fn insert_all(
    log: &mut log::Writer,
    rows: &mut HashMap<crate::job::JobKey, log::StreamId>,
    sequence: u64,
    body: &CommitBody<'_>,
) -> Result<bool, FollowError> {
    let mut adds_key = false;
    let wrong = |why: &dyn std::fmt::Display| FollowError::Entry(sequence, why.to_string());
    for entry in &body.entries {
        let leaf = Leaf::parse_strict(entry.leaf).map_err(|error| wrong(&error))?;
        adds_key |= leaf.source == LEDGER && leaf.event_type == LedgerKeyAdded::TYPE;
        let content = entry.content.map(|(salt, data)| (data, salt));
        insert_entry(log, rows, &leaf, (entry.leaf, content)).map_err(|error| match error {
            InsertError::Log(error) if error.is_contradiction() => wrong(&error),
            InsertError::Log(error) => FollowError::Log(error),
            InsertError::Entry(fault) => wrong(&fault),
        })?;
    }
    Ok(adds_key)
}
