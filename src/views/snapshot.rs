//! How a job stood after every [`EVERY`]th of its events, so that a read of the past folds few events and not all.
//!
//! The projector copies the job's row then. An item's result is copied when a later one replaces it, and only where a snapshot
//! shows it. So an event costs the same however large its job is. Snapshots follow from the log alone, wherever a batch ends.

use rusqlite::{Connection, params};

use crate::job::{Event, Fact, Item, Job, Summary};

/// Events of a job from one snapshot to the next.
pub const EVERY: u64 = 500;

/// A job's row after one of its events, and how many parts the job had then.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub summary: Summary,
    pub items: usize,
    pub notes: usize,
    pub redactions: usize,
}

/// A result of an item that a snapshot shows and event number `until` replaced.
#[derive(Debug)]
pub(super) struct Replaced {
    pub place: usize,
    pub until: u64,
    pub item: Item,
}

impl Snapshot {
    /// The job as it is now.
    pub(super) fn of(job: &Job) -> Snapshot {
        let (items, notes, redactions) = (job.items.len(), job.notes.len(), job.redactions.len());
        Snapshot { summary: job.summary.clone(), items, notes, redactions }
    }

    /// The snapshot that is due after the job's newest event; `None` after most events.
    pub(super) fn due(job: &Job) -> Option<Snapshot> {
        job.events.is_multiple_of(EVERY).then(|| Snapshot::of(job))
    }
}

impl Replaced {
    /// The result that `fact` is about to replace, where a snapshot shows that result.
    pub(super) fn by(fact: &Fact, job: &Job) -> Option<Replaced> {
        let Event::ItemResult(result) = &fact.event else { return None };
        let place = job.items.place(&result.item)?;
        let item = &job.items.as_slice()[place];
        let newest = job.events / EVERY * EVERY;
        (item.since <= newest).then(|| Replaced { place, until: job.events + 1, item: item.clone() })
    }
}

/// Copies the job's row, which has just been written as it was then.
pub(super) fn keep(conn: &Connection, row: i64) -> Result<(), rusqlite::Error> {
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
