//! Turns limit how many reads run at once that take much memory or time. Such a read folds the past of a job, compares two
//! moments, or loads and renders a large job.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::ReadError;
use crate::job::Position;
use crate::ledger::Ledger;

/// Reads that may wait for their turn.
const WAITING: usize = 256;
/// Longest wait for a turn.
const PATIENCE: Duration = Duration::from_secs(2);

/// The turns of one ledger.
#[derive(Debug)]
pub struct Turns {
    running: Arc<Semaphore>,
    /// The reads that run and the reads that wait.
    there: Arc<Semaphore>,
    most: usize,
    patience: Duration,
    refused: AtomicU64,
}

/// A turn. It ends when its last clone is dropped. Work on another thread has a clone too, because it continues when the client
/// disconnects and the request ends.
#[derive(Debug, Clone)]
pub struct Turn {
    _permits: Arc<Permits>,
}

#[derive(Debug)]
struct Permits {
    _running: OwnedSemaphorePermit,
    _there: OwnedSemaphorePermit,
}

impl Turns {
    /// `running` turns at a time.
    pub(in crate::ledger) fn new(running: usize) -> Turns {
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        let (there, refused) = (semaphore(running + WAITING), AtomicU64::new(0));
        Turns { running: semaphore(running), there, most: running, patience: PATIENCE, refused }
    }

    /// Reads that have a turn now.
    pub fn held(&self) -> usize {
        self.most.saturating_sub(self.running.available_permits())
    }

    /// Most reads that may have a turn at once.
    pub fn most(&self) -> usize {
        self.most
    }

    /// Reads that did not get a turn since the ledger was opened.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Waits up to 2 s for a turn; `None` if it does not come, or too many reads wait.
    async fn take(&self) -> Option<Turn> {
        let there = self.there.clone().try_acquire_owned().ok()?;
        let running = tokio::time::timeout(self.patience, self.running.clone().acquire_owned()).await;
        Some(Turn { _permits: Arc::new(Permits { _running: running.ok()?.ok()?, _there: there }) })
    }
}

impl Ledger {
    /// Waits for a turn to read the past of a job, or a large job, once the log has reached `min`.
    ///
    /// # Errors
    ///
    /// [`ReadError::NotReached`] after 5 s; [`ReadError::Busy`] after 2 s more, or at once if too many reads wait.
    pub async fn turn(&self, min: Option<Position>) -> Result<Turn, ReadError> {
        if let Some(min) = min {
            self.reach(min).await?;
        }
        let turn = self.inner.turns.take().await;
        turn.ok_or_else(|| {
            self.inner.turns.refused.fetch_add(1, Ordering::Relaxed);
            ReadError::Busy
        })
    }

    /// The turns, for `/metrics`.
    pub fn turns(&self) -> &Turns {
        &self.inner.turns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait_for<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
    }

    #[test]
    fn a_turn_that_does_not_come_in_time_is_refused() {
        wait_for(async {
            let turns = Turns { patience: Duration::ZERO, ..Turns::new(2) };
            let (first, _second) = (turns.take().await.unwrap(), turns.take().await.unwrap());
            assert!(turns.take().await.is_none());
            let working = first.clone();
            drop(first);
            assert!(turns.take().await.is_none(), "the work continues");
            drop(working);
            assert!(turns.take().await.is_some());
        });
    }

    #[test]
    fn a_read_waits_for_the_turn_of_another_and_a_read_too_many_is_refused() {
        wait_for(async {
            let turns = Turns { patience: Duration::MAX, ..Turns::new(1) };
            let first = turns.take().await.unwrap();
            let others = turns.there.clone().acquire_many_owned(WAITING as u32 - 1).await.unwrap();
            let (second, third) = tokio::join!(turns.take(), async {
                let third = turns.take().await;
                drop(first);
                third
            });
            assert!(second.is_some() && third.is_none());
            drop((second, others));
            assert_eq!((turns.running.available_permits(), turns.there.available_permits()), (1, 1 + WAITING));
        });
    }
}
