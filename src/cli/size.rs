//! Sizes in bytes as options take them: a whole number and its unit.

/// A size that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("expected a whole number with its unit: KiB, MiB, GiB or TiB, such as `256MiB`")]
pub(super) struct BadSize;

/// Reads `256MiB` as bytes.
pub(super) fn size(text: &str) -> Result<u64, BadSize> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or(BadSize)?;
    let (number, unit) = text.split_at(digits);
    let unit: u64 = match unit {
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return Err(BadSize),
    };
    number.parse().ok().and_then(|number: u64| number.checked_mul(unit)).ok_or(BadSize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_needs_its_unit() {
        assert_eq!((size("256MiB").ok(), size("1TiB").ok()), (Some(256 << 20), Some(1 << 40)));
        for text in ["", "256", "MiB", "256MB", "256 MiB", "-1MiB", "1.5GiB", "99999999999TiB"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
