//! Reads of a job as of a moment: a snapshot from the views, and the few events after it from the log.
//!
//! Nothing that is signed or proven comes from here: evidence and decisions rest on the log alone.

use std::sync::Arc;

use super::moment::{AsOf, Place};
use super::turns::Turn;
use super::{ReadError, Shown, off_thread};
use crate::history::fold_job;
use crate::job::{Job, JobKey, Position};
use crate::ledger::Ledger;
use crate::sqlite::snapshot;
use crate::views::{checkpoint, load_past};

impl Ledger {
    /// One job as of `moment`. `None` where there was no such job. The caller keeps the turn for as long as it has the job, and
    /// the read keeps it for as long as it runs.
    pub async fn job_as_of(
        &self,
        turn: &Turn,
        key: &JobKey,
        moment: AsOf,
    ) -> Result<Shown<Option<Arc<Job>>>, ReadError> {
        self.settle(Some(moment)).await?;
        let (ledger, turn, key) = (self.clone(), turn.clone(), key.clone());
        off_thread(move || {
            let Place { position, time } = ledger.place_now("as_of", Some(moment))?;
            let value = ledger.past(&key, position)?.map(Arc::new);
            drop(turn);
            Ok(Shown { value, position, now: time })
        })
        .await
    }

    /// The job as it was at `position`. Folds at most [`crate::views::EVERY`] events where the views have its snapshots.
    pub fn past(&self, key: &JobKey, position: Position) -> Result<Option<Job>, ReadError> {
        let known = self.known(key, position);
        let before = known.as_ref().map_or(0, |job| job.events);
        let job = self.log(|log| match fold_job(log, key, known, position) {
            // The rows of the views may be wrong, and not the log.
            Err(error) if before > 0 && error.unfoldable().is_some() => fold_job(log, key, None, position),
            folded => folded,
        })?;
        let after = job.as_ref().map_or(0, |job| job.events);
        self.inner.metrics.folded.inc_by(after.saturating_sub(before));
        Ok(job)
    }

    /// The newest state of the job at or before `position` that the views have. `None` also where the views cannot be read, or
    /// do not show the newest erasure yet and so may have the erased text: the log alone then gives the same answer.
    fn known(&self, key: &JobKey, position: Position) -> Option<Job> {
        let erased = self.erased();
        let read = self.views_now(|conn| {
            snapshot(conn, || match checkpoint(conn)? {
                Some((shown, _)) if shown >= erased => load_past(conn, key, position),
                _ => Ok(None),
            })?
        });
        read.unwrap_or_default()
    }
}
