//! Answers of large jobs: rendered once for each revision, off the async threads, and shared by every reader.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::cache::RedactableCache;
use crate::http::answer::Error;
use crate::job::{JobKey, Position};
use crate::ledger::ReadError;
use crate::memory::Budget;

/// What a rendering takes besides its bytes.
const OVERHEAD: usize = 512;
/// Longest wait for a rendering, the reader's own or another's.
const PATIENCE: Duration = Duration::from_secs(5);

/// A job as a view shows it.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// The job's revision: the position of its newest event.
    pub revision: Position,
    /// Everything up to here is in it, and nothing after.
    pub position: Position,
    /// Whether the job has ended.
    pub ended: bool,
    /// The text.
    pub body: Bytes,
}

/// Which rendering.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Name {
    /// The view's name.
    pub view: &'static str,
    /// The job.
    pub key: JobKey,
    /// The job's revision. A rendering of the job as it is now may be of a later one, if the job changed before it was loaded.
    pub revision: Position,
    /// For a job as of a moment the newest erasure, which changes how the past is shown; `None` for a job as it is now.
    pub past: Option<Position>,
}

/// Renderings by name, the longest unused dropped first. None outlives an erasure.
#[derive(Debug)]
pub struct Renders {
    cells: RedactableCache<Name, Cell>,
    patience: Duration,
}

/// A rendering that one reader makes and every reader of its name waits for, or why it cannot be made.
type Cell = Arc<OnceCell<Result<Rendered, Error>>>;

impl Renders {
    /// No renderings yet.
    pub fn new(budget: Budget) -> Renders {
        Renders { cells: RedactableCache::new(budget), patience: PATIENCE }
    }

    /// The rendering of that name: what is kept, or what another reader is about to make, or else what `make` makes. `erased` is
    /// the newest erasure, asked for before.
    ///
    /// # Errors
    ///
    /// That of `make`, which every reader gets who waited for it; the next reader tries again. `reads-busy` after 5 s.
    pub async fn get(
        &self,
        erased: Position,
        name: Name,
        make: impl Future<Output = Result<Rendered, Error>>,
    ) -> Result<Rendered, Error> {
        let cell = self.cell(erased, &name);
        let make = async {
            let made = make.await;
            self.made(erased, &name, &cell, made.as_ref().ok());
            made
        };
        // If the reader that makes it goes away, the next one that waits makes it.
        let rendered = timeout(self.patience, cell.get_or_init(|| make)).await;
        rendered.map_err(|_| Error::from(ReadError::Busy))?.clone()
    }

    /// Counts the bytes of the rendering in `cell`, or evicts a cell without one.
    fn made(&self, erased: Position, name: &Name, cell: &Cell, rendered: Option<&Rendered>) {
        self.cells.with(erased, |cells| {
            // If the cell was evicted for want of room, another one may have taken its place.
            let is_cached = cells.get(name).is_some_and(|cached| Arc::ptr_eq(cached, cell));
            match rendered {
                _ if !is_cached => {}
                Some(rendered) => drop(cells.update(name, rendered.body.len(), |_| ())),
                None => drop(cells.take(name)),
            }
        });
    }

    /// The cell of that name. A cell from before a redaction is not shared.
    fn cell(&self, erased: Position, name: &Name) -> Cell {
        let cell = self.cells.with(erased, |cells| {
            if let Some(cell) = cells.get(name) {
                return cell.clone();
            }
            let cell = Cell::default();
            cells.insert(name.clone(), cell.clone(), OVERHEAD);
            cell
        });
        cell.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> Name {
        let key = JobKey { org: Default::default(), id: "a".parse().unwrap() };
        Name { view: "/", key, revision: Position::new(2), past: None }
    }

    fn rendered(body: &'static str) -> Result<Rendered, Error> {
        let (revision, position) = (Position::new(2), Position::new(2));
        Ok(Rendered { revision, position, ended: false, body: Bytes::from_static(body.as_bytes()) })
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
    }

    #[test]
    fn readers_who_wait_share_the_error_and_the_next_one_tries_again() {
        run(async {
            let renders = Renders::new(Budget::new(64 << 20));
            let get = |make| renders.get(Position::GENESIS, name(), make);
            let (begun, go) = (tokio::sync::Notify::new(), tokio::sync::Notify::new());
            let fails = async {
                begun.notify_one();
                go.notified().await;
                Err(ReadError::Busy.into())
            };
            let waits = async {
                begun.notified().await;
                let never = std::future::poll_fn(|_| -> std::task::Poll<_> { panic!("it is made already") });
                tokio::join!(renders.get(Position::GENESIS, name(), never), async { go.notify_one() }).0
            };
            let (first, second) = tokio::join!(get(fails), waits);
            assert_eq!([first.unwrap_err().code, second.unwrap_err().code], ["reads-busy"; 2]);
            let again = renders.get(Position::GENESIS, name(), async { rendered("again") }).await;
            assert_eq!(again.unwrap().body, "again");
            let kept = renders.get(Position::GENESIS, name(), async { rendered("once more") }).await;
            assert_eq!(kept.unwrap().body, "again");
        });
    }

    #[test]
    fn a_rendering_that_takes_too_long_is_not_waited_for() {
        run(async {
            let renders = Renders { patience: Duration::ZERO, ..Renders::new(Budget::new(64 << 20)) };
            let late = renders.get(Position::GENESIS, name(), std::future::pending()).await;
            assert_eq!(late.unwrap_err().code, "reads-busy");
        });
    }
}
