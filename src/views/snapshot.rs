//! Snapshots: a job after each [`EVENTS_PER_SNAPSHOT`]th of its events, so that a read of the past folds few events.
//!
//! For a snapshot the projector copies the job's row. An item's result is copied later, when a newer result replaces it, and only if
//! a snapshot shows it. So an event of a large job costs as little as one of a small job. The snapshots are
//! the same, however the events were batched.

use rusqlite::{Connection, params};

use super::job_row::Parts;
use crate::job::{Event, Fact, Item, Job, Summary};

/// Events of a job from one snapshot to the next.
pub const EVENTS_PER_SNAPSHOT: u64 = 500;

/// A job's row after one of its events.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub summary: Summary,
    pub parts: Parts,
}

/// A result of the item at `place`. A snapshot shows the result, and the job's event number `until` replaced it.
#[derive(Debug)]
pub(super) struct Replaced {
    pub place: usize,
    pub until: u64,
    pub item: Item,
}

impl Snapshot {
    /// The snapshot that is due after the job's newest event; `None` after most events.
    pub(super) fn due(job: &Job) -> Option<Snapshot> {
        job.events
            .is_multiple_of(EVENTS_PER_SNAPSHOT)
            .then(|| Snapshot { summary: job.summary.clone(), parts: Parts::of(job) })
    }
}

impl Replaced {
    /// The result that `fact` is about to replace; `None` if no snapshot shows it.
    pub(super) fn by(fact: &Fact, job: &Job) -> Option<Replaced> {
        let Event::ItemResult(result) = &fact.event else { return None };
        let place = job.items.place(&result.item)?;
        let item = &job.items.as_slice()[place];
        let newest = job.events / EVENTS_PER_SNAPSHOT * EVENTS_PER_SNAPSHOT;
        (item.since <= newest).then(|| Replaced { place, until: job.events + 1, item: item.clone() })
    }
}

/// Copies the job's row into the snapshots.
pub(super) fn copy_row(conn: &Connection, row: i64) -> Result<(), rusqlite::Error> {
    conn.prepare_cached("INSERT INTO snapshot SELECT * FROM job WHERE id = ?1")?.execute(params![row]).map(drop)
}

#[cfg(test)]
mod tests {
    use super::super::open::TABLES;
    use super::*;

    #[test]
    fn a_snapshot_has_the_columns_of_a_job() {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(TABLES).unwrap();
        let columns = |table: &str| -> Vec<String> {
            let mut info =
                conn.prepare(&format!("SELECT name || ' ' || type FROM pragma_table_info('{table}')")).unwrap();
            info.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
        };
        assert_eq!(columns("snapshot"), columns("job"));
    }
}
