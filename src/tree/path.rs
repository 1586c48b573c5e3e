//! The path from a node up to the root, whose siblings are the hashes of a proof. RFC 6962 sections 2.1.1 and 2.1.2 define it by
//! recursion from the root; here it starts at the node.

use super::node::bag;
use super::{Hash, NodeId, Size, node_hash};

/// A node, and the size of the tree that has it.
#[derive(Clone, Copy)]
pub(super) struct Path {
    node: NodeId,
    size: Size,
}

/// The part of the tree that one hash of a proof covers, and its side of the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A complete subtree to the left.
    Left(NodeId),
    /// A complete subtree to the right.
    Right(NodeId),
    /// All peaks below this level, to the right, as one hash.
    RightEdge(u8),
}

impl Path {
    /// The path from a node; `None` if the tree does not have the node.
    pub(super) fn new(node: NodeId, size: Size) -> Option<Path> {
        node.is_within(size).then_some(Path { node, size })
    }

    /// The steps, from the node to the root: at most 63.
    ///
    /// The path climbs to the node's peak, then adds the peaks to the right of that peak as one hash, then the peaks to its left.
    pub(super) fn steps(self) -> impl Iterator<Item = Step> {
        let (leaves, level) = (self.size.get(), self.node.level);
        let first = self.node.index << level;
        // A leaf's index and the size share the bits of the peaks to the leaf's left. They first differ at the leaf's own peak.
        let top = (first ^ leaves).ilog2() as u8;
        let inside = (level..top).map(move |level| {
            let sibling = NodeId { level, index: first >> level }.sibling();
            if sibling.index & 1 == 0 { Step::Left(sibling) } else { Step::Right(sibling) }
        });
        let edge = (leaves & ((1 << top) - 1) != 0).then_some(Step::RightEdge(top));
        let left = self.size.peaks().rev().filter(move |peak| peak.level > top).map(Step::Left);
        inside.chain(edge).chain(left)
    }

    /// The hash of a step, from stored nodes.
    pub(super) fn read<E>(self, step: Step, mut read: impl FnMut(NodeId) -> Result<Hash, E>) -> Result<Hash, E> {
        match step {
            Step::Left(node) | Step::Right(node) => read(node),
            Step::RightEdge(top) => {
                let smaller: Result<Vec<Hash>, E> =
                    self.size.peaks().rev().take_while(|peak| peak.level < top).map(read).collect();
                Ok(bag(smaller?.into_iter()).expect("an edge has at least one peak"))
            }
        }
    }

    /// The root, from the node's own hash and the hashes of all steps.
    pub(super) fn root(self, node: Hash, hashes: &[Hash]) -> Hash {
        climb(node, self.steps().zip(hashes))
    }

    /// The root of the earlier tree whose last leaf is the node's last leaf: uses only the steps on the left.
    pub(super) fn root_up_to(self, node: Hash, hashes: &[Hash]) -> Hash {
        climb(node, self.steps().zip(hashes).filter(|(step, _)| matches!(step, Step::Left(_))))
    }
}

fn climb<'a>(node: Hash, steps: impl Iterator<Item = (Step, &'a Hash)>) -> Hash {
    steps.fold(node, |hash, (step, other)| match step {
        Step::Left(_) => node_hash(other, &hash),
        Step::Right(_) | Step::RightEdge(_) => node_hash(&hash, other),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(level: u8, index: u64, leaves: u64) -> Vec<Step> {
        Path::new(NodeId { level, index }, Size::new(leaves).unwrap()).unwrap().steps().collect()
    }

    #[test]
    fn the_paths_of_the_example_of_rfc_6962() {
        // Section 2.1.3, a tree of 7 leaves: [b, h, l], [c, g, l], [f, j, k], [i, k].
        let left = |level, index| Step::Left(NodeId { level, index });
        let right = |level, index| Step::Right(NodeId { level, index });
        assert_eq!(steps(0, 0, 7), [right(0, 1), right(1, 1), Step::RightEdge(2)]);
        assert_eq!(steps(0, 3, 7), [left(0, 2), left(1, 0), Step::RightEdge(2)]);
        assert_eq!(steps(0, 4, 7), [right(0, 5), Step::RightEdge(1), left(2, 0)]);
        assert_eq!(steps(0, 6, 7), [left(1, 2), left(2, 0)]);
        // From the last peak of 3, 4 and 6 leaves: [c, d, g, l], [l], [i, j, k].
        assert_eq!(steps(0, 2, 7), [right(0, 3), left(1, 0), Step::RightEdge(2)]);
        assert_eq!(steps(2, 0, 7), [Step::RightEdge(2)]);
        assert_eq!(steps(1, 2, 7), [Step::RightEdge(1), left(2, 0)]);
    }

    #[test]
    fn the_longest_path_has_63_steps() {
        for leaf in [0, 1, Size::MAX.get() / 2, Size::MAX.get() - 1] {
            assert!(steps(0, leaf, Size::MAX.get()).len() <= 63);
        }
        assert_eq!(steps(0, 0, Size::MAX.get()).len(), 63);
        assert!(Path::new(NodeId { level: 0, index: u64::MAX }, Size::MAX).is_none());
    }
}
