//! Points in time, with a resolution of one nanosecond.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, NaiveDate, Timelike, Utc};

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
        Spelling::of(self, 6).as_str().to_owned()
    }

    fn utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp_nanos(self.0)
    }
}

/// RFC 3339 in UTC with `Z`. A fraction that is not 0 has 3, 6 or 9 digits.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = match self.0 {
            nanos if nanos % 1_000_000_000 == 0 => 0,
            nanos if nanos % 1_000_000 == 0 => 3,
            nanos if nanos % 1000 == 0 => 6,
            _ => 9,
        };
        f.write_str(Spelling::of(*self, digits).as_str())
    }
}

/// A time in RFC 3339, in UTC with `Z`. chrono formats a time more slowly, and an audit spells each time of the log again.
struct Spelling {
    bytes: [u8; 30],
    len: usize,
}

impl Spelling {
    /// `time` with `digits` digits of a second's fraction, 9 at the most.
    fn of(time: Time, digits: usize) -> Spelling {
        let mut bytes = *b"0000-00-00T00:00:00.000000000Z";
        let utc = time.utc();
        put(&mut bytes[0..4], utc.year().unsigned_abs());
        put(&mut bytes[5..7], utc.month());
        put(&mut bytes[8..10], utc.day());
        put(&mut bytes[11..13], utc.hour());
        put(&mut bytes[14..16], utc.minute());
        put(&mut bytes[17..19], utc.second());
        put(&mut bytes[20..29], utc.nanosecond());
        let end = if digits == 0 { 19 } else { 20 + digits };
        bytes[end] = b'Z';
        Spelling { bytes, len: end + 1 }
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.len]).expect("digits are ASCII")
    }
}

/// Writes `number` with leading zeros.
fn put(digits: &mut [u8], mut number: u32) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// Reads the spellings that the ledger writes: UTC with `Z`, and a fraction of 0, 3, 6 or 9 digits; `None` for all other texts,
/// which may be times too. chrono reads any spelling, and more slowly.
fn read_plain(text: &str) -> Option<Time> {
    let (moment, fraction) = text.as_bytes().strip_suffix(b"Z")?.split_at_checked("2025-02-28T12:34:56".len())?;
    let separated =
        [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')].into_iter().all(|(at, b)| moment[at] == b);
    let nanos = match fraction {
        [] => 0,
        [b'.', digits @ ..] if matches!(digits.len(), 3 | 6 | 9) => {
            number(digits)? * 10_u32.pow(9 - digits.len() as u32)
        }
        _ => return None,
    };
    let year = number(&moment[0..4])?;
    let (second, is_possible) = (number(&moment[17..19])?, (1678..=2261).contains(&year));
    if !separated || !is_possible || second > 59 {
        return None;
    }
    NaiveDate::from_ymd_opt(year as i32, number(&moment[5..7])?, number(&moment[8..10])?)?
        .and_hms_nano_opt(number(&moment[11..13])?, number(&moment[14..16])?, second, nanos)?
        .and_utc()
        .timestamp_nanos_opt()
        .map(Time)
}

/// The number that decimal digits spell, 9 digits at the most.
fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0')))
}

impl FromStr for Time {
    type Err = BadTime;

    fn from_str(text: &str) -> Result<Self, BadTime> {
        read_plain(text).or_else(|| read_any(text)).ok_or_else(|| BadTime(text.chars().take(64).collect()))
    }
}

/// Reads every spelling of a time.
fn read_any(text: &str) -> Option<Time> {
    // chrono also reads a space instead of the `T`. RFC 3339 section 5.6 lets an application allow that; the ledger
    // does not.
    DateTime::parse_from_rfc3339(text)
        .ok()
        .filter(|time| !text.contains(' ') && second_exists(time.to_utc()))
        .and_then(|time| time.timestamp_nanos_opt())
        .map(Time)
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
    use chrono::SecondsFormat;
    use proptest::prelude::*;

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

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_time_is_spelled_as_chrono_spells_it(nanos: i64, unit in prop::sample::select(vec![1, 1000, 1_000_000, 1_000_000_000])) {
            let time = Time(nanos / unit * unit);
            prop_assert_eq!(time.to_string(), time.utc().to_rfc3339_opts(SecondsFormat::AutoSi, true));
            prop_assert_eq!(time.with_micros(), time.utc().to_rfc3339_opts(SecondsFormat::Micros, true));
            prop_assert_eq!(time.to_string().parse(), Ok(time));
        }

        #[test]
        fn both_readers_agree_on_every_text_that_the_quick_one_reads(
            nanos: i64,
            at in 0..30_usize,
            put in "[0-9TtZz:. +-]{0,2}",
            taken in 0..3_usize,
        ) {
            let mut text = Time(nanos).to_string();
            let at = at.min(text.len());
            text.replace_range(at..text.len().min(at + taken), &put);
            if let Some(time) = read_plain(&text) {
                prop_assert_eq!(read_any(&text), Some(time), "{}", text);
            }
        }
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
