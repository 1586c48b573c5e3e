//! The newest events of one job, for live reads of the job.

use super::ReadError;
use crate::history::row_fact;
use crate::job::{Fact, JobKey, Note, Position};
use crate::ledger::Ledger;
use crate::log::{Filter, enough};
use crate::views::{self, newest_notes};

/// Most events that one read takes.
const MOST: u64 = 1000;
/// Bytes of events after which a read takes no more, 1 MiB.
const MOST_BYTES: usize = 1 << 20;

impl Ledger {
    /// The events of the job after `after`, up to and with `upto`. `None` if they are more than 1,000, or of more than 1 MiB.
    ///
    /// # Errors
    ///
    /// The log cannot be read, or an event in it.
    pub fn facts(&self, key: &JobKey, after: Position, upto: Position) -> Result<Option<Vec<Fact>>, ReadError> {
        let filter = Filter { upto: Some(upto), ..Filter::of_job(key) };
        let (mut facts, mut bytes) = (Vec::new(), 0);
        let page = self.log(|log| {
            log.page(after, MOST, &filter, |row| {
                facts.extend(row_fact(log, row)?);
                bytes += row.data.map_or(0, <[u8]>::len);
                Ok::<_, ReadError>(enough(bytes, MOST_BYTES))
            })
        })?;
        Ok((page.scanned >= upto).then_some(facts))
    }

    /// The newest `most` of the first `count` notes of the job that was created at `created`, oldest first.
    ///
    /// # Errors
    ///
    /// The views cannot be read.
    pub fn newest_notes(&self, created: Position, count: usize, most: usize) -> Result<Vec<Note>, views::Error> {
        self.views_now(|conn| newest_notes(conn, created, count, most))
    }
}
