//! How a ledger closes: it stops its threads in order, and copies the WAL back.

use std::thread::JoinHandle;

use super::anchor::Keeper;
use super::copier::CopierThread;
use super::{Ledger, folder};
use crate::{chain, sqlite};

/// The threads of an open ledger.
pub(super) struct Running {
    pub files: folder::Watch,
    pub writer: JoinHandle<()>,
    pub loader: JoinHandle<()>,
    pub projector: JoinHandle<()>,
    pub redactor: JoinHandle<()>,
    /// `None` if another program copies the WAL back.
    pub copier: Option<CopierThread>,
}

impl Ledger {
    /// Takes no more appends, answers the appends in the queue, brings the views and the anchor forward, and joins the threads.
    /// Then copies the WAL back into the log, unless another program does that or the ledger is read-only.
    pub fn close(&self) {
        let inner = &self.inner;
        if let Some(running) = inner.running.lock().take() {
            running.files.stop();
            inner.queue.stop();
            inner.redactions.stop();
            join(running.writer);
            // The projector stops after the writer thread, so that the views hold every event.
            inner.projection.stop();
            join(running.projector);
            join(running.redactor);
            join(running.loader);
            running.copier.into_iter().for_each(CopierThread::stop);
        }
        inner.keeper.iter().for_each(Keeper::stop);
        if !self.external_copy_back() && self.read_only().is_none() {
            self.copy_back();
        }
    }

    /// Copies the WAL back, so that `log.db` alone holds the whole log.
    fn copy_back(&self) {
        match sqlite::copy_back(&self.inner.folder.log()) {
            Ok(true) => {}
            Ok(false) => tracing::info!("another process reads the log: its newest events stay in `log.db-wal`"),
            Err(error) => tracing::error!(error = chain(&error), "the WAL cannot be copied back into the log"),
        }
    }
}

/// Waits for a thread. A thread that panics ends the process.
fn join(thread: JoinHandle<()>) {
    let _ = thread.join();
}
