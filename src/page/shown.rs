//! The job that a page shows: as it is now, or as it stood at the moment that the person asked for.

use std::sync::Arc;

use super::visitor::Visitor;
use crate::http::{App, Error, JobRead, Params, refuse_heartbeat};
use crate::job::Job;
use crate::ledger::Turn;

/// The job, and the turn under which the page reads more of it.
pub(super) struct ShownJob {
    pub turn: Turn,
    pub job: Arc<Job>,
    /// Whether the person asked for a moment.
    pub is_past: bool,
}

impl ShownJob {
    /// Reads the job `id` as the parameters ask for it.
    ///
    /// # Errors
    ///
    /// 400 for a parameter that the page does not know; 404 for a job that the person may not see; 503 if no turn comes free.
    pub async fn read(app: &App, visitor: &Visitor, params: Params, id: &str) -> Result<ShownJob, Error> {
        let JobRead { key, as_of, min, heartbeat } = params.job_read(&visitor.0, id)?;
        refuse_heartbeat(heartbeat)?;
        let turn = app.ledger.turn(min).await?;
        let shown = match as_of {
            None => app.ledger.whole_job(&turn, &key).await?.value,
            Some(moment) => app.ledger.job_as_of(&turn, &key, moment).await?.value,
        };
        Ok(ShownJob { turn, job: shown.ok_or_else(Error::no_such_job)?, is_past: as_of.is_some() })
    }
}
