//! Tiles: up to 256 neighbouring hashes, or leaves, as one file (C2SP tlog-tiles).

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use super::{Hash, NodeId, Size, decimal, excerpt};
use crate::job::plural;

/// Hashes in a full tile. A full tile is a subtree of height 8.
const WIDTH: u16 = 256;

/// The content of a tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TileKind {
    /// Hashes of complete subtrees of height 8 · `level`. A tree of fewer than 2⁶⁴ leaves has the levels 0 to 7 only.
    Hashes {
        /// The tile's level, 0 to 7.
        level: u8,
    },
    /// Leaves.
    Entries,
}

/// A full or partial tile. Its text is its path below the log's prefix, in the canonical spelling only:
/// `tile/<L>/<N>[.p/<W>]` or `tile/entries/<N>[.p/<W>]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tile {
    kind: TileKind,
    index: u64,
    width: u16,
}

/// Why a path or bytes are no tile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TileError {
    /// The text is no path in its canonical spelling, or no tree can have the tile.
    #[error("expected `tile/<level>/<index>[.p/<width>]` or `tile/entries/<index>[.p/<width>]`, found `{0}`")]
    Path(String),
    /// The tile has too few or too many bytes.
    #[error("expected {} in `{tile}`, found {found}", plural(expected, "byte", "bytes"))]
    Bytes {
        /// The tile.
        tile: Tile,
        /// How many bytes the tile must have.
        expected: usize,
        /// How many bytes were found.
        found: usize,
    },
}

impl Tile {
    /// The tile at `index` in the tree of this size, full or partial; `None` if the tree has no tile there.
    pub fn of(size: Size, kind: TileKind, index: u64) -> Option<Tile> {
        // "The partial tile at level l for a tree of size s has floor(s / 256^l) mod 256 entries."
        let nodes = size.get().checked_shr(kind.node_level())?;
        let rest = nodes.checked_sub(index.checked_mul(u64::from(WIDTH))?)?;
        let width = rest.min(u64::from(WIDTH)) as u16;
        (width > 0).then_some(Tile { kind, index, width })
    }

    /// The tile's content.
    pub fn kind(&self) -> TileKind {
        self.kind
    }

    /// The tile's place on its level, counted from 0 at the left.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The number of hashes or entries, 1 to 256.
    pub fn width(&self) -> u16 {
        self.width
    }

    /// Whether the tile has fewer than 256 hashes or entries. A larger tree has a wider tile in its place.
    pub fn is_partial(&self) -> bool {
        self.width < WIDTH
    }

    /// Whether the tree of this size has exactly this tile: full, or as wide as the tree's right edge.
    pub fn is_of(&self, size: Size) -> bool {
        Tile::of(size, self.kind, self.index) == Some(*self)
    }

    /// Whether the tree of this size has every hash or entry of the tile. The tile may belong to a smaller tree.
    pub fn is_within(&self, size: Size) -> bool {
        Tile::of(size, self.kind, self.index).is_some_and(|tile| self.width <= tile.width)
    }

    /// The places of the tile's hashes on their level. For entries and on level 0 these are the indices of leaves.
    pub fn range(&self) -> Range<u64> {
        let start = self.index * u64::from(WIDTH);
        start..start + u64::from(self.width)
    }

    /// The nodes of the tile's hashes; for entries, the nodes of the leaves.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> {
        let level = self.kind.node_level() as u8;
        self.range().map(move |index| NodeId { level, index })
    }

    /// The bytes of a tile of hashes, at most 8,192. `read` reads the hash of a stored node.
    pub fn read<E>(&self, mut read: impl FnMut(NodeId) -> Result<Hash, E>) -> Result<Vec<u8>, E> {
        let mut bytes = Vec::with_capacity(usize::from(self.width) * Hash::LEN);
        for node in self.nodes() {
            bytes.extend_from_slice(read(node)?.as_bytes());
        }
        Ok(bytes)
    }

    /// The hashes in the bytes of a tile of hashes.
    ///
    /// # Errors
    /// [`TileError::Bytes`] if there are not [`Tile::width`] hashes.
    pub fn hashes(&self, bytes: &[u8]) -> Result<Vec<Hash>, TileError> {
        let (hashes, rest) = bytes.as_chunks::<{ Hash::LEN }>();
        if hashes.len() != usize::from(self.width) || !rest.is_empty() {
            let expected = usize::from(self.width) * Hash::LEN;
            return Err(TileError::Bytes { tile: *self, expected, found: bytes.len() });
        }
        Ok(hashes.iter().copied().map(Hash).collect())
    }

    fn parse(path: &str) -> Option<Tile> {
        let (level, place) = path.strip_prefix("tile/")?.split_once('/')?;
        let kind = match level {
            "entries" => TileKind::Entries,
            level => TileKind::Hashes { level: decimal(level)?.try_into().ok()? },
        };
        let (index, width) = match place.split_once(".p/") {
            Some((index, width)) => (index, decimal(width)?),
            None => (place, u64::from(WIDTH)),
        };
        let index = index.split('/').try_fold(0_u64, |index, three| {
            index.checked_mul(1000)?.checked_add(three.trim_start_matches('x').parse().ok()?)
        })?;
        let tile = Tile { kind, index, width: width.try_into().ok()? };
        // Encode the path again and compare, to refuse other spellings.
        ((1..=WIDTH).contains(&tile.width) && tile.is_within(Size::MAX) && tile.to_string() == path).then_some(tile)
    }
}

