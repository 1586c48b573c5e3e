//! The size and the root of a tree.

use std::fmt;
use std::str::FromStr;

use super::{Hash, decimal, excerpt};

/// The number of a tree's leaves: 1 to 2⁶³ − 1, the largest integer of SQLite.
///
/// A size from outside becomes a `Size` before it is used, so that no shift, sum or loop sees a larger number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(u64);

/// A number that is no tree's size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a tree's size, a number from 1 to 2^63 - 1, found `{0}`")]
pub struct BadSize(String);

impl Size {
    /// The largest tree.
    pub const MAX: Size = Size(i64::MAX as u64);

    /// A tree of `leaves` leaves.
    pub fn new(leaves: u64) -> Result<Size, BadSize> {
        if (1..=Size::MAX.0).contains(&leaves) { Ok(Size(leaves)) } else { Err(BadSize(leaves.to_string())) }
    }

    /// The size of the tree whose last leaf has the index `last`; at most [`Size::MAX`].
    pub fn up_to(last: u64) -> Size {
        Size(last.saturating_add(1).min(Size::MAX.0))
    }

    /// The index of the last leaf.
    pub fn last(self) -> u64 {
        self.0 - 1
    }

    /// The number of leaves.
    pub fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Size {
    type Err = BadSize;

    /// Parses decimal digits without leading zeros.
    fn from_str(text: &str) -> Result<Size, BadSize> {
        decimal(text).and_then(|leaves| Size::new(leaves).ok()).ok_or_else(|| BadSize(excerpt(text)))
    }
}

/// A tree's size and root. A verifier who trusts both can check every leaf of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The number of leaves.
    pub size: Size,
    /// The Merkle tree hash over the leaves (RFC 6962 section 2.1).
    pub root: Hash,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_tree_is_empty_or_larger_than_can_be_counted() {
        assert_eq!("9223372036854775807".parse(), Ok(Size::MAX));
        for bad in ["0", "01", "", "+1", "9223372036854775808", "18446744073709551615", "18446744073709551616"] {
            assert!(bad.parse::<Size>().is_err(), "{bad}");
        }
    }
}
