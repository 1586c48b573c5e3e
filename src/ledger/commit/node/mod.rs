//! The writer thread of a node. It leads or follows.
//!
//! The leader decides appends as the writer thread of a single ledger does. It brings each commit into the stream before it signs, and
//! answers when enough nodes have it. A follower stores the same rows, and signs the same tree with the same key.
//!
//! Not here: the judgement on messages and the way of a commit into the stream (`stream`), and which node should lead (`cluster`).

mod brought;
mod callers;
mod error;
mod follow;
mod judge;
mod lead;
mod repair;
mod store;
mod stream;

pub(in crate::ledger) use self::stream::Stream;

use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use self::judge::End;
use super::thread::{WriterThread, refuse};
use crate::ledger::append::{AppendError, Queued};
use crate::ledger::node::{BarrierRequest, FilesRequest, Requests, Role, ring};
use crate::stream::Sequence;

/// How often a node looks at the stream's leader although no message has come.
const LOOK: Duration = Duration::from_secs(1);
/// After so long without an outcome the clients of a commit are told that it is unknown.
const OUTCOME: Duration = Duration::from_secs(10);

/// Why the thread wakes.
enum Wake {
    /// An append has come.
    Append(Box<Queued>),
    /// The shared files of this node have changed.
    Files(FilesRequest),
    /// A read waits for a message of the leader.
    Barrier(BarrierRequest),
    /// The message at this place has come.
    Message(Sequence),
    /// The lease has changed, or the last look is a while ago.
    Look,
    /// The ledger closes.
    Close,
}

impl WriterThread {
    /// Runs the thread of a node. It ends when the queue is closed and empty.
    pub(super) fn run_as_node(mut self, mut queue: mpsc::Receiver<Queued>, mut stream: Stream) {
        if let Err(why) = self.is_of(&mut stream, || queue.is_closed()) {
            self.stop_node(&stream, why.to_string());
        }
        self.look(&mut queue, &mut stream);
        loop {
            match stream.wait(&mut queue) {
                Wake::Append(first) => self.append_as_node(*first, &mut queue, &mut stream),
                Wake::Files(request) => self.send_files(request, &mut queue, &mut stream),
                Wake::Barrier(passed) => self.send_barrier(passed, &mut queue, &mut stream),
                Wake::Message(newest) => self.message(newest, &mut queue, &mut stream),
                Wake::Look => self.look(&mut queue, &mut stream),
                Wake::Close => return,
            }
        }
    }

    fn append_as_node(&mut self, first: Queued, queue: &mut mpsc::Receiver<Queued>, stream: &mut Stream) {
        let drained = self.drain(first, queue);
        let (appends, waiting) = self.ready(drained);
        match self.shared.read_only.get() {
            Some(why) => refuse(waiting, || AppendError::ReadOnly(why.clone())),
            None if stream.leads => self.commit_as_leader(appends, waiting, queue, stream),
            None => refuse(waiting, || AppendError::NotLeading),
        }
    }

    /// Stores the messages up to one that has come. A node that follows does not ask the stream's leader for later ones: they ring
    /// too, and the question takes longer than the commit.
    fn message(&mut self, newest: Sequence, queue: &mut mpsc::Receiver<Queued>, stream: &mut Stream) {
        match stream.node.state().role {
            Role::Follows if self.shared.read_only.get().is_none() => {
                let end = End { last: newest, asked: Instant::now() };
                self.follow(stream, end, || queue.is_closed());
            }
            _ => self.look(queue, stream),
        }
    }

    /// Reads the stream to its end, and begins or ends to lead as the lease says.
    fn look(&mut self, queue: &mut mpsc::Receiver<Queued>, stream: &mut Stream) {
        let stopped = self.shared.read_only.get().is_some();
        let is_current = !stopped && self.follow_to_end(stream, || queue.is_closed());
        // From the end of a look on: while NATS is slow to answer, appends and the end of the ledger get their turn between two looks.
        stream.looked = Instant::now();
        if stopped {
            return;
        }
        let has_lease = *stream.lease.borrow_and_update();
        match (has_lease, stream.leads) {
            (true, false) if is_current => self.begin_to_lead(queue, stream),
            (false, true) => {
                tracing::info!("this node no longer leads: it lost the lease");
                stream.leads = false;
                stream.node.change(|state| state.role = Role::Follows);
            }
            _ => {}
        }
    }

    /// Takes no more writes, and applies nothing more, for this reason.
    fn stop_node(&mut self, stream: &Stream, why: String) {
        tracing::error!(why, "this node stops: it applies no more messages, and takes no writes");
        let _ = self.shared.read_only.set(why);
        stream.node.change(|state| state.role = Role::Stopped);
    }
}

impl Stream {
    /// Waits for work.
    fn wait(&mut self, queue: &mut mpsc::Receiver<Queued>) -> Wake {
        let due = self.looked + LOOK;
        let (bell, lease, leads) = (&mut self.bell, &mut self.lease, self.leads);
        let Requests { files, barriers } = &mut self.requests;
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = ring(lease) => Wake::Look,
                () = tokio::time::sleep_until(due.into()) => Wake::Look,
                // A leader's own messages ring too.
                () = ring(bell), if !leads => Wake::Message(*bell.borrow_and_update()),
                Some(request) = files.recv() => Wake::Files(request),
                Some(passed) = barriers.recv() => Wake::Barrier(passed),
                append = queue.recv() => append.map_or(Wake::Close, |append| Wake::Append(Box::new(append))),
            }
        })
    }
}
