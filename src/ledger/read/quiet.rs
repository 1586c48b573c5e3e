//! The parts of the log that a read of events with a filter need not look at.

use crate::job::Position;
use crate::ledger::Ledger;
use crate::log::{Filter, Types};
use crate::views::{self, BLOCK};

impl Ledger {
    /// A position at or after `after` from which a read of events may begin as well: no event between the two is one that `filter`
    /// shows. The views know that by blocks of the log; without views it is `after`.
    pub fn quiet_after(&self, after: Position, filter: &Filter) -> Position {
        // The log itself finds the events of one job.
        let is_narrow = filter.one_job().is_none() && (filter.kind.is_some() || filter.types != Types::ALL);
        let is_far = self.head().get().saturating_sub(after.get()) > BLOCK;
        if !is_narrow || !is_far {
            return after;
        }
        // A failed read costs time and no event. `views_now` has the views made again if they are damaged.
        self.views_now(|conn| views::quiet_after(conn, after, filter)).unwrap_or(after)
    }
}
