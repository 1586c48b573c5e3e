//! The order of a job's events. The events between two milestones of a job are a section: the milestone, or the job's newest event,
//! ends it, and `prev` leads back from there. `schema/log.4.jobs.sql` says which events are milestones.

use std::ops::ControlFlow;

use rusqlite::params;

use super::reader::{Reader, Row, borrow};
use super::{Error, StreamId, open};
use crate::job::Position;

/// Events of a usual section.
pub(super) const SECTION: u64 = 16;

/// The beginning of a statement that reads the milestones of the job `?1`. The condition is that of the index, word for word.
macro_rules! milestones {
    ($columns:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM event INDEXED BY event_milestone WHERE job = ?1 AND (position * 40503 >> 8 & 15) = 0"
        )
    };
}
pub(super) use milestones;

impl Reader<'_> {
    /// Whether the log has the index of milestones. A log of an older format has an index of `prev` instead.
    pub(super) fn has_milestones(&self) -> Result<bool, Error> {
        let format: i64 = self.prepare("read the log's format", "PRAGMA user_version")?.value([])?;
        Ok(format >= open::MILESTONES_FORMAT)
    }

    /// Gives `each` the events of one job after `after`, up to and with `upto`, in order and with their types, until `each` breaks.
    pub(super) fn walk<E: From<Error>>(
        &self,
        job: StreamId,
        after: Position,
        upto: Position,
        mut each: impl FnMut(&str, Row<'_>) -> Result<ControlFlow<()>, E>,
    ) -> Result<(), E> {
        let sql = "SELECT position, leaf, data, salt, type FROM event WHERE position = ?1";
        let mut event = self.prepare("read an event of a job", sql)?;
        let (mut after, mut section) = (after, Vec::new());
        while after < upto
            && let Some(end) = self.section_end(job, after)?
        {
            self.walk_back(end, after, |position| {
                section.push(position);
                Ok(ControlFlow::Continue(()))
            })?;
            for position in section.drain(..).rev().take_while(|position| *position <= upto) {
                let mut rows = event.rows([position]).map_err(Error::from)?;
                if let Some((event_type, row)) = rows.read(typed).map_err(Error::from)?
                    && each(event_type, row)?.is_break()
                {
                    return Ok(());
                }
            }
            after = end;
        }
        Ok(())
    }

    /// Gives `each` the positions of a job's events from `end` back to the first one after `after`, until `each` breaks.
    pub(super) fn walk_back(
        &self,
        end: Position,
        after: Position,
        mut each: impl FnMut(Position) -> Result<ControlFlow<()>, Error>,
    ) -> Result<(), Error> {
        let mut statement =
            self.prepare("find a job's previous event", "SELECT prev FROM event WHERE position = ?1")?;
        let mut position = end;
        while position > after && each(position)?.is_continue() {
            // The database refuses a row that names itself or a later one. Without the check a forged file has no end.
            let prev: Option<Position> = statement.value_if_any([position])?;
            position = prev.filter(|prev| *prev < position).ok_or(Error::BrokenChain(position))?;
        }
        Ok(())
    }

    /// The positions of the newest `count` events of a job, newest first, from the job's event at `end` on.
    ///
    /// # Errors
    /// SQLite refuses a statement, or a row of the chain is missing.
    pub fn newest_positions(&self, end: Position, count: usize) -> Result<Vec<Position>, Error> {
        let mut positions = Vec::with_capacity(count);
        self.walk_back(end, Position::GENESIS, |position| {
            positions.push(position);
            Ok(if positions.len() == count { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(positions)
    }

    /// The position after which the newest `count` events of a job lie, up to and with the job's event at `end`.
    ///
    /// # Errors
    /// SQLite refuses a statement, or a row of the chain is missing.
    pub fn before_newest(&self, end: Position, count: usize) -> Result<Position, Error> {
        let (mut left, mut before) = (count, Position::GENESIS);
        self.walk_back(end, Position::GENESIS, |position| {
            before = position;
            left = left.saturating_sub(1);
            Ok(if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(Position::new(before.get().saturating_sub(1)))
    }

    /// The job's newest event; `None` for a job without events.
    pub(super) fn newest(&self, job: StreamId) -> Result<Option<Position>, Error> {
        let sql = match self.has_milestones()? {
            true => "SELECT position FROM newest WHERE job = ?1",
            false => "SELECT position FROM event WHERE job = ?1 ORDER BY prev DESC LIMIT 1",
        };
        Ok(self.prepare("find a job's newest event", sql)?.value_if_any([job])?)
    }

    /// The event that ends the job's section after `after`; `None` if the job has no event after `after`.
    fn section_end(&self, job: StreamId, after: Position) -> Result<Option<Position>, Error> {
        let doing = "find the end of a section of a job's events";
        let milestone = match self.has_milestones()? {
            true => {
                let sql = concat!(milestones!("position"), " AND position > ?2 ORDER BY position LIMIT 1");
                self.prepare(doing, sql)?.value_if_any(params![job, after])?
            }
            // The index orders a job's events by `prev`. The `prev` of the first event after `after` is the job's newest position
            // up to `after`.
            false => {
                let sql = "SELECT position FROM event WHERE job = ?1 AND position > ?2 \
                           AND prev >= (SELECT ifnull(max(prev), 0) FROM event WHERE job = ?1 AND prev < ?2) \
                           ORDER BY prev LIMIT 1 OFFSET ?3";
                self.prepare(doing, sql)?.value_if_any(params![job, after, SECTION - 1])?
            }
        };
        Ok(match milestone {
            Some(end) => Some(end),
            None => self.newest(job)?.filter(|newest| *newest > after),
        })
    }
}

fn typed<'r>(row: &'r rusqlite::Row<'_>) -> Result<(&'r str, Row<'r>), rusqlite::Error> {
    Ok((row.get_ref(4)?.as_str()?, borrow(row)?))
}
