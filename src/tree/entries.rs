//! Entry tiles: the leaves under one tile of level 0, each behind its length as two big-endian bytes (C2SP tlog-tiles, "Log
//! entries").

use crate::job::plural;

/// The longest entry that the format has room for, in bytes.
pub const MAX_ENTRY: usize = u16::MAX as usize;

/// Why bytes are not an entry tile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryTileError {
    /// The entry's length does not fit into two bytes.
    #[error("expected an entry of at most {MAX_ENTRY} bytes, found {0}")]
    Long(usize),
    /// The tile ends inside an entry.
    #[error("expected {} in the tile, found {found} and the tile's end", plural(expected, "entry", "entries"))]
    Short {
        /// How many entries the tile must have.
        expected: u16,
        /// How many of them are whole.
        found: u16,
    },
    /// Bytes follow the last entry.
    #[error(
        "expected the end of the tile after {}, found {} more",
        plural(expected, "entry", "entries"),
        plural(rest, "byte", "bytes")
    )]
    Rest {
        /// How many entries the tile must have.
        expected: u16,
        /// How many bytes follow them.
        rest: usize,
    },
}

/// Adds a leaf to an entry tile.
///
/// # Errors
/// A leaf that is longer than [`MAX_ENTRY`] is refused, and the tile stays as it was.
pub fn push_entry(tile: &mut Vec<u8>, leaf: &[u8]) -> Result<(), EntryTileError> {
    let len = u16::try_from(leaf.len()).map_err(|_| EntryTileError::Long(leaf.len()))?;
    tile.extend_from_slice(&len.to_be_bytes());
    tile.extend_from_slice(leaf);
    Ok(())
}

/// The leaves in an entry tile of exactly `width` entries.
///
/// # Errors
/// A tile with fewer entries, or with bytes after them, is refused.
pub fn split_entries(tile: &[u8], width: u16) -> Result<Vec<&[u8]>, EntryTileError> {
    let mut rest = tile;
    let mut leaves = Vec::with_capacity(usize::from(width));
    for found in 0..width {
        let (leaf, after) = split_first(rest).ok_or(EntryTileError::Short { expected: width, found })?;
        leaves.push(leaf);
        rest = after;
    }
    if rest.is_empty() { Ok(leaves) } else { Err(EntryTileError::Rest { expected: width, rest: rest.len() }) }
}

fn split_first(tile: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = tile.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tile_gives_back_its_entries_and_is_refused_with_another_width() {
        let longest = vec![7; MAX_ENTRY];
        let leaves = [b"a".as_slice(), b"", &longest, b"bc"];
        let mut tile = Vec::new();
        for leaf in leaves {
            push_entry(&mut tile, leaf).unwrap();
        }
        assert_eq!(tile[..7], [0, 1, b'a', 0, 0, 0xff, 0xff]);
        assert_eq!(split_entries(&tile, 4).unwrap(), leaves);
        assert_eq!(split_entries(&tile, 5), Err(EntryTileError::Short { expected: 5, found: 4 }));
        assert_eq!(split_entries(&tile, 3), Err(EntryTileError::Rest { expected: 3, rest: 4 }));
        for cut in 1..4 {
            let short = &tile[..tile.len() - cut];
            assert_eq!(split_entries(short, 4), Err(EntryTileError::Short { expected: 4, found: 3 }));
        }
        assert_eq!(push_entry(&mut tile, &[0; MAX_ENTRY + 1]), Err(EntryTileError::Long(MAX_ENTRY + 1)));
        assert_eq!(split_entries(&tile, 4).unwrap(), leaves, "an entry that is refused adds nothing");
    }
}
