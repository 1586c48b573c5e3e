//! The jobs that have events in a stretch of the log.

use std::collections::HashMap;

use rusqlite::params;

use super::{Error, Reader, SCAN_LIMIT, StreamId, Types};
use crate::job::{JobKey, Kind, OrgId, Position};

impl Reader<'_> {
    /// The jobs of `org` and `kind` that have events after `after`, up to and with `upto`, each with the types of these events.
    /// `None` for `org` or `kind` means all of them.
    ///
    /// `None` if the stretch has more than [`SCAN_LIMIT`] events, or events of more than `most` jobs.
    ///
    /// # Errors
    /// SQLite refuses a statement, or a row is not one that a ledger writes.
    pub fn jobs_between(
        &self,
        (after, upto): (Position, Position),
        (org, kind): (Option<OrgId>, Option<Kind>),
        most: usize,
    ) -> Result<Option<Vec<(JobKey, Types)>>, Error> {
        if upto.get().saturating_sub(after.get()) > SCAN_LIMIT {
            return Ok(None);
        }
        let sql = "SELECT job, type FROM event WHERE position > ?1 AND position <= ?2 AND job IS NOT NULL \
                   AND (?3 IS NULL OR org = (SELECT id FROM org WHERE uuid = ?3)) AND (?4 IS NULL OR kind = ?4)";
        let mut statement = self.prepare("find the jobs that changed", sql)?;
        let mut rows = statement.rows(params![after, upto, org, kind])?;
        let mut found: HashMap<StreamId, Types> = HashMap::new();
        while let Some((job, types)) = rows.read(|row| Ok((row.get(0)?, Types::spelled(row.get_ref(1)?.as_str()?))))? {
            let known = found.entry(job).or_insert(Types::NONE);
            *known = known.with(types);
            if found.len() > most {
                return Ok(None);
            }
        }
        let named = found.into_iter().map(|(job, types)| Ok((self.job_key(job)?, types)));
        named.collect::<Result<_, Error>>().map(Some)
    }

    /// The organisation and id of a job.
    fn job_key(&self, job: StreamId) -> Result<JobKey, Error> {
        let sql = "SELECT org.uuid, job.subject FROM job JOIN org ON org.id = job.org WHERE job.id = ?1";
        let mut statement = self.prepare("read a job's id", sql)?;
        Ok(statement.row([job], |row| Ok(JobKey { org: row.get(0)?, id: row.get(1)? }))?)
    }
}
