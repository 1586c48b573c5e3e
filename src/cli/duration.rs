//! Parsers for options that take a duration.

use std::time::Duration;

/// Why an option refuses a duration.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadDuration {
    #[error("expected a number with its unit, such as `500ms`, `30s`, `1h` or `2days`: {0}")]
    Unreadable(#[from] humantime::DurationError),
    #[error("expected more than 0")]
    Zero,
    #[error("expected at most {}", humantime::format_duration(*.0))]
    TooLong(Duration),
}

/// Reads `500ms`, `30s`, `5m`, `1h`, `7d` or `1h 30m`.
pub(super) fn duration(text: &str) -> Result<Duration, BadDuration> {
    Ok(humantime::parse_duration(text)?)
}

/// Reads a duration of more than 0.
pub(super) fn some_time(text: &str) -> Result<Duration, BadDuration> {
    match duration(text)? {
        Duration::ZERO => Err(BadDuration::Zero),
        some => Ok(some),
    }
}

/// Reads a duration of at most `longest`.
pub(super) fn up_to(longest: Duration, text: &str) -> Result<Duration, BadDuration> {
    match duration(text)? {
        long if long > longest => Err(BadDuration::TooLong(longest)),
        short => Ok(short),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_needs_its_unit() {
        for (text, ms) in [("500ms", 500), ("30s", 30_000), ("5m", 300_000), ("1h", 3_600_000), ("7d", 604_800_000)] {
            assert_eq!(duration(text).unwrap(), Duration::from_millis(ms), "{text}");
        }
        for text in ["", "30", "s", "-1s", "30x", "99999999999999999999s"] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert!(some_time("0s").is_err());
        assert!(up_to(Duration::from_secs(60), "61s").is_err());
    }
}
