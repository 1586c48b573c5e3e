//! The jobs that changed after a position, for live lists.

use std::sync::Arc;

use rusqlite::Connection;

use super::{ReadError, Shown};
use crate::job::{Position, Status};
use crate::ledger::Ledger;
use crate::log::Types;
use crate::views::{self, JobList, JobQuery, Recent, RecentJob, list_jobs, read_job_row};

/// Most jobs that one look into the log may name.
const MOST: usize = 1000;

/// A page of jobs, and the jobs that changed since an earlier position.
#[derive(Debug)]
pub struct PageSince {
    /// The page as it is now.
    pub page: JobList,
    /// The jobs of the page's organisation and kind that changed; `None` if they are too many, or the views lack one of them.
    pub changed: Option<Vec<ChangedSince>>,
}

/// A job that changed since an earlier position.
#[derive(Debug)]
pub struct ChangedSince {
    /// The job now.
    pub job: Arc<RecentJob>,
    /// Its status at the earlier position; `None` if it did not exist.
    pub before: Option<Status>,
}

/// While it lives, the ledger keeps the jobs that change for [`Ledger::changed_jobs`].
pub struct JobWatch(Ledger);

impl Drop for JobWatch {
    fn drop(&mut self) {
        self.0.inner.projection.answers.recent.leave();
    }
}

impl Ledger {
    /// Keeps the jobs that change from now on, for a live list.
    pub fn watch_jobs(&self) -> JobWatch {
        self.inner.projection.answers.recent.enter();
        JobWatch(self.clone())
    }

    /// A number that grows when a list may change without an event: when a job is set aside or taken back.
    pub fn list_turns(&self) -> u64 {
        self.inner.projection.answers.recent.turns()
    }

    /// Waits until the views show `position`, for as long as that takes. Does not hurry the projector, unlike a read.
    pub async fn views_reach(&self, position: Position) {
        self.inner.projection.reaches(position).await;
    }

    /// The jobs of the query's organisation and kind that changed after `after`, in their newest states: from memory if they are
    /// kept there, else from the log and the views. `None` if they are too many, or the views lack one of them.
    ///
    /// # Errors
    ///
    /// As [`Ledger::jobs`].
    pub async fn changed_jobs(&self, query: &JobQuery, after: Position) -> Result<Option<Recent>, ReadError> {
        if let Some(recent) = self.inner.projection.answers.recent.after(after) {
            return Ok(Some(recent));
        }
        let read = |conn: &Connection| tokio::task::block_in_place(|| self.changed_since(conn, query, after));
        let Shown { value, position: end, .. } = self.view(None, |_| None, read, |_, _| ()).await?;
        Ok(value.map(|jobs| Recent { jobs: jobs.into_iter().map(|changed| changed.job).collect(), end }))
    }

    /// The first page of at most `limit` jobs, and the jobs that changed after `after`, both from one state of the views.
    ///
    /// # Errors
    ///
    /// As [`Ledger::jobs`].
    pub async fn page_since(
        &self,
        query: &JobQuery,
        limit: usize,
        after: Position,
        min: Option<Position>,
    ) -> Result<Shown<PageSince>, ReadError> {
        let now = self.now();
        let read = |conn: &Connection| {
            tokio::task::block_in_place(|| {
                let page = list_jobs(conn, query, limit, now)?;
                Ok(PageSince { page, changed: self.changed_since(conn, query, after)? })
            })
        };
        self.view(min, |_| None, read, |_, _| ()).await
    }

    /// The jobs that changed after `after`, by the log, in the order of their newest events and as the views show them.
    fn changed_since(
        &self,
        conn: &Connection,
        query: &JobQuery,
        after: Position,
    ) -> Result<Option<Vec<ChangedSince>>, views::Error> {
        let stretch = (after, views::position(conn)?);
        let found = self.log(|log| log.jobs_between(stretch, (query.org, query.kind), MOST))?;
        let Some(found) = found else { return Ok(None) };
        let mut changed = Vec::with_capacity(found.len());
        for (key, types) in found {
            let Some(job) = read_job_row(conn, &key)? else { return Ok(None) };
            let before = job.state.status_before(|event_type| Types::contains(types, event_type));
            changed.push(ChangedSince { job: Arc::new(RecentJob::new(job)), before });
        }
        changed.sort_by_key(|changed| changed.job.job.position);
        Ok(Some(changed))
    }
}
