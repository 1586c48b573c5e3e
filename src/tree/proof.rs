//! Proofs that a leaf is in a tree, and that a tree continues another one (RFC 6962 sections 2.1.1 and 2.1.2; how they are
//! verified, RFC 9162 sections 2.1.3.2 and 2.1.4.2).

use super::path::Path;
use super::{Hash, Head, NodeId, Size};
use crate::job::plural;

/// Why there is no such proof, or why one proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// There is no such leaf.
    #[error("expected the index of a leaf below the tree's size {size}, found {index}")]
    Index {
        /// The leaf that was asked for.
        index: u64,
        /// The tree.
        size: Size,
    },
    /// A tree never gets smaller.
    #[error("expected a tree of at least {}, found {new}", plural(old, "leaf", "leaves"))]
    Smaller {
        /// The earlier tree.
        old: Size,
        /// What should continue it.
        new: Size,
    },
    /// Sizes and index say how many hashes there are: not one less, not one more.
    #[error("expected a proof of {}, found {found}", plural(expected, "hash", "hashes"))]
    Length {
        /// How many there must be.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// It proves something about another tree.
    #[error("expected the root {expected} of {}, the proof leads to {found}", plural(size, "leaf", "leaves"))]
    Root {
        /// The tree whose root it is.
        size: Size,
        /// The root that is known.
        expected: Hash,
        /// The root that comes out.
        found: Hash,
    },
}

/// The proof that leaf `index` is in the tree of `size` leaves: the hashes from the leaf's sibling to the root's child, at
/// most 63. Made of stored nodes of that tree, of which `read` is asked for less than 126, each once.
pub fn prove_inclusion<E: From<ProofError>>(
    index: u64,
    size: Size,
    read: impl FnMut(NodeId) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    collect(from_leaf(index, size)?, None, read)
}

/// The proof that the tree of `new` leaves begins with the one of `old` leaves: at most 64 hashes, none where both are the
/// same size. Made of stored nodes of the new tree, of which `read` is asked for less than 126, each once.
pub fn prove_consistency<E: From<ProofError>>(
    old: Size,
    new: Size,
    read: impl FnMut(NodeId) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    let Some((path, last)) = from_last_peak(old, new)? else { return Ok(Vec::new()) };
    collect(path, (!is_complete(old)).then_some(last), read)
}

/// Checks that the leaf with the hash `leaf` is at `index` in the tree `head`.
pub fn verify_inclusion(leaf: Hash, index: u64, head: &Head, proof: &[Hash]) -> Result<(), ProofError> {
    let path = from_leaf(index, head.size)?;
    expect_length(path.steps().count(), proof.len())?;
    expect_root(head, path.root(leaf, proof))
}

/// Checks that the tree `new` begins with the tree `old`. Two trees of one size must be the same, and their proof is empty.
pub fn verify_consistency(old: &Head, new: &Head, proof: &[Hash]) -> Result<(), ProofError> {
    let Some((path, _)) = from_last_peak(old.size, new.size)? else {
        expect_length(0, proof.len())?;
        return expect_root(old, new.root);
    };
    let known = is_complete(old.size);
    expect_length(path.steps().count() + usize::from(!known), proof.len())?;
    let (last, rest) = match proof.split_first() {
        Some((last, rest)) if !known => (*last, rest),
        _ => (old.root, proof),
    };
    expect_root(old, path.root_up_to(last, rest))?;
    expect_root(new, path.root(last, rest))
}

/// The way from a leaf.
fn from_leaf(index: u64, size: Size) -> Result<Path, ProofError> {
    Path::new(NodeId { level: 0, index }, size).ok_or(ProofError::Index { index, size })
}

/// The way from the last peak of the old tree, and that peak; `None` where both trees are of one size. What the way meets
/// on its left is the rest of the old tree, so the same hashes lead to both roots.
fn from_last_peak(old: Size, new: Size) -> Result<Option<(Path, NodeId)>, ProofError> {
    if old == new {
        return Ok(None);
    }
    let last = old.peaks().next_back().expect("every tree has a peak");
    let path = Path::new(last, new).filter(|_| old < new).ok_or(ProofError::Smaller { old, new })?;
    Ok(Some((path, last)))
}

/// Whether the tree is one peak: who verifies knows its hash then, the root, and the proof does not repeat it.
fn is_complete(size: Size) -> bool {
    size.get().is_power_of_two()
}

fn collect<E>(
    path: Path,
    first: Option<NodeId>,
    mut read: impl FnMut(NodeId) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    let mut hashes = first.map(&mut read).into_iter().collect::<Result<Vec<_>, E>>()?;
    for step in path.steps() {
        hashes.push(path.read(step, &mut read)?);
    }
    Ok(hashes)
}

fn expect_length(expected: usize, found: usize) -> Result<(), ProofError> {
    if expected == found { Ok(()) } else { Err(ProofError::Length { expected, found }) }
}

fn expect_root(head: &Head, found: Hash) -> Result<(), ProofError> {
    let Head { size, root } = *head;
    if root == found { Ok(()) } else { Err(ProofError::Root { size, expected: root, found }) }
}
