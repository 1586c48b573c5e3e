//! The page of a live list whose jobs come and go with the time, such as those of `quiet_for`: two pages are compared.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Gone;
use crate::job::{JobId, Position};
use crate::views::{JobList, RecentJob};

/// The rows of the client's page by the position of `job.created`: the job's id and its revision.
#[derive(Debug, Default)]
pub(super) struct TimedRows(BTreeMap<Position, (JobId, Position)>);

impl TimedRows {
    /// The rows of this page.
    pub(super) fn of(page: &JobList) -> TimedRows {
        let row = |job: &crate::job::Summary| (job.created_position, (job.key.id.clone(), job.position));
        TimedRows(page.jobs.iter().map(row).collect())
    }

    /// The rows of `page` that the client lacks or has in an older state, and the jobs that left the list.
    pub(super) fn changes(&self, page: &JobList) -> (Vec<Arc<RecentJob>>, Vec<Gone>) {
        let TimedRows(now) = TimedRows::of(page);
        let is_new = |created: &Position| now.get(created) != self.0.get(created);
        let rows = page.jobs.iter().filter(|job| is_new(&job.created_position));
        let rows = rows.map(|job| Arc::new(RecentJob::new(job.clone()))).collect();
        // Rows beyond the end of a full page may still be on the list; the client drops them by itself.
        let end = now.keys().next().filter(|_| page.more).copied().unwrap_or_default();
        let left = self.0.range(end..).filter(|(created, _)| !now.contains_key(created));
        (rows, left.map(|(created, (id, _))| Gone { id: id.clone(), created: *created }).collect())
    }
}
