//! New views, made by other threads in a file of their own beside the views in use: a rebuild, and the copy that rids the file of
//! redacted data. The projector then puts them in place.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use tokio::sync::watch;

use super::Projection;
use super::mode::Command;
use crate::job::Position;
use crate::ledger::threads::panic_text;
use crate::log::Reader;
use crate::memory::Share;
use crate::views;

/// Why new views did not take the place of the old ones, which stay.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BesideError {
    /// The new views could not be made or put in place.
    #[error(transparent)]
    Views(Arc<views::Error>),
    /// The ledger was closed.
    #[error("the ledger was stopped before the new views were taken")]
    Stopped,
    /// The thread panicked.
    #[error("the rebuild panicked: {0}")]
    Panicked(String),
    /// The operating system refused a thread.
    #[error("cannot start a thread")]
    Thread(#[source] Arc<std::io::Error>),
}

/// A rebuild beside the views in use.
#[derive(Debug, Clone)]
pub struct Rebuild {
    /// The position reached. The channel closes when the rebuild has ended.
    pub reached: watch::Receiver<Position>,
    /// How the rebuild ended; `None` while it runs.
    pub outcome: watch::Receiver<Option<Result<(), BesideError>>>,
}

/// Starts a rebuild in a thread of its own, or joins the one that runs. The old views answer reads until the new ones take their
/// place.
pub(in crate::ledger) fn rebuild_beside(projection: &Arc<Projection>, log: &Path) -> Rebuild {
    let mut newest = projection.rebuild.lock();
    if let Some(running) = newest.as_ref().filter(|rebuild| rebuild.outcome.borrow().is_none()) {
        return running.clone();
    }
    let (reached_sender, reached) = watch::channel(Position::GENESIS);
    let (outcome_sender, outcome) = watch::channel(None);
    let rebuild = Rebuild { reached, outcome };
    *newest = Some(rebuild.clone());
    drop(newest);
    let (projection, log, failed) = (projection.clone(), log.to_owned(), outcome_sender.clone());
    let run = move || {
        let make = || projection.rebuild(&log, &reached_sender);
        // After a panic the next rebuild starts anew.
        let outcome = catch_unwind(AssertUnwindSafe(make))
            .unwrap_or_else(|panic| Err(BesideError::Panicked(panic_text(&*panic).to_owned())));
        outcome_sender.send_replace(Some(outcome));
    };
    if let Err(error) = std::thread::Builder::new().name("rebuild".into()).spawn(run) {
        failed.send_replace(Some(Err(BesideError::Thread(Arc::new(error)))));
    }
    rebuild
}

impl Projection {
    fn rebuild(&self, log: &Path, reached: &watch::Sender<Position>) -> Result<(), BesideError> {
        let _alone = self.making.lock();
        let made = Reader::open(log).map_err(views::Error::from).and_then(|conn| {
            views::rebuild(&Reader::new(&conn), &self.new_views, &self.memory.of(Share::Rebuild), |position| {
                reached.send_replace(position);
            })
        });
        self.put_in_place(made)
    }

    /// Whether every redaction up to `wanted` has been applied to the file of the views. If not, replaces the file by a copy of its
    /// rows; reads do not wait for that. `false`: ask again a little later.
    ///
    /// # Errors
    ///
    /// The copy cannot be made or put in place, or the ledger was closed.
    pub(in crate::ledger) fn apply_redactions(&self, wanted: Position) -> Result<bool, BesideError> {
        if self.position() < wanted {
            self.hurry();
            return Ok(false);
        }
        // A rebuild under way may have read data that was redacted since.
        let Some(_alone) = self.making.try_lock() else { return Ok(false) };
        if self.status.borrow().scrubbed < wanted {
            self.put_in_place(self.read(|conn| views::copy(conn, &self.new_views)))?;
        }
        Ok(self.status.borrow().scrubbed >= wanted)
    }

    /// Has the projector put the new views in place, if they were made, and waits until it has.
    fn put_in_place(&self, made: Result<(), views::Error>) -> Result<(), BesideError> {
        if let Err(error) = made {
            if let Err(error) = views::discard(&self.new_views) {
                tracing::error!(error = &error as &dyn std::error::Error, "unfinished views stay behind");
            }
            return Err(BesideError::Views(Arc::new(error)));
        }
        let (answer, taken) = sync_channel(1);
        self.commands.send(Command::Swap(answer)).map_err(|_| BesideError::Stopped)?;
        // A projector that ends drops the command.
        taken.recv().map_err(|_| BesideError::Stopped)?.map_err(BesideError::Views)
    }
}
