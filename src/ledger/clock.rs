//! The machine's clock, compared with the newest event. Recorded times never fall; the clock may.

use crate::job::Time;
use crate::log::{self, Reader};

/// How far the clock may be behind the newest event before the ledger warns, in milliseconds: one minute.
pub const CLOCK_BEHIND_MS: u64 = 60_000;
/// How old the newest event may be before a start logs its age, in milliseconds: 30 days.
const OLD_MS: u64 = 30 * 24 * 3_600_000;

/// The ledger's time when the clock says `now` and the newest event was recorded at `newest`.
///
/// If the clock is behind by a minute at most, the ledger takes this for a small correction: its time stands still until the clock
/// passes the newest event. If the clock is further behind, the ledger believes the clock: then a wrong clock recorded the newest
/// event.
pub(super) fn time(now: Time, newest: Time) -> Time {
    if newest.millis_since(now) > CLOCK_BEHIND_MS { now } else { now.max(newest) }
}

/// Logs a large difference between the clock and the newest event's `recordedtime`.
pub(super) fn compare(log: &Reader<'_>, now: Time) -> Result<(), log::Error> {
    let Some(newest) = log.recorded(log.head()?)? else { return Ok(()) };
    let (behind, age) = (newest.millis_since(now), now.millis_since(newest));
    if behind > CLOCK_BEHIND_MS {
        tracing::warn!(
            %newest, %now, behind_ms = behind,
            "the clock is behind the newest event: until the clock passes that event, every event gets the same `recordedtime`; check the clock"
        );
    } else if age > OLD_MS {
        tracing::info!(%newest, %now, "the newest event is old; if the ledger was in use since, check the clock");
    }
    Ok(())
}
