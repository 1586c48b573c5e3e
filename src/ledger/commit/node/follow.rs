//! A node follows: it stores what another node decided, message by message, up to the end of the stream.
//!
//! Not here: what a commit of messages holds (`store`).

use std::{panic, thread};

use super::Stream;
use super::error::{FollowError, NotOfLog};
use super::judge::{End, Next, Place, cannot_be_read};
use crate::chain;
use crate::history::newest_redaction;
use crate::ledger::Folder;
use crate::ledger::commit::thread::{WriterThread, end_after_failed_sync};
use crate::ledger::keys::identity;
use crate::ledger::node::{Leader, Node, Role};
use crate::log;
use crate::sqlite::ErrorKind;
use crate::stream::{ChainError, MessageHash, Sequence, Whole};

impl WriterThread {
    /// Checks that the stream has the newest message of this log, or had a message in its place, as after a purge.
    ///
    /// # Errors
    ///
    /// The stream is behind this log, or another one.
    pub(super) fn is_of(&mut self, stream: &mut Stream, closing: impl Fn() -> bool) -> Result<(), NotOfLog> {
        let tip = stream.judge.chain.tip();
        while tip.sequence > 0 && !stream.judge.is_older() && !closing() {
            match stream.judge.at(tip.sequence) {
                Ok(Place::Message(bytes)) if MessageHash::of(&bytes) == tip.hash => return Ok(()),
                // The stream was purged, or has lost the message: the next one tells by its own `prev`.
                Ok(Place::Lost) => return Ok(()),
                Ok(Place::Message(_)) => return Err(NotOfLog::Another(tip.sequence)),
                Ok(Place::End) => return Err(NotOfLog::Behind(tip.sequence)),
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "the stream cannot be read yet");
                    std::thread::sleep(super::LOOK);
                }
            }
        }
        Ok(())
    }

    /// Stores messages until the stream ends. Answers whether this node has every message.
    pub(super) fn follow_to_end(&mut self, stream: &mut Stream, closing: impl Fn() -> bool) -> bool {
        match stream.judge.end() {
            Ok(end) => {
                let has_all = self.follow(stream, end, closing);
                if has_all {
                    stream.node.is_current(end.asked);
                }
                has_all
            }
            Err(error) => {
                cannot_be_read(&error);
                false
            }
        }
    }

    /// Stores messages up to an end of the stream, or some of them if the ledger closes meanwhile. Answers whether this node has every
    /// message up to there.
    pub(super) fn follow(&mut self, stream: &mut Stream, end: End, closing: impl Fn() -> bool) -> bool {
        let End { last, asked } = end;
        let mut next = stream.judge.judge_some(last);
        loop {
            next = match next {
                Ok(Next::Messages(wholes)) if closing() => {
                    // They are judged, so the log must have them before later ones.
                    self.store(stream, &wholes);
                    return false;
                }
                Ok(Next::Missing(_)) if closing() => return false,
                Ok(Next::Messages(wholes)) => match self.store_and_judge(stream, &wholes, last) {
                    Some(next) => next,
                    None => return false,
                },
                Ok(Next::Missing(sequence)) if self.repair(stream, sequence) => stream.judge.judge_some(last),
                Ok(Next::Unreadable | Next::Missing(_)) => return false,
                Ok(Next::End) => {
                    if stream.node.state().role == Role::CatchingUp {
                        let role = if stream.leads { Role::Leads } else { Role::Follows };
                        stream.node.change(|state| (state.role, state.current) = (role, Some(asked)));
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
        let Stream { node, folder, leads, .. } = &mut *stream;
        match self.store_and_show(node, folder, leads, wholes) {
            Ok(()) => true,
            Err(error) => {
                self.could_not_store(stream, error);
                false
            }
        }
    }

    /// As [`WriterThread::store`], while another thread judges the next messages, up to the one at `last`. `None` if the messages could
    /// not be stored.
    fn store_and_judge(
        &mut self,
        stream: &mut Stream,
        wholes: &[Whole],
        last: Sequence,
    ) -> Option<Result<Next, ChainError>> {
        if wholes.is_empty() || stream.judge.has_judged(last) {
            return self.store(stream, wholes).then(|| stream.judge.judge_some(last));
        }
        let Stream { node, folder, judge, leads, .. } = &mut *stream;
        let (stored, judged) = thread::scope(|scope| {
            let thread = thread::Builder::new().name("stream-judge".into());
            let judging = thread.spawn_scoped(scope, || judge.judge_some(last));
            // Before the judge ends, which may wait for NATS: readers and clients wait for the stored events.
            let stored = self.store_and_show(node, folder, leads, wholes);
            (stored, judging.map(|thread| thread.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked))))
        });
        match stored {
            Ok(()) => Some(judged.unwrap_or_else(|_| stream.judge.judge_some(last))),
            Err(error) => {
                self.could_not_store(stream, error);
                None
            }
        }
    }

    fn store_and_show(
        &mut self,
        node: &Node,
        folder: &Folder,
        leads: &mut bool,
        wholes: &[Whole],
    ) -> Result<(), FollowError> {
        if wholes.is_empty() {
            return Ok(());
        }
        self.shared.commits.begin();
        let stored = self.store_all(node, folder, wholes);
        self.shared.commits.end();
        self.show(node, leads, stored?);
        Ok(())
    }

    /// Continues after messages could not be stored.
    fn could_not_store(&mut self, stream: &mut Stream, error: FollowError) {
        match error {
            FollowError::Log(error) => {
                self.cannot_store(stream, &error);
                is_behind(stream);
            }
            FollowError::Files(error) => {
                is_behind(stream);
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the leader's tokens and webhooks cannot be stored now"
                );
                self.begin_again(stream);
            }
            error => {
                self.reload();
                self.stop_node(stream, chain(&error));
            }
        }
    }

    /// Shows the stored messages to readers.
    fn show(&mut self, node: &Node, leads: &mut bool, leader: Option<Leader>) {
        if let Some(leader) = leader {
            tracing::info!(leader = leader.name, url = leader.url, "a node leads");
            *leads &= leader.name == node.name;
            let role = if *leads { Role::Leads } else { Role::Follows };
            node.change(|state| {
                state.role = if state.role == Role::CatchingUp { state.role } else { role };
                state.is_led_by(leader);
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
            Ok(Some(newest)) => stream.judge.begin_again(&newest),
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
