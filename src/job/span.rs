//! A length of time as people write it in a filter: `15m`.

use std::fmt;
use std::str::FromStr;

/// A text that is no length of time. Holds at most 64 characters of the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a whole number from 1 with its unit, s, m, h or d, such as `15m`, of at most 3650d; found `{0}`")]
pub struct BadSpan(pub String);

/// A length of time: whole seconds, from 1 second to 3650 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(u32);

const MAX: u64 = 3650 * 86_400;

impl Span {
    /// Whole seconds.
    pub fn seconds(self) -> u32 {
        self.0
    }

    /// Nanoseconds.
    pub fn nanos(self) -> i64 {
        i64::from(self.0) * 1_000_000_000
    }
}

impl FromStr for Span {
    type Err = BadSpan;

    fn from_str(text: &str) -> Result<Span, BadSpan> {
        let bad = || BadSpan(text.chars().take(64).collect());
        let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(bad)?;
        let seconds: u64 = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => return Err(bad()),
        };
        let is_number = number.bytes().all(|b| b.is_ascii_digit());
        let number: u64 = number.parse().ok().filter(|_| is_number).ok_or_else(bad)?;
        let seconds = number.checked_mul(seconds).filter(|seconds| (1..=MAX).contains(seconds)).ok_or_else(bad)?;
        Ok(Span(u32::try_from(seconds).map_err(|_| bad())?))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}s", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_a_number_with_its_unit() {
        for (text, seconds) in [("1s", 1), ("15m", 900), ("36h", 129_600), ("3650d", 315_360_000), ("007m", 420)] {
            assert_eq!(text.parse::<Span>().unwrap().seconds(), seconds, "{text}");
        }
        for text in [
            "",
            "m",
            "15",
            "0m",
            "-1m",
            "+1m",
            "1.5h",
            "15 m",
            "15M",
            "1h30m",
            "3651d",
            "99999999999999999999s",
            "1µ",
            "é",
        ] {
            assert_eq!(text.parse::<Span>(), Err(BadSpan(text.into())), "{text}");
        }
    }
}
