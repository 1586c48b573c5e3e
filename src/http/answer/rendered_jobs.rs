//! A cache of large jobs as representations show them. A job is rendered once for each revision, off the async threads, and all
//! readers share the rendering. A redaction clears the cache.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::Error;
use crate::cache::RedactableCache;
use crate::job::{JobKey, Position};
use crate::ledger::ReadError;
use crate::memory::Budget;

/// Bytes that a rendering takes besides its text.
const OVERHEAD: usize = 512;
/// Longest wait for a rendering, the reader's own or another's.
const PATIENCE: Duration = Duration::from_secs(5);

/// A job as a representation shows it.
#[derive(Debug, Clone)]
pub struct RenderedJob {
    /// The job's revision: the position of its newest event.
    pub revision: Position,
    /// The position that the rendering shows.
    pub position: Position,
    /// Whether the job has ended.
    pub ended: bool,
    /// The text.
    pub body: Bytes,
}

/// Names a rendering.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RenderingKey {
    /// The path of the representation.
    pub path: &'static str,
    /// The job.
    pub key: JobKey,
    /// The job's revision. The rendering of a current job may show a later revision, if the job changed before it was loaded.
    pub revision: Position,
    /// For a job as of a moment, the newest redaction, because a redaction changes how the past is shown; `None` for a current
    /// job.
    pub past: Option<Position>,
}

/// Renderings by key. The least recently used is evicted first.
#[derive(Debug)]
pub struct RenderedJobs {
    cells: RedactableCache<RenderingKey, Cell>,
    patience: Duration,
}

/// A rendering that one reader makes and every reader of its key waits for, or the error of that reader.
type Cell = Arc<OnceCell<Result<RenderedJob, Error>>>;

impl RenderedJobs {
    /// An empty cache.
    pub fn new(budget: Budget) -> RenderedJobs {
        RenderedJobs { cells: RedactableCache::new(budget), patience: PATIENCE }
    }

    /// The rendering of that key: from the cache, from another reader that makes it now, or else from `render`. `redacted` is the
    /// newest redaction, asked for before.
    ///
    /// # Errors
    ///
    /// The error of `render`. All readers that waited for it get it, and the next reader tries again. `reads-busy` after 5 s.
    pub async fn get(
        &self,
        redacted: Position,
        key: RenderingKey,
        render: impl Future<Output = Result<RenderedJob, Error>>,
    ) -> Result<RenderedJob, Error> {
        let cell = self.cell(redacted, &key);
        let render = async {
            let rendered = render.await;
            self.settle(redacted, &key, &cell, rendered.as_ref().ok());
            rendered
        };
        // If the reader that makes it goes away, the next one that waits makes it.
        let rendered = timeout(self.patience, cell.get_or_init(|| render)).await;
        rendered.map_err(|_| Error::from(ReadError::Busy))?.clone()
    }

    /// Counts the bytes of the rendering in `cell`, or evicts a cell without one.
    fn settle(&self, redacted: Position, key: &RenderingKey, cell: &Cell, rendered: Option<&RenderedJob>) {
        self.cells.with(redacted, |cells| {
            // The cache may have evicted this cell meanwhile, and hold another one under its key.
            let is_cached = cells.get(key).is_some_and(|cached| Arc::ptr_eq(cached, cell));
            match rendered {
                _ if !is_cached => {}
                Some(rendered) => drop(cells.update(key, rendered.body.len(), |_| ())),
                None => drop(cells.take(key)),
            }
        });
    }

    /// The cell of that key. A cell from before a redaction is not shared.
    fn cell(&self, redacted: Position, key: &RenderingKey) -> Cell {
        let cell = self.cells.with(redacted, |cells| {
            if let Some(cell) = cells.get(key) {
                return cell.clone();
            }
            let cell = Cell::default();
            cells.insert(key.clone(), cell.clone(), OVERHEAD);
            cell
        });
        cell.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::answer::Code;

    fn key() -> RenderingKey {
        let job = JobKey { org: Default::default(), id: "a".parse().unwrap() };
        RenderingKey { path: "/", key: job, revision: Position::new(2), past: None }
    }

    fn rendered(body: &'static str) -> Result<RenderedJob, Error> {
        let (revision, position) = (Position::new(2), Position::new(2));
        Ok(RenderedJob { revision, position, ended: false, body: Bytes::from_static(body.as_bytes()) })
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
    }

    #[test]
    fn readers_who_wait_share_the_error_and_the_next_one_tries_again() {
        run(async {
            let renders = RenderedJobs::new(Budget::new(64 << 20));
            let get = |make| renders.get(Position::GENESIS, key(), make);
            let (begun, go) = (tokio::sync::Notify::new(), tokio::sync::Notify::new());
            let fails = async {
                begun.notify_one();
                go.notified().await;
                Err(ReadError::Busy.into())
            };
            let waits = async {
                begun.notified().await;
                let never =
                    std::future::poll_fn(|_| -> std::task::Poll<_> { panic!("another reader has made the rendering") });
                tokio::join!(renders.get(Position::GENESIS, key(), never), async { go.notify_one() }).0
            };
            let (first, second) = tokio::join!(get(fails), waits);
            assert_eq!([first.unwrap_err().code, second.unwrap_err().code], [Code::READS_BUSY; 2]);
            let again = renders.get(Position::GENESIS, key(), async { rendered("again") }).await;
            assert_eq!(again.unwrap().body, "again");
            let kept = renders.get(Position::GENESIS, key(), async { rendered("once more") }).await;
            assert_eq!(kept.unwrap().body, "again");
        });
    }

    #[test]
    fn a_rendering_that_takes_too_long_is_not_waited_for() {
        run(async {
            let renders = RenderedJobs { patience: Duration::ZERO, ..RenderedJobs::new(Budget::new(64 << 20)) };
            let late = renders.get(Position::GENESIS, key(), std::future::pending()).await;
            assert_eq!(late.unwrap_err().code, Code::READS_BUSY);
        });
    }
}
