//! Answers of large jobs: rendered once for each revision, off the async threads, and shared by every reader.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::http::answer::Error;
use crate::job::{JobKey, Position};
use crate::ledger::ReadError;
use crate::memory::Budget;
use crate::views::Cache;

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
    kept: Mutex<Kept>,
    patience: Duration,
}

/// A rendering that one reader makes and every reader of its name waits for, or why it cannot be made.
type Cell = Arc<OnceCell<Result<Rendered, Error>>>;

#[derive(Debug)]
struct Kept {
    /// The newest erasure that every rendering here comes after.
    erased: Position,
    renders: Cache<Name, Cell>,
}

impl Renders {
    /// No renderings yet.
    pub fn new(budget: Budget) -> Renders {
        let kept = Kept { erased: Position::GENESIS, renders: Cache::new(budget) };
        Renders { kept: Mutex::new(kept), patience: PATIENCE }
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

    /// Counts the bytes of what was made in `cell`. One without a rendering is not kept.
    fn made(&self, erased: Position, name: &Name, cell: &Cell, rendered: Option<&Rendered>) {
        let mut kept = self.kept(erased);
        // Another may have taken its place, if this one was dropped for want of room.
        let is_kept = kept.renders.get(name).is_some_and(|kept| Arc::ptr_eq(kept, cell));
        match rendered {
            _ if !is_kept => {}
            Some(rendered) => drop(kept.renders.update(name, rendered.body.len(), |_| ())),
            None => drop(kept.renders.take(name)),
        }
    }

    fn cell(&self, erased: Position, name: &Name) -> Cell {
        let mut kept = self.kept(erased);
        if let Some(cell) = kept.renders.get(name) {
            return cell.clone();
        }
        let cell = Arc::new(OnceCell::new());
        if kept.erased == erased {
            kept.renders.insert(name.clone(), cell.clone(), OVERHEAD);
        }
        cell
    }

    /// What is kept, without anything from before the erasure `erased`.
    fn kept(&self, erased: Position) -> MutexGuard<'_, Kept> {
        let mut kept = self.kept.lock();
        if kept.erased < erased {
            kept.erased = erased;
            kept.renders.clear();
        }
        kept
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
            let renders = Renders::new(Budget::new(1 << 20));
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
            let renders = Renders { patience: Duration::ZERO, ..Renders::new(Budget::new(1 << 20)) };
            let late = renders.get(Position::GENESIS, name(), std::future::pending()).await;
            assert_eq!(late.unwrap_err().code, "reads-busy");
        });
    }
}
