//! Reads of a job as of a moment: a snapshot from the views, and the few events after it from the log.
//!
//! These reads use the views, so nothing signed or proven rests on them: evidence and decisions come from the log alone.

use std::sync::Arc;

use super::moment::{AsOf, PointInTime};
use super::turns::Turn;
use super::{ReadError, Shown};
use crate::blocking::off_thread;
use crate::history::{Folded, fold_from_snapshot};
use crate::job::{Job, JobKey, Position};
use crate::ledger::Ledger;
use crate::sqlite::snapshot;
use crate::views::{self, load_past};

impl Ledger {
    /// One job as of `moment`; `None` if there was no such job. The caller keeps the turn for as long as it has the job, and the read
    /// keeps the turn for as long as it runs.
    ///
    /// # Errors
    ///
    /// [`ReadError::Beyond`] and [`ReadError::Unsettled`]; the log cannot be read, or the job does not fold.
    pub async fn job_as_of(
        &self,
        turn: &Turn,
        key: &JobKey,
        moment: AsOf,
    ) -> Result<Shown<Option<Arc<Job>>>, ReadError> {
        self.settle(Some(moment)).await?;
        let (ledger, turn, key) = (self.clone(), turn.clone(), key.clone());
        off_thread(move || {
            let PointInTime { position, time } = ledger.point_in_time_now("as_of", Some(moment))?;
            let value = ledger.past(&key, position)?.map(Arc::new);
            drop(turn);
            Ok(Shown { value, position, now: time })
        })
        .await
    }

    /// The job as it was at `position`. Folds fewer than [`crate::views::EVENTS_PER_SNAPSHOT`] events if the views hold the newest
    /// snapshot before that.
    ///
    /// # Errors
    ///
    /// The log cannot be read, or the job does not fold.
    pub fn past(&self, key: &JobKey, position: Position) -> Result<Option<Job>, ReadError> {
        let snapshot = self.snapshot(key, position);
        let Folded { job, events } = self.log(|log| fold_from_snapshot(log, key, snapshot, position))?;
        self.inner.metrics.folded.inc_by(events);
        Ok(job)
    }

    /// The newest state of the job at or before `position` that the views hold. `None` also if the views cannot be read, or do not
    /// show the newest redaction yet: the log alone then gives the same answer, without redacted data.
    fn snapshot(&self, key: &JobKey, position: Position) -> Option<Job> {
        let redaction = self.newest_redaction();
        let read = self.views_now(|conn| {
            snapshot(conn, || match views::position(conn)? {
                shown if shown >= redaction => load_past(conn, key, position),
                _ => Ok(None),
            })?
        });
        read.unwrap_or_default()
    }
}
