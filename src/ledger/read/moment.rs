//! Moments that a read asks for, and their position and time in the log.

use std::str::FromStr;

use super::ReadError;
use crate::job::{Position, Time};
use crate::log::Reader;

/// A moment that a read asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsOf {
    /// After the event at this position.
    Position(Position),
    /// After every event recorded at or before this time.
    Time(Time),
}

/// A text that is no moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a position or an RFC 3339 time, found `{0}`")]
pub struct NotAMoment(String);

impl FromStr for AsOf {
    type Err = NotAMoment;

    fn from_str(text: &str) -> Result<AsOf, NotAMoment> {
        let read = match text.bytes().all(|b| b.is_ascii_digit()) {
            true => text.parse().map(AsOf::Position).ok(),
            false => text.parse().map(AsOf::Time).ok(),
        };
        read.ok_or_else(|| NotAMoment(text.chars().take(64).collect()))
    }
}

/// A point in time of the log. The earlier of two is less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PointInTime {
    /// The newest event at that time.
    pub position: Position,
    /// The time.
    pub time: Time,
}

impl PointInTime {
    /// The point in time of `moment`, when the clock says `now`; `None` is the newest event. `name` is the parameter that an
    /// error names.
    ///
    /// # Errors
    ///
    /// The moment is in the future, or the log cannot be read.
    pub fn find(
        moment: Option<AsOf>,
        name: &'static str,
        log: &Reader<'_>,
        now: Time,
    ) -> Result<PointInTime, ReadError> {
        let head = log.head()?;
        let recorded = |position| Ok::<_, ReadError>(log.recorded(position)?.unwrap_or(now));
        match moment {
            None => Ok(PointInTime { position: head, time: recorded(head)? }),
            Some(AsOf::Position(position)) if position > head => {
                Err(ReadError::Beyond { name, found: position.to_string(), head: head.to_string() })
            }
            Some(AsOf::Position(position)) => Ok(PointInTime { position, time: recorded(position)? }),
            Some(AsOf::Time(time)) => {
                let newest = recorded(head)?;
                // If the clock is behind, the next event may be recorded at the newest event's time, so that time is not over.
                let newest = if newest > now { newest.plus(-1000) } else { now };
                if time > newest {
                    return Err(ReadError::Beyond { name, found: time.to_string(), head: newest.to_string() });
                }
                Ok(PointInTime { position: log.at_time(time)?, time })
            }
        }
    }
}
