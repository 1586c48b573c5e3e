//! Nodes: the complete subtrees of a tree.

use super::{Hash, Size, node_hash};

/// The complete subtree over the leaves from `index * 2^level` up to, but without, `(index + 1) * 2^level`.
///
/// A complete subtree is the same in every larger tree, so its hash is stored once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId {
    /// The subtree's height: 0 for a leaf, at most 62.
    pub level: u8,
    /// The subtree's place on its level, counted from 0 at the left.
    pub index: u64,
}

impl NodeId {
    /// Whether a tree of this size has every leaf of the subtree.
    pub fn is_within(self, size: Size) -> bool {
        self.level < 63 && self.index < size.get() >> self.level
    }

    /// The node's place, from 0, in the order in which nodes become complete: each leaf, then the subtrees that end with the leaf,
    /// the smaller before the larger. (The "stored hash index" of golang.org/x/mod/sumdb/tlog.) The node must be within some
    /// [`Size`].
    pub fn number(self) -> u64 {
        let last_leaf = ((self.index + 1) << self.level) - 1;
        // Before leaf n: n leaves, n / 2 pairs, n / 4 pairs of pairs and so on, rounded down. Their sum is 2n minus n's one bits.
        2 * last_leaf - u64::from(last_leaf.count_ones()) + u64::from(self.level)
    }

    pub(super) fn sibling(self) -> NodeId {
        NodeId { index: self.index ^ 1, ..self }
    }
}

impl Size {
    /// The number of nodes of a tree of this size: leaves and larger complete subtrees.
    pub fn nodes(self) -> u64 {
        2 * self.get() - u64::from(self.get().count_ones())
    }

    /// The peaks of a tree of this size, from the left: the largest complete subtrees, one for each one bit of the size.
    pub fn peaks(self) -> impl DoubleEndedIterator<Item = NodeId> {
        let leaves = self.get();
        let bits = (0..63).rev().filter(move |level| leaves >> level & 1 == 1);
        bits.map(move |level| NodeId { level, index: (leaves >> level) - 1 })
    }
}

/// The root over neighbouring peaks, given from the right (the smallest) to the left; `None` without a peak.
///
/// RFC 6962 section 2.1 splits `n` leaves at the largest power of two below `n`, so the smaller peaks are hashed first.
pub(super) fn bag(peaks: impl Iterator<Item = Hash>) -> Option<Hash> {
    peaks.reduce(|right, left| node_hash(&left, &right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peaks_lie_side_by_side_from_the_first_leaf_to_the_last() {
        for leaves in (1..2_000).chain([1 << 62, Size::MAX.get() - 1, Size::MAX.get()]) {
            let size = Size::new(leaves).unwrap();
            let end = size.peaks().fold(0, |start, peak| {
                assert_eq!(peak.index << peak.level, start);
                assert!(peak.is_within(size) && !peak.sibling().is_within(size));
                start + (1 << peak.level)
            });
            assert_eq!((end, size.peaks().count() as u32), (leaves, leaves.count_ones()));
        }
    }

    #[test]
    fn absurd_nodes_are_in_no_tree() {
        for (level, index) in [(63, 0), (64, 0), (255, 0), (0, u64::MAX), (62, 1)] {
            assert!(!NodeId { level, index }.is_within(Size::MAX));
        }
        assert!(NodeId { level: 62, index: 0 }.is_within(Size::MAX));
    }
}
