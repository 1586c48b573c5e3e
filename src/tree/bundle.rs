//! Entry bundles: the leaves of a tile, each behind its length as two bytes, big-endian (C2SP tlog-tiles, "Log entries").

use crate::job::plural;

/// The longest entry that the format has room for, in bytes.
pub const MAX_ENTRY: usize = u16::MAX as usize;

/// Why entries are not a bundle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// It does not fit behind two bytes of length.
    #[error("expected an entry of at most {MAX_ENTRY} bytes, found {0}")]
    Long(usize),
    /// The bundle ends inside an entry.
    #[error("expected {} in the bundle, it ends after {found}", plural(expected, "entry", "entries"))]
    Short {
        /// How many there must be.
        expected: u16,
        /// How many are whole.
        found: u16,
    },
    /// Something follows the last entry.
    #[error(
        "expected the end of the bundle after {}, found {} more",
        plural(expected, "entry", "entries"),
        plural(rest, "byte", "bytes")
    )]
    Rest {
        /// How many entries there must be.
        expected: u16,
        /// How many bytes follow.
        rest: usize,
    },
}

/// Adds a leaf to a bundle.
pub fn push_entry(bundle: &mut Vec<u8>, leaf: &[u8]) -> Result<(), BundleError> {
    let len = u16::try_from(leaf.len()).map_err(|_| BundleError::Long(leaf.len()))?;
    bundle.extend_from_slice(&len.to_be_bytes());
    bundle.extend_from_slice(leaf);
    Ok(())
}

/// The leaves in a bundle of exactly `width` entries.
pub fn split_entries(bundle: &[u8], width: u16) -> Result<Vec<&[u8]>, BundleError> {
    let mut rest = bundle;
    let mut leaves = Vec::with_capacity(usize::from(width));
    for found in 0..width {
        let (leaf, after) = split_first(rest).ok_or(BundleError::Short { expected: width, found })?;
        leaves.push(leaf);
        rest = after;
    }
    if rest.is_empty() { Ok(leaves) } else { Err(BundleError::Rest { expected: width, rest: rest.len() }) }
}

fn split_first(bundle: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bundle.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_as_they_were_and_nothing_else_does() {
        let longest = vec![7; MAX_ENTRY];
        let leaves = [b"a".as_slice(), b"", &longest, b"bc"];
        let mut bundle = Vec::new();
        for leaf in leaves {
            push_entry(&mut bundle, leaf).unwrap();
        }
        assert_eq!(bundle[..7], [0, 1, b'a', 0, 0, 0xff, 0xff]);
        assert_eq!(split_entries(&bundle, 4).unwrap(), leaves);
        assert_eq!(split_entries(&bundle, 5), Err(BundleError::Short { expected: 5, found: 4 }));
        assert_eq!(split_entries(&bundle, 3), Err(BundleError::Rest { expected: 3, rest: 4 }));
        for cut in 1..4 {
            let short = &bundle[..bundle.len() - cut];
            assert_eq!(split_entries(short, 4), Err(BundleError::Short { expected: 4, found: 3 }));
        }
        assert_eq!(push_entry(&mut bundle, &[0; MAX_ENTRY + 1]), Err(BundleError::Long(MAX_ENTRY + 1)));
        assert_eq!(split_entries(&bundle, 4).unwrap(), leaves, "an entry that is refused adds nothing");
    }
}
