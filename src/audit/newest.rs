//! The table `newest`, by which a log finds the events of a job: it must agree with the entries.

use std::collections::HashMap;

use rusqlite::{Connection, Row};

use super::{Auditor, Class};
use crate::job::Position;

/// The newest entry of each job, by the number of the job's row.
#[derive(Debug, Default)]
pub(super) struct NewestEvents(HashMap<i64, i64>);

impl NewestEvents {
    /// Takes the entry at `position`, which is one of the job with the row `job`.
    pub(super) fn take(&mut self, job: i64, position: Position) {
        self.0.insert(job, position.get() as i64);
    }

    /// Compares the table after the last entry.
    pub(super) fn compare(mut self, conn: &Connection, auditor: &mut Auditor) -> Result<(), rusqlite::Error> {
        let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let mut differs = false;
        for row in conn.prepare("SELECT job, position FROM newest")?.query_map([], read)? {
            let (job, position): (i64, i64) = row?;
            differs |= self.0.remove(&job) != Some(position);
        }
        if differs || !self.0.is_empty() {
            let what = "the table `newest` of log.db differs from the entries, so reads of a job may miss entries";
            auditor.fault(Class::Content, None, what.into());
        }
        Ok(())
    }
}
