//! The times of one commit.

use crate::job::Time;
use crate::ledger::clock;

/// The times of one commit, also as leaves write them.
pub(in crate::ledger) struct Stamp {
    /// The ledger's time ([`clock::time`]): an event's `time` if its producer gives none.
    pub now: Time,
    /// When the events of the commit are recorded. Never before the newest event, even if the clock is.
    pub recorded: Time,
    /// `recorded`, as `time` is written.
    pub text: String,
    /// `recorded`, as `recordedtime` is written.
    pub with_micros: String,
}

impl Stamp {
    /// The times of a commit when the clock says `clock` and the newest event was recorded at `newest`.
    pub(super) fn new(clock: Time, newest: Time) -> Stamp {
        let recorded = newest.max(clock);
        let (text, with_micros) = (recorded.to_string(), recorded.with_micros());
        Stamp { now: clock::time(clock, newest), recorded, text, with_micros }
    }
}
