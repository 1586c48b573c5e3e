//! The list of all running background jobs of an organisation.

use std::time::Instant;

use super::Ledger;
use super::projection::PATIENCE;
use super::read::{ReadError, Shown, off_thread};
use crate::job::{OrgId, Position};
use crate::log::Pool;
use crate::views::{self, Pieces, Row, checkpoint, each_running};

impl Ledger {
    /// The rows that `row` makes of all running background jobs of `org`, newest first and separated by commas. They are kept
    /// ready and changed as the views move; the list is made off the async threads, and shared until a row changes.
    pub async fn running_tasks(&self, org: OrgId, min: Option<Position>, row: Row) -> Result<Shown<Pieces>, ReadError> {
        let until = Instant::now() + PATIENCE;
        if let Some(min) = min {
            self.reach_by(until, min).await?;
        }
        let (projection, wanted) = (&self.inner.projection, self.head());
        let shown = |(value, position)| Shown { value, position, now: self.now() };
        // More than once only where other views took the place of those that were read.
        while Instant::now() < until {
            if !projection.wait_for(wanted, until).await {
                break;
            }
            if let Some(kept) = projection.running.kept(org, wanted) {
                return Ok(shown(kept));
            }
            let _alone = projection.listing.lock().await;
            // Another reader may have made it meanwhile.
            if let Some(kept) = projection.running.kept(org, wanted) {
                return Ok(shown(kept));
            }
            let ledger = self.clone();
            let made = off_thread(move || ledger.list_running(org, row)).await?;
            if let Some(made) = made.filter(|(_, position)| *position >= wanted) {
                return Ok(shown(made));
            }
        }
        Err(self.late(wanted))
    }

    fn list_running(&self, org: OrgId, row: Row) -> Result<Option<(Pieces, Position)>, views::Error> {
        self.inner.metrics.running_lists.inc();
        self.inner.projection.running.make(org, row, |each| {
            self.views_now(|conn| {
                Pool::snapshot(conn, || {
                    let position = checkpoint(conn)?.map_or(Position::GENESIS, |(position, _)| position);
                    each_running(conn, org, each)?;
                    Ok(position)
                })
            })
        })
    }
}
