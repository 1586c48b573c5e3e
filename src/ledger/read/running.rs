//! The list of all running background jobs of an organisation.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Instant;

use parking_lot::Mutex;
use tokio::time::timeout_at;

use super::{ReadError, Shown, off_thread};
use crate::job::{OrgId, Position};
use crate::ledger::Ledger;
use crate::ledger::projection::PATIENCE;
use crate::sqlite::snapshot;
use crate::views::{self, Pieces, Row, checkpoint, each_running};

/// Who makes the lists: one reader at a time for each organisation.
#[derive(Debug, Default)]
pub(in crate::ledger) struct Makers(Mutex<HashMap<OrgId, Weak<tokio::sync::Mutex<()>>>>);

impl Makers {
    /// The lock of the organisation's maker.
    fn of(&self, org: OrgId) -> Arc<tokio::sync::Mutex<()>> {
        let mut makers = self.0.lock();
        if let Some(maker) = makers.get(&org).and_then(Weak::upgrade) {
            return maker;
        }
        makers.retain(|_, maker| maker.strong_count() > 0);
        let maker = Arc::default();
        makers.insert(org, Arc::downgrade(&maker));
        maker
    }
}

impl Ledger {
    /// The rows that `row` makes of all running background jobs of `org`, newest first and separated by commas. They are kept
    /// ready and changed as the views move; the list is made off the async threads, and shared until a row changes. A reader
    /// waits up to 5 s for the views and for another reader that makes the list.
    pub async fn running_tasks(&self, org: OrgId, min: Option<Position>, row: Row) -> Result<Shown<Pieces>, ReadError> {
        let until = Instant::now() + PATIENCE;
        if let Some(min) = min {
            self.reach_by(until, min).await?;
        }
        let (projection, wanted) = (&self.inner.projection, self.head());
        let shown = |(value, position)| Shown { value, position, now: self.now() };
        // More than once only where the load was forgotten or replaced, or where other views took the place of those that were read.
        while Instant::now() < until {
            if !projection.wait_for(wanted, until).await {
                break;
            }
            if let Some(kept) = projection.answers.running.kept(org, wanted) {
                return Ok(shown(kept));
            }
            let alone = timeout_at(until.into(), projection.answers.makers.of(org).lock_owned()).await;
            let alone = alone.map_err(|_| ReadError::Busy)?;
            // Another reader may have made it meanwhile.
            if let Some(kept) = projection.answers.running.kept(org, wanted) {
                return Ok(shown(kept));
            }
            let ledger = self.clone();
            // The lock goes with the work: a client that disconnects ends its request, and not the work.
            let made = off_thread(move || {
                let made = ledger.list_running(org, row);
                drop(alone);
                made
            });
            let made = timeout_at(until.into(), made).await.map_err(|_| ReadError::Busy)??;
            if let Some(made) = made.filter(|(_, position)| *position >= wanted) {
                return Ok(shown(made));
            }
        }
        Err(self.late(wanted))
    }

    fn list_running(&self, org: OrgId, row: Row) -> Result<Option<(Pieces, Position)>, views::Error> {
        self.inner.metrics.running_lists.inc();
        self.inner.projection.answers.running.make(org, row, |each| {
            self.views_now(|conn| {
                snapshot(conn, || {
                    let position = checkpoint(conn)?.map_or(Position::GENESIS, |(position, _)| position);
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
    fn each_organisation_has_a_maker_of_its_own() {
        let makers = Makers::default();
        let [ours, theirs] = [0, 1].map(|n| OrgId(uuid::Uuid::from_u128(n)));
        let held = makers.of(ours).try_lock_owned().unwrap();
        assert!(makers.of(ours).try_lock_owned().is_err());
        assert!(makers.of(theirs).try_lock_owned().is_ok());
        drop(held);
        assert!(makers.of(ours).try_lock_owned().is_ok());
        assert_eq!(makers.0.lock().len(), 1, "those that nobody holds are forgotten");
    }
}
