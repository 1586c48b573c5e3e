//! Answers of large jobs: rendered once for each revision, off the async threads, and shared by every reader.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::OnceCell;

use super::error::Error;
use crate::job::{JobKey, Position};
use crate::views::Cache;

/// Most bytes kept, 64 MiB, or one rendering that is longer.
const KEPT: usize = 64 << 20;
/// What a rendering takes besides its bytes.
const OVERHEAD: usize = 512;

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
pub struct Renders(Mutex<Kept>);

#[derive(Debug)]
struct Kept {
    /// The newest erasure that every rendering here comes after.
    erased: Position,
    renders: Cache<Name, Arc<OnceCell<Rendered>>>,
}

impl Default for Renders {
    fn default() -> Renders {
        Renders(Mutex::new(Kept { erased: Position::GENESIS, renders: Cache::new(KEPT) }))
    }
}

impl Renders {
    /// The rendering of that name: what is kept, or what another reader is about to make, or else what `make` makes. `erased` is
    /// the newest erasure, asked for before.
    pub async fn get(
        &self,
        erased: Position,
        name: Name,
        make: impl Future<Output = Result<Rendered, Error>>,
    ) -> Result<Rendered, Error> {
        let cell = self.cell(erased, &name);
        let mut made = false;
        let make = async {
            let rendered = make.await?;
            made = true;
            Ok::<_, Error>(rendered)
        };
        let rendered = cell.get_or_try_init(|| make).await?.clone();
        if made {
            self.kept(erased).renders.update(&name, rendered.body.len(), |_| ());
        }
        Ok(rendered)
    }

    fn cell(&self, erased: Position, name: &Name) -> Arc<OnceCell<Rendered>> {
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
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.erased < erased {
            kept.erased = erased;
            kept.renders.clear();
        }
        kept
    }
}
