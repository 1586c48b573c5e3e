//! Pages: the events after a position that a filter shows.

use std::ops::ControlFlow;

use rusqlite::params;

use super::{Error, Filter, Reader, Row, StreamId, Types};
use crate::job::{JobKey, Position};

/// Most events that a filtered page reads. A page whose filter shows few of these events is short or empty.
pub const SCAN_LIMIT: u64 = 20_000;

/// How far a page reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// The last position that the page covers. The next page starts after it.
    pub scanned: Position,
    /// The head when the page was read, or the filter's end if that is lower.
    pub head: Position,
}

/// Where a page starts and ends.
#[derive(Clone, Copy)]
struct Bounds {
    after: Position,
    head: Position,
    /// Most events that the page shows.
    limit: u64,
    /// Most events that the page reads.
    scan: u64,
}

impl Reader<'_> {
    /// Gives `each` the events after `after` that `filter` shows, until it breaks or has seen `limit` of them.
    ///
    /// A page reads at most [`SCAN_LIMIT`] events, of the log or of the one job that the filter names. So a page may be short, or
    /// empty, although the filter shows later events.
    ///
    /// # Errors
    /// SQLite refuses a statement, or `each` fails.
    pub fn page<E: From<Error>>(
        &self,
        after: Position,
        limit: u64,
        filter: &Filter,
        each: impl FnMut(Row<'_>) -> Result<ControlFlow<()>, E>,
    ) -> Result<Page, E> {
        self.page_within(SCAN_LIMIT, after, limit, filter, each)
    }

    /// [`Reader::page`] with another limit of events that the page reads.
    ///
    /// # Errors
    /// SQLite refuses a statement, or `each` fails.
    pub fn page_within<E: From<Error>>(
        &self,
        scan: u64,
        after: Position,
        limit: u64,
        filter: &Filter,
        mut each: impl FnMut(Row<'_>) -> Result<ControlFlow<()>, E>,
    ) -> Result<Page, E> {
        // Read once: events of later commits are on another page.
        let head = filter.end(self.head()?);
        let bounds = Bounds { after, head, limit, scan };
        let (mut shown, mut last, mut broke) = (0, after, false);
        let mut take = |row: Row<'_>| {
            (shown, last) = (shown + 1, row.position);
            let flow = each(row)?;
            broke = flow.is_break();
            Ok::<_, E>(flow)
        };
        let end = match filter.one_job() {
            Some(key) => match self.stream_of_kind(&key, filter)? {
                Some(stream) => self.job_page(stream, bounds, filter.types, &mut take)?,
                None => head,
            },
            None => self.log_page(bounds, filter, &mut take)?,
        };
        let scanned = if shown == limit || broke { last } else { end.max(after) };
        Ok(Page { scanned, head })
    }

    /// The job's stream, if the filter shows jobs of its kind.
    fn stream_of_kind(&self, key: &JobKey, filter: &Filter) -> Result<Option<StreamId>, Error> {
        if filter.kind.is_some() && filter.kind != self.job_kind(key.org, &key.id)? {
            return Ok(None);
        }
        self.stream(key.org, &key.id)
    }

    /// Reads the part of one job. Returns the end of the part.
    fn job_page<E: From<Error>>(
        &self,
        job: StreamId,
        bounds: Bounds,
        types: Types,
        mut each: impl FnMut(Row<'_>) -> Result<ControlFlow<()>, E>,
    ) -> Result<Position, E> {
        let Bounds { after, head, limit, scan } = bounds;
        let (mut end, mut shown, mut read) = (head, 0, 0);
        self.walk(job, after, head, |event_type, row| {
            read += 1;
            if read == scan {
                end = row.position;
            }
            let mut flow = ControlFlow::Continue(());
            if types.meets(Types::spelled(event_type)) {
                shown += 1;
                flow = each(row)?;
            }
            Ok::<_, E>(if read == scan || shown == limit { ControlFlow::Break(()) } else { flow })
        })?;
        Ok(end)
    }

    /// Reads a part of the log. Returns the end of the part.
    fn log_page<E: From<Error>>(
        &self,
        bounds: Bounds,
        filter: &Filter,
        each: impl FnMut(Row<'_>) -> Result<ControlFlow<()>, E>,
    ) -> Result<Position, E> {
        let Bounds { after, head, limit, scan } = bounds;
        let end = head.min(Position::new(after.get().saturating_add(scan)));
        let sql = "SELECT position, leaf, data, salt FROM event WHERE position > ?1 AND position <= ?2 \
                   AND (?3 IS NULL OR org = (SELECT id FROM org WHERE uuid = ?3)) \
                   AND (?4 IS NULL OR job IN (SELECT job.id FROM org JOIN job ON job.org = org.id AND subject = ?4)) \
                   AND (?5 IS NULL OR kind = ?5) AND (?6 IS NULL OR type IN (SELECT value FROM json_each(?6))) \
                   ORDER BY position LIMIT ?7";
        let types = filter.types.parameter();
        let parameters = params![after, end, filter.org, filter.job, filter.kind, types, limit];
        self.until("read a page of events", sql, parameters, each)?;
        Ok(end)
    }
}
