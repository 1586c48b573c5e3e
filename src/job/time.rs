//! Moments, to the nanosecond, as the read models show them.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, SecondsFormat, Timelike, Utc};

/// Not a time, or one that cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an RFC 3339 time between 1678 and 2261, such as `2025-02-28T12:34:56Z`, found `{0}`")]
pub struct BadTime(pub String);

/// A moment in UTC: nanoseconds since 1970-01-01T00:00:00Z.
///
/// The 64 bits end in April 2262, which is why times outside 1678 to 2261 are refused on the way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

impl Time {
    /// One day, in nanoseconds: how far a producer's clock may be off.
    pub const DAY: i64 = 86_400_000_000_000;

    /// From nanoseconds since the epoch.
    pub fn from_nanos(nanos: i64) -> Time {
        Time(nanos)
    }

    /// From microseconds since the epoch, the resolution of `recordedtime`.
    pub fn from_micros(micros: i64) -> Time {
        Time(micros.saturating_mul(1000))
    }

    /// Nanoseconds since the epoch.
    pub fn nanos(self) -> i64 {
        self.0
    }

    /// Whole microseconds since the epoch.
    pub fn micros(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Whole milliseconds from `earlier` to here; never below 0, because clocks of different producers disagree.
    pub fn millis_since(self, earlier: Time) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0) / 1_000_000).unwrap_or(0)
    }

    /// This moment, `nanos` later (or earlier).
    pub fn plus(self, nanos: i64) -> Time {
        Time(self.0.saturating_add(nanos))
    }

    /// RFC 3339 with exactly six digits: how `recordedtime` is written.
    pub fn with_micros(self) -> String {
        self.utc().to_rfc3339_opts(SecondsFormat::Micros, true)
    }

    fn utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp_nanos(self.0)
    }
}

/// RFC 3339, `Z`, and a fraction of 3, 6 or 9 digits only where it is not zero.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.utc().to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

impl FromStr for Time {
    type Err = BadTime;

    fn from_str(text: &str) -> Result<Self, BadTime> {
        // chrono also reads a space for the `T`; RFC 3339 section 5.6 leaves that to applications, and this one does not.
        DateTime::parse_from_rfc3339(text)
            .ok()
            .filter(|time| !text.contains(' ') && is_in_a_day(time.to_utc()))
            .and_then(|time| time.timestamp_nanos_opt())
            .map(Time)
            .ok_or_else(|| BadTime(text.chars().take(64).collect()))
    }
}

/// Whether there is such a second. chrono reads the 61st second of every minute, as a second with more than 10^9
/// nanoseconds; a day has it once, at its end in UTC (RFC 3339, appendix D).
fn is_in_a_day(time: DateTime<Utc>) -> bool {
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
