//! Roots of many tree sizes, while a tree grows and after it is restored.

use jobledger::tree::{Frontier, Size};
use tlog_tiles::tlog;

use super::grown::Grown;

#[test]
fn every_size_to_2000_has_the_root_that_others_compute() {
    let mut grown = Grown::new();
    for leaves in 1..=2_000 {
        grown.grow();
        let head = grown.head();
        assert_eq!(head.size.get(), leaves);
        assert_eq!(head.root.0, tlog::tree_hash(leaves, &grown.go).unwrap().0, "{leaves}");
        assert_eq!(head.root.as_bytes()[..], grown.ct.root().as_bytes()[..], "{leaves}");
    }
}

#[test]
fn every_earlier_tree_can_be_restored_and_grown_again() {
    let grown = Grown::to(300);
    for leaves in 1..300 {
        let mut frontier = Frontier::restore(Size::new(leaves).unwrap(), grown.read()).unwrap();
        assert_eq!(frontier.head(), Some(grown.heads[leaves as usize - 1]));
        let next = grown.nodes[&jobledger::tree::NodeId { level: 0, index: leaves }];
        let same = |node, hash| if grown.nodes[&node] == hash { Ok(()) } else { Err(node) };
        frontier.append(next, same).unwrap();
        assert_eq!(frontier.head(), Some(grown.heads[leaves as usize]));
    }
}
