//! The right edge of a tree, from which the tree grows.

use super::node::bag;
use super::{Hash, Head, NodeId, Size, node_hash};

/// The hashes of a tree's peaks: at most 63, 2 KiB. To append a leaf, no other node of the tree is needed.
#[derive(Clone)]
pub struct Frontier {
    leaves: u64,
    /// The peak of height `level`, if the bit `level` of `leaves` is set. Other elements are stale.
    peaks: [Hash; 63],
}

impl Frontier {
    /// The edge before the first leaf.
    pub const EMPTY: Frontier = Frontier { leaves: 0, peaks: [Hash([0; Hash::LEN]); 63] };

    /// The edge of the tree of this size. Calls `read` for each of [`Size::peaks`], from the left.
    pub fn restore<E>(size: Size, mut read: impl FnMut(NodeId) -> Result<Hash, E>) -> Result<Frontier, E> {
        let mut frontier = Frontier { leaves: size.get(), ..Frontier::EMPTY };
        for peak in size.peaks() {
            frontier.peaks[usize::from(peak.level)] = read(peak)?;
        }
        Ok(frontier)
    }

    /// The number of leaves, 0 or more.
    pub fn leaves(&self) -> u64 {
        self.leaves
    }

    /// The size and the root of the tree; `None` before the first leaf. Costs one hash for each peak but one.
    pub fn head(&self) -> Option<Head> {
        let size = Size::new(self.leaves).ok()?;
        let root = bag(size.peaks().rev().map(|peak| self.peaks[usize::from(peak.level)]))?;
        Some(Head { size, root })
    }

    /// Appends a leaf by its hash. `store` gets each node that the leaf completes, the leaf's own node first: two nodes on
    /// average.
    ///
    /// # Errors
    /// If `store` fails, the edge stays as it was.
    ///
    /// # Panics
    /// At [`Size::MAX`] leaves. A million leaves a second take 290,000 years to get there.
    pub fn append<E>(&mut self, leaf: Hash, mut store: impl FnMut(NodeId, Hash) -> Result<(), E>) -> Result<(), E> {
        assert!(self.leaves < Size::MAX.get(), "expected room for one more leaf, found {} leaves", self.leaves);
        let mut node = NodeId { level: 0, index: self.leaves };
        let mut hash = leaf;
        store(node, hash)?;
        // As in binary counting: each set bit is a peak, and joins the node just completed into a larger node.
        while node.index & 1 == 1 {
            hash = node_hash(&self.peaks[usize::from(node.level)], &hash);
            node = NodeId { level: node.level + 1, index: node.index >> 1 };
            store(node, hash)?;
        }
        self.peaks[usize::from(node.level)] = hash;
        self.leaves += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;
    use crate::tree::leaf_hash;

    /// MTH of RFC 6962 section 2.1, word by word.
    fn root(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => unreachable!("there is no empty tree"),
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
                node_hash(&root(left), &root(right))
            }
        }
    }

    fn leaves(n: usize) -> Vec<Hash> {
        (0..n).map(|n| leaf_hash(&n.to_be_bytes())).collect()
    }

    #[test]
    fn nodes_are_numbered_as_they_become_complete() {
        let (mut frontier, mut numbers) = (Frontier::EMPTY, 0..);
        for leaf in leaves(1_100) {
            let next = |node: NodeId, _| {
                assert_eq!(Some(node.number()), numbers.next());
                Ok::<_, Infallible>(())
            };
            frontier.append(leaf, next).unwrap();
            assert_eq!(frontier.head().unwrap().size.nodes(), numbers.start);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_frontier_restored_often_has_the_root_of_its_leaves(parts in prop::collection::vec(1..80_usize, 1..6)) {
            let all = leaves(parts.iter().sum());
            let mut stored = HashMap::new();
            let mut frontier = Frontier::EMPTY;
            let mut rest = &all[..];
            for part in parts {
                let (now, later) = rest.split_at(part);
                for leaf in now {
                    let fresh = |node, hash| stored.insert(node, hash).map_or(Ok(()), |_| Err(node));
                    frontier.append(*leaf, fresh).unwrap();
                }
                rest = later;
                let head = frontier.head().unwrap();
                prop_assert_eq!(head.root, root(&all[..all.len() - rest.len()]));
                frontier = Frontier::restore(head.size, |node| stored.get(&node).copied().ok_or(node)).unwrap();
                prop_assert_eq!(frontier.head(), Some(head));
            }
            for (node, hash) in stored {
                prop_assert_eq!(hash, root(&all[(node.index << node.level) as usize..][..1 << node.level]));
            }
        }
    }

    #[test]
    fn every_node_is_given_once_and_the_leaf_first() {
        let mut frontier = Frontier::EMPTY;
        let mut given = Vec::new();
        for leaf in leaves(8) {
            let note = |node: NodeId, _| {
                given.push((node.level, node.index));
                Ok::<_, Infallible>(())
            };
            frontier.append(leaf, note).unwrap();
        }
        let expected = [
            [(0, 0)].as_slice(),
            &[(0, 1), (1, 0)],
            &[(0, 2)],
            &[(0, 3), (1, 1), (2, 0)],
            &[(0, 4)],
            &[(0, 5), (1, 2)],
            &[(0, 6)],
            &[(0, 7), (1, 3), (2, 1), (3, 0)],
        ];
        assert_eq!(given, expected.concat());
    }

    #[test]
    fn a_store_that_fails_leaves_the_tree_as_it_was() {
        let mut frontier = Frontier::EMPTY;
        assert!(frontier.head().is_none());
        for leaf in leaves(7) {
            frontier.append(leaf, |_, _| Ok::<_, ()>(())).unwrap();
        }
        let before = frontier.head();
        for level in 0..=3 {
            let fails = |node: NodeId, _| if node.level == level { Err(()) } else { Ok(()) };
            assert_eq!(frontier.append(leaf_hash(b"8"), fails), Err(()));
            assert_eq!(frontier.head(), before);
        }
    }

    #[test]
    fn the_largest_tree_has_an_edge_and_no_room() {
        let zero = |_| Ok::<_, Infallible>(Hash([0; Hash::LEN]));
        let mut frontier = Frontier::restore(Size::new(Size::MAX.get() - 1).unwrap(), zero).unwrap();
        frontier.append(leaf_hash(b""), |_, _| Ok::<_, Infallible>(())).unwrap();
        assert_eq!(frontier.head().unwrap().size, Size::MAX);
        let full = move || frontier.append(leaf_hash(b""), |_, _| Ok::<_, Infallible>(()));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(full)).is_err());
    }
}
