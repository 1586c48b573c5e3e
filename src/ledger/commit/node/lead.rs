//! The commits of the node that leads.

use std::time::Instant;

use tokio::sync::mpsc;

use super::OUTCOME;
use super::callers::Callers;
use super::stream::{Open, Stream, row};
use crate::ledger::append::{AppendError, PreparedAppend, Queued, Waiting};
use crate::ledger::commit::SealError;
use crate::ledger::commit::thread::{WriterThread, refuse};
use crate::ledger::commit::transaction::Committed;
use crate::ledger::node::{BarrierRequest, FilesRequest, Leader, Role};
use crate::log;
use crate::stream::{Draft, Kind, LeadBody, Outcome, Whole};

/// How a commit of the leader ended.
enum Ended {
    /// It is in the stream and in the log.
    Committed(Committed),
    /// Another node's commit came first.
    Lost(Whole),
    /// It is in the stream, now or later or never, and not in the log.
    Open(Open),
}

impl WriterThread {
    /// Commits the appends: into the stream, into the log, and into the logs of enough other nodes. No append is answered before.
    pub(super) fn commit_as_leader(
        &mut self,
        appends: Vec<PreparedAppend>,
        waiting: Vec<Waiting>,
        queue: &mut mpsc::Receiver<Queued>,
        stream: &mut Stream,
    ) {
        if appends.is_empty() {
            return;
        }
        let (started, mut callers) = (Instant::now(), Callers::new(waiting, queue, &self.shared.metrics));
        self.shared.commits.begin();
        let ended = self.bring_commit(appends, &mut callers, stream);
        self.shared.commits.end();
        let waiting = callers.of_commit();
        match ended {
            Ok(Ended::Committed(committed)) => self.answer_confirmed(committed, waiting, started, stream),
            Ok(Ended::Lost(whole)) => {
                self.reload();
                stream.leads = false;
                stream.node.change(|state| state.role = Role::Follows);
                tracing::warn!(node = whole.node, "another node has written: this node follows");
                self.store(stream, &[whole]);
                refuse(waiting, || AppendError::NotLeading);
            }
            Ok(Ended::Open(open)) => {
                refuse(waiting, || AppendError::OutcomeUnknown);
                self.reload();
                self.left_open(open, stream);
            }
            Err(SealError::Log(error)) => {
                self.shared.metrics.failed_commits.inc();
                self.cannot_store(stream, &error);
                refuse(waiting, || AppendError::OutcomeUnknown);
            }
            Err(SealError::Doubt(doubt)) => {
                let why = self.stop_writes(&doubt);
                stream.node.change(|state| state.role = Role::Stopped);
                refuse(waiting, || AppendError::ReadOnly(why.clone()));
            }
        }
        self.copy_back();
    }

    fn bring_commit(
        &mut self,
        appends: Vec<PreparedAppend>,
        callers: &mut Callers<'_>,
        stream: &mut Stream,
    ) -> Result<Ended, SealError> {
        let Some(seal) = &mut self.seal else { return Ok(Ended::Open(Open::Closing)) };
        let mut transaction = self.state.begin(&self.shared.clock).map_err(SealError::Log)?;
        let first = transaction.first();
        for append in appends {
            transaction.admit(append).map_err(SealError::Log)?;
        }
        let Some(edge) = transaction.grow(seal)? else {
            return transaction.end_without_events().map(Ended::Committed).map_err(SealError::Log);
        };
        let draft = stream.draft(Kind::Commit, transaction.body(&edge).map_err(SealError::Log)?);
        match stream.bring(&draft, callers) {
            Ok(Outcome::Accepted(whole)) => {
                let row = row(&whole, first);
                let committed = transaction.finish(seal, &self.shared.checker, edge, Some(&row))?;
                stream.node.is_durable(whole.sequence, whole.hash);
                Ok(Ended::Committed(committed))
            }
            Ok(Outcome::Lost(whole)) => Ok(Ended::Lost(whole)),
            Err(open) => Ok(Ended::Open(open)),
        }
    }

