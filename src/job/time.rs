//! Points in time, with a resolution of one nanosecond.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, SecondsFormat, Timelike, Utc};

/// A text that is not a time, or a time that [`Time`] cannot hold. Holds at most 64 characters of the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an RFC 3339 time between 1678 and 2261, such as `2025-02-28T12:34:56Z`, found `{0}`")]
pub struct BadTime(pub String);

/// A point in time: nanoseconds since 1970-01-01T00:00:00Z.
///
/// 64 bits reach from September 1677 to April 2262. Parsing refuses other times; its message names the whole years
/// between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

impl Time {
    /// One day, in nanoseconds: the largest clock skew of a producer that the ledger accepts.
    pub const DAY: i64 = 86_400_000_000_000;

    /// The time that is `nanos` nanoseconds after the epoch (before it, if negative).
    pub fn from_nanos(nanos: i64) -> Time {
        Time(nanos)
    }

    /// The time that is `micros` microseconds after the epoch. `recordedtime` has this resolution.
    pub fn from_micros(micros: i64) -> Time {
        Time(micros.saturating_mul(1000))
    }

    /// Nanoseconds since the epoch.
    pub fn nanos(self) -> i64 {
        self.0
    }

    /// Whole microseconds since the epoch, rounded down.
    pub fn micros(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Whole milliseconds from `earlier` to this time. Clocks of different producers disagree, so a negative duration
    /// becomes 0.
    pub fn millis_since(self, earlier: Time) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0) / 1_000_000).unwrap_or(0)
    }

    /// The time `nanos` nanoseconds later, or earlier if negative.
    pub fn plus(self, nanos: i64) -> Time {
        Time(self.0.saturating_add(nanos))
    }

    /// RFC 3339 with exactly six digits of a second's fraction: the form of `recordedtime`.
    pub fn with_micros(self) -> String {
        self.utc().to_rfc3339_opts(SecondsFormat::Micros, true)
    }

    fn utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp_nanos(self.0)
    }
}

/// RFC 3339 in UTC with `Z`. A fraction that is not 0 has 3, 6 or 9 digits.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.utc().to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

impl FromStr for Time {
    type Err = BadTime;

    fn from_str(text: &str) -> Result<Self, BadTime> {
        // chrono also reads a space instead of the `T`. RFC 3339 section 5.6 lets an application allow that; the ledger
        // does not.
        DateTime::parse_from_rfc3339(text)
            .ok()
            .filter(|time| !text.contains(' ') && second_exists(time.to_utc()))
            .and_then(|time| time.timestamp_nanos_opt())
            .map(Time)
            .ok_or_else(|| BadTime(text.chars().take(64).collect()))
    }
}

/// Whether the second exists. chrono accepts a leap second at the end of every minute, as 10^9 nanoseconds or more.
/// Only the last minute of a UTC day can have one (RFC 3339, appendix D).
fn second_exists(time: DateTime<Utc>) -> bool {
    time.nanosecond() < 1_000_000_000 || (time.hour(), time.minute(), time.second()) == (23, 59, 59)
}

impl TryFrom<DateTime<Utc>> for Time {
    type Error = BadTime;

    fn try_from(time: DateTime<Utc>) -> Result<Self, BadTime> {
        time.timestamp_nanos_opt().map(Time).ok_or_else(|| BadTime(time.to_rfc3339()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fraction_is_shown_only_where_there_is_one() {
        for (given, shown) in [
            ("2025-02-28T12:34:56Z", "2025-02-28T12:34:56Z"),
            ("2025-02-28T12:34:56.100Z", "2025-02-28T12:34:56.100Z"),
            ("2025-02-28T14:34:56.000001+02:00", "2025-02-28T12:34:56.000001Z"),
            ("1969-12-31T23:59:59.999999999Z", "1969-12-31T23:59:59.999999999Z"),
        ] {
            assert_eq!(given.parse::<Time>().unwrap().to_string(), shown);
        }
        assert!("0001-01-01T00:00:00Z".parse::<Time>().is_err());
        assert!("2025-02-28".parse::<Time>().is_err());
    }

    #[test]
    fn a_leap_second_is_the_last_of_a_day_in_utc() {
        for leap in ["2016-12-31T23:59:60Z", "2016-12-31T15:59:60.5-08:00", "2017-01-01T05:29:60+05:30"] {
            assert!(leap.parse::<Time>().is_ok(), "{leap}");
        }
        for none in
            ["2025-02-28T12:30:60Z", "2016-12-31T23:58:60Z", "2016-12-31T23:59:60-08:00", "2016-12-31T22:59:60Z"]
        {
            assert!(none.parse::<Time>().is_err(), "{none}");
        }
    }

    #[test]
    fn durations_do_not_run_backwards() {
        let (a, b) = (Time::from_micros(1_000_000), Time::from_micros(3_500_000));
        assert_eq!((b.millis_since(a), a.millis_since(b)), (2500, 0));
    }
}
