//! What a client lacks that has the first page of a list as of an earlier position.

use std::collections::HashSet;
use std::sync::Arc;

use super::Gone;
use crate::job::Position;
use crate::ledger::ChangedSince;
use crate::views::{JobList, JobQuery, RecentJob};

type Jobs = Vec<Arc<RecentJob>>;

/// The rows of `page` that the client lacks or has in an older state, and the jobs that left the list. The client has the newest
/// `first` jobs that the list had at `seen`. `changed` are the jobs that changed since.
pub(super) fn changes(
    query: &JobQuery,
    first: usize,
    page: JobList,
    seen: Position,
    changed: Vec<ChangedSince>,
) -> (Jobs, Vec<Gone>) {
    let was_shown = |change: &ChangedSince| change.before.is_some_and(|status| query.shows_in(&change.job.job, status));
    let ids: HashSet<Position> = changed.iter().map(|change| change.job.job.created_position).collect();
    // Newest first, as the page.
    let mut left_behind: Vec<Position> =
        changed.iter().filter(|change| was_shown(change)).map(|change| change.job.job.created_position).collect();
    left_behind.sort_unstable_by(|one, other| other.cmp(one));
    let mut rows = Jobs::new();
    let mut unchanged = 0;
    for job in page.jobs {
        let created = job.created_position;
        if !ids.contains(&created) {
            unchanged += 1;
            // The row's number among the jobs that the list had at `seen`.
            let number = unchanged + left_behind.partition_point(|other| *other > created);
            if number <= first && created <= seen {
                continue;
            }
        }
        rows.push(Arc::new(RecentJob::new(job)));
    }
    let gone = changed.into_iter().filter(|change| was_shown(change) && !query.shows(&change.job.job));
    (rows, gone.map(|change| Gone::of(&change.job)).collect())
}