    /// Answers when enough nodes have the commit. Refusals and duplicates wait too: they may rest on an event that only this node has.
    fn answer_confirmed(&mut self, committed: Committed, waiting: Vec<Waiting>, started: Instant, stream: &Stream) {
        let mut committed = committed;
        if committed.redacted {
            self.shared.redactions.record(self.state.head());
        }
        let is_kept = self.shared.files.committed(self.state.head());
        let sequence = stream.node.state().durable.sequence;
        let is_confirmed = stream.confirmations.wait(sequence, started + OUTCOME);
        if !is_confirmed {
            tracing::error!(sequence, "too few nodes have a commit within 10 s: its appends are answered as unknown");
            stream.node.change(|state| state.unknown += 1);
        }
        if !(is_kept && is_confirmed) {
            committed.answers.fill_with(|| Err(AppendError::OutcomeUnknown));
        }
        self.publish(committed, waiting, started);
    }

    /// Tells all nodes that this one leads, which ends what an earlier leader left in flight.
    pub(super) fn begin_to_lead(&mut self, queue: &mut mpsc::Receiver<Queued>, stream: &mut Stream) {
        let draft = stream.draft(Kind::Lead, LeadBody { url: &stream.url }.to_bytes());
        if !self.bring_without_events(&draft, queue, stream) {
            return;
        }
        // This node queued these files when it led before. Another leader may have sent newer files since.
        while let Ok(older) = stream.requests.files.try_recv() {
            let _ = older.sent.send(false);
        }
        // Jobs and leases may have changed while another node led.
        self.shared.leases.lost_track();
        stream.leads = true;
        let leader = Leader { name: stream.node.name.clone(), url: stream.url.clone() };
        stream.node.change(|state| {
            state.role = Role::Leads;
            state.is_led_by(leader);
        });
        tracing::info!("this node leads");
    }

    /// Brings a message without content into the stream, for the reads that wait for one.
    pub(super) fn send_barrier(
        &mut self,
        passed: BarrierRequest,
        queue: &mut mpsc::Receiver<Queued>,
        stream: &mut Stream,
    ) {
        if !stream.leads || self.shared.read_only.get().is_some() {
            return;
        }
        let draft = stream.draft(Kind::Barrier, Vec::new());
        if self.bring_without_events(&draft, queue, stream) {
            let _ = passed.send(());
        }
    }

    /// Brings this node's shared files into the stream.
    pub(super) fn send_files(
        &mut self,
        request: FilesRequest,
        queue: &mut mpsc::Receiver<Queued>,
        stream: &mut Stream,
    ) {
        // The caller may have ended; it asks again when it starts.
        if !stream.leads || self.shared.read_only.get().is_some() {
            let _ = request.sent.send(false);
            return;
        }
        let draft = stream.draft(Kind::Files, request.body);
        let _ = request.sent.send(self.bring_without_events(&draft, queue, stream));
    }

    /// Brings a message without events into the stream, and notes it. Answers whether it could; the node follows if another node's
    /// message came first.
    fn bring_without_events(&mut self, draft: &Draft, queue: &mut mpsc::Receiver<Queued>, stream: &mut Stream) -> bool {
        let mut callers = Callers::new(Vec::new(), queue, &self.shared.metrics);
        match stream.bring(draft, &mut callers) {
            Ok(Outcome::Accepted(whole)) => match self.store_without_events(stream, &whole) {
                Ok(()) => return true,
                Err(error) => self.cannot_store(stream, &error),
            },
            Ok(Outcome::Lost(whole)) => {
                stream.leads = false;
                stream.node.change(|state| state.role = Role::Follows);
                self.store(stream, &[whole]);
            }
            Err(open) => self.left_open(open, stream),
        }
        false
    }

    /// The node follows after a commit whose outcome is open: the stream will tell.
    fn left_open(&mut self, open: Open, stream: &mut Stream) {
        stream.leads = false;
        match open {
            Open::Closing => {}
            Open::Missing(sequence) => {
                tracing::warn!(sequence, "the stream lacks a message: this node follows");
                stream.node.change(|state| state.role = Role::CatchingUp);
                self.begin_again(stream);
            }
            Open::Stream(error) => self.stop_node(stream, error.to_string()),
        }
    }

    fn store_without_events(&mut self, stream: &Stream, whole: &Whole) -> Result<(), log::Error> {
        let row = row(whole, self.state.head().next());
        let log = self.state.log();
        log.begin()?;
        log.add_message(&row)?;
        log.commit()?;
        stream.node.is_durable(whole.sequence, whole.hash);
        Ok(())
    }
}
