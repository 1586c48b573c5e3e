//! Names of hashes: the complete subtrees.

use super::{Hash, Size, node_hash};

/// A complete subtree: the one over the leaves `index * 2^level` up to, but without, `(index + 1) * 2^level`.
///
/// Once complete it never changes, in this tree and in every larger one: what a store keeps are these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId {
    /// Its height, 0 (a leaf's hash) to 62.
    pub level: u8,
    /// Its place among those of its level, from the left, from 0.
    pub index: u64,
}

impl NodeId {
    /// Whether a tree of this size has all of its leaves.
    pub fn is_within(self, size: Size) -> bool {
        self.level < 63 && self.index < size.get() >> self.level
    }

    /// Its place in the order in which nodes become complete, from 0: each leaf, then the subtrees that end with it, the
    /// smaller before the larger. (The "stored hash index" of golang.org/x/mod/sumdb/tlog.) For nodes of a tree that exists.
    pub fn number(self) -> u64 {
        let last_leaf = ((self.index + 1) << self.level) - 1;
        // Before leaf n there are n leaves, n / 2 pairs, n / 4 pairs of pairs and so on, rounded down: 2n less its bits.
        2 * last_leaf - u64::from(last_leaf.count_ones()) + u64::from(self.level)
    }

    pub(super) fn sibling(self) -> NodeId {
        NodeId { index: self.index ^ 1, ..self }
    }
}

impl Size {
    /// How many nodes such a tree has: its leaves and complete subtrees.
    pub fn nodes(self) -> u64 {
        2 * self.get() - u64::from(self.get().count_ones())
    }

    /// The largest complete subtrees that such a tree is made of, from the left: one for each bit of its size.
    pub fn peaks(self) -> impl DoubleEndedIterator<Item = NodeId> {
        let leaves = self.get();
        let bits = (0..63).rev().filter(move |level| leaves >> level & 1 == 1);
        bits.map(move |level| NodeId { level, index: (leaves >> level) - 1 })
    }
}

/// The root over neighbouring peaks, given from the right (the smallest) to the left; `None` over none.
///
/// RFC 6962 section 2.1 splits at the largest power of two that leaves something to its right, so the smaller ones are
/// hashed first.
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