impl TileKind {
    /// The height of the subtrees under the tile's hashes.
    fn node_level(self) -> u32 {
        match self {
            TileKind::Entries => 0,
            TileKind::Hashes { level } => u32::from(level) * WIDTH.ilog2(),
        }
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Hashes { level } => write!(f, "tile/{level}/")?,
            TileKind::Entries => f.write_str("tile/entries/")?,
        }
        let digits = self.index.to_string();
        let padded = format!("{digits:0>width$}", width = digits.len().next_multiple_of(3));
        let (last, before) = (&padded[padded.len() - 3..], &padded[..padded.len() - 3]);
        for start in (0..before.len()).step_by(3) {
            write!(f, "x{}/", &before[start..start + 3])?;
        }
        f.write_str(last)?;
        if self.is_partial() { write!(f, ".p/{}", self.width) } else { Ok(()) }
    }
}

impl FromStr for Tile {
    type Err = TileError;

    fn from_str(path: &str) -> Result<Tile, TileError> {
        Tile::parse(path).ok_or_else(|| TileError::Path(excerpt(path)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAVES: TileKind = TileKind::Hashes { level: 0 };

    #[test]
    fn a_path_has_one_spelling() {
        for path in [
            "tile/0/000",
            "tile/0/x001/x234/067",
            "tile/1/x001/x234/067.p/5",
            "tile/0/999.p/255",
            "tile/0/x001/000",
            "tile/entries/000.p/1",
            "tile/entries/x001/x234/067",
            "tile/7/000.p/127",
            "tile/0/x036/x028/x797/x018/x963/966",
        ] {
            assert_eq!(path.parse::<Tile>().map(|tile| tile.to_string()).as_deref(), Ok(path));
        }
    }

    #[test]
    fn other_spellings_and_impossible_tiles_are_refused() {
        let written = "tile/00/000 tile/0/0 tile/0/00 tile/0/0000 tile/0/1234 tile/0/x000/001 tile/0/001/000 tile/0/x001
            tile/0/xx001/000 tile/0/x001/x000 tile/0/X001/000 tile/0/+01 tile/0/-01 tile/0/0a1 tile/0/ tile/0 tile/ tile
            /tile/0/000 tile/0/000/ tile/0//000 tile/0/000.p tile/0/000.p/ tile/0/000.p/0 tile/0/000.p/01 tile/0/000.p/+1
            tile/0/000.p/256 tile/0/000.p/257 tile/0/000.p/65537 tile/0/000.p/1/ tile/0/000.p/1.p/1 tile/0/000.P/1 tile/-1/000
            tile/+1/000 tile/1.0/000 tile/data/000 tile/Entries/000 tile/entries tile/8/0/000 tile/0/0%30 tile/0/٠٠٠";
        // Level 7 of the largest tree has 127 hashes; no tree has a level 8. The rest would overflow if it were multiplied.
        let impossible = "tile/7/000 tile/7/000.p/128 tile/7/001.p/1 tile/8/000.p/1 tile/63/000 tile/64/000 tile/255/000 tile/256/000
            tile/0/x036/x028/x797/x018/x963/967 tile/0/x036/x028/x797/x018/x963/968.p/1 tile/0/x072/x057/x594/x037/x927/935
            tile/0/x018/x446/x744/x073/x709/x551/615 tile/0/x018/x446/x744/x073/x709/x551/616
            tile/0/x999/x999/x999/x999/x999/x999/x999/999";
        for path in written.split_ascii_whitespace().chain(impossible.split_ascii_whitespace()) {
            assert!(path.parse::<Tile>().is_err(), "{path}");
        }
        for path in ["", "tile/0/000 ", "tile/0/000\n", &format!("tile/0/{}000", "x000/".repeat(10_000))] {
            assert!(path.parse::<Tile>().is_err(), "{path}");
        }
    }

    #[test]
    fn the_tiles_of_the_example_of_the_specification() {
        // "A tree of size 70,000 will be represented by 273 full level 0 tiles, one partial level 0 tile of width 112, one
        // full level 1 tile, one partial level 1 tile of width 17, and one partial level 2 tile of width 1."
        let size = Size::new(70_000).unwrap();
        let widths = |kind| (0..).map_while(move |index| Tile::of(size, kind, index)).map(|tile| tile.width());
        for kind in [LEAVES, TileKind::Entries] {
            assert!(widths(kind).eq(std::iter::repeat_n(256, 273).chain([112])));
        }
        assert!(widths(TileKind::Hashes { level: 1 }).eq([256, 17]));
        assert!(widths(TileKind::Hashes { level: 2 }).eq([1]));
        assert_eq!(widths(TileKind::Hashes { level: 3 }).count(), 0);
        // "A tree of size 256 will be represented by a full level 0 tile and a partial level 1 tile of width 1."
        let size = Size::new(256).unwrap();
        assert!(!Tile::of(size, LEAVES, 0).unwrap().is_partial());
        assert_eq!(Tile::of(size, LEAVES, 1), None);
        assert_eq!(Tile::of(size, TileKind::Hashes { level: 1 }, 0).unwrap().to_string(), "tile/1/000.p/1");
    }

    #[test]
    fn a_tree_has_its_own_widths_and_those_of_the_trees_before_it() {
        let tile = |path: &str| path.parse::<Tile>().unwrap();
        let size = |leaves| Size::new(leaves).unwrap();
        for (path, leaves, of, within) in [
            ("tile/0/000.p/255", 254, false, false),
            ("tile/0/000.p/255", 255, true, true),
            ("tile/0/000.p/255", 256, false, true),
            ("tile/0/000", 255, false, false),
            ("tile/0/000", 256, true, true),
            ("tile/0/001.p/1", 256, false, false),
            ("tile/entries/001.p/1", 257, true, true),
            ("tile/1/000.p/1", 255, false, false),
            ("tile/1/000.p/255", 65_535, true, true),
            ("tile/1/000", 65_536, true, true),
            ("tile/2/000.p/1", 65_537, true, true),
        ] {
            assert_eq!((tile(path).is_of(size(leaves)), tile(path).is_within(size(leaves))), (of, within), "{path}");
        }
    }

    #[test]
    fn a_tile_names_complete_nodes_only() {
        for leaves in [1, 255, 256, 257, 65_535, 65_536, 65_537, Size::MAX.get()] {
            let size = Size::new(leaves).unwrap();
            for level in 0..8 {
                let nodes = leaves >> (8 * level);
                let Some(last) = nodes.checked_sub(1) else { continue };
                let tile = Tile::of(size, TileKind::Hashes { level }, last / 256).unwrap();
                assert!(tile.nodes().all(|node| node.is_within(size)));
                assert_eq!(tile.range().end, nodes);
            }
        }
        for (level, index) in [(8, 0), (255, 0), (0, u64::MAX), (7, 1)] {
            assert_eq!(Tile::of(Size::MAX, TileKind::Hashes { level }, index), None);
        }
    }

    #[test]
    fn the_bytes_of_a_tile_are_as_many_as_its_name_says() {
        let tile: Tile = "tile/1/x001/000.p/3".parse().unwrap();
        let hash = |node: NodeId| Hash([(node.index - 256_000) as u8 + node.level; Hash::LEN]);
        let bytes = tile.read(|node| Ok::<_, ()>(hash(node))).unwrap();
        assert_eq!(bytes, [[8; 32], [9; 32], [10; 32]].concat());
        assert_eq!(tile.hashes(&bytes).unwrap(), tile.nodes().map(hash).collect::<Vec<_>>());
        for bad in [&bytes[..95], &bytes[..64], &[], &[bytes.clone(), bytes.clone()].concat()] {
            assert!(tile.hashes(bad).is_err());
        }
    }
}
