//! The list of all running background jobs of an organisation.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Instant;

use parking_lot::Mutex;
use tokio::time::timeout_at;

use super::{ReadError, Shown};
use crate::blocking::off_thread;
use crate::job::{OrgId, Position};
use crate::ledger::Ledger;
use crate::ledger::projection::PATIENCE;
use crate::sqlite::snapshot;
use crate::views::{self, ListPieces, RenderRow, RunningList, each_running};

/// One lock for each organisation: one reader at a time makes its list.
#[derive(Debug, Default)]
pub(in crate::ledger) struct ListLocks(Mutex<HashMap<OrgId, Weak<tokio::sync::Mutex<()>>>>);

impl ListLocks {
    /// The organisation's lock.
    fn of(&self, org: OrgId) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.0.lock();
        if let Some(lock) = locks.get(&org).and_then(Weak::upgrade) {
            return lock;
        }
        locks.retain(|_, lock| lock.strong_count() > 0);
        let lock = Arc::default();
        locks.insert(org, Arc::downgrade(&lock));
        lock
    }
}

impl Ledger {
    /// The rows of all running background jobs of `org` as `render` renders them, newest first and separated by commas.
    ///
    /// The rows stay in memory, and the projector changes them. One reader makes the list, off the async threads, and all readers
    /// share it until a row changes. A reader waits up to 5 s for the views and for the reader that makes the list.
    ///
    /// # Errors
    ///
    /// [`ReadError::Late`] and [`ReadError::Busy`] after 5 s; the views cannot be read.
    pub async fn running_tasks(
        &self,
        org: OrgId,
        min: Option<Position>,
        render: RenderRow,
    ) -> Result<Shown<ListPieces>, ReadError> {
        let until = Instant::now() + PATIENCE;
        if let Some(min) = min {
            self.reach_by(until, min).await?;
        }
        let (projection, wanted) = (&self.inner.projection, self.head());
        let shown = |list: RunningList| Shown { value: list.rows, position: list.position, now: self.now() };
        // Again only if the load was replaced, or if other views took the place of those that were read.
        while Instant::now() < until {
            if !projection.wait_for(wanted, until).await {
                break;
            }
            if let Some(list) = projection.answers.running.get(org, wanted) {
                return Ok(shown(list));
            }
            let alone = timeout_at(until.into(), projection.answers.list_locks.of(org).lock_owned()).await;
            let alone = alone.map_err(|_| ReadError::Busy)?;
            // Another reader may have made it meanwhile.
            if let Some(list) = projection.answers.running.get(org, wanted) {
                return Ok(shown(list));
            }
            let ledger = self.clone();
            // The work holds the lock: a client that disconnects ends its request, and not the work.
            let made = off_thread(move || {
                let made = ledger.list_running(org, render);
                drop(alone);
                made
            });
            let made = timeout_at(until.into(), made).await.map_err(|_| ReadError::Busy)??;
            if let Some(made) = made.filter(|list| list.position >= wanted) {
                return Ok(shown(made));
            }
        }
        Err(self.late(wanted))
    }

    fn list_running(&self, org: OrgId, render: RenderRow) -> Result<Option<RunningList>, views::Error> {
        self.inner.metrics.running_lists.inc();
        self.inner.projection.answers.running.make(org, render, |each| {
            self.views_now(|conn| {
                snapshot(conn, || {
                    let position = views::position(conn)?;
                    each_running(conn, org, each)?;
                    Ok(position)
                })?
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_organisation_has_a_lock_of_its_own() {
        let locks = ListLocks::default();
        let [ours, theirs] = [0, 1].map(|n| OrgId(uuid::Uuid::from_u128(n)));
        let held = locks.of(ours).try_lock_owned().unwrap();
        assert!(locks.of(ours).try_lock_owned().is_err());
        assert!(locks.of(theirs).try_lock_owned().is_ok());
        drop(held);
        assert!(locks.of(ours).try_lock_owned().is_ok());
        assert_eq!(locks.0.lock().len(), 1, "locks without a holder are removed");
    }
}
