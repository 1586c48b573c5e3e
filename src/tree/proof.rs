//! Proofs that a leaf is in a tree, and that a tree continues another one. RFC 6962 sections 2.1.1 and 2.1.2 define them; RFC 9162
//! sections 2.1.3.2 and 2.1.4.2 define how they are verified.

use super::path::Path;
use super::{Hash, Head, NodeId, Size};
use crate::job::plural;

/// Why a proof cannot be made, or does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The tree does not have the leaf.
    #[error("expected the index of a leaf below the tree's size {size}, found {index}")]
    Index {
        /// The leaf's index.
        index: u64,
        /// The tree's size.
        size: Size,
    },
    /// The later tree is smaller than the earlier one.
    #[error("expected a tree of at least {}, found {new}", plural(old, "leaf", "leaves"))]
    Smaller {
        /// The size of the earlier tree.
        old: Size,
        /// The size of the later tree.
        new: Size,
    },
    /// The proof has a hash too many or too few for these sizes and this index.
    #[error("expected a proof of {}, found {found}", plural(expected, "hash", "hashes"))]
    Length {
        /// How many hashes the proof must have.
        expected: usize,
        /// How many hashes the proof has.
        found: usize,
    },
    /// The proof leads to another root.
    #[error("expected the root {expected} of {}, the proof leads to {found}", plural(size, "leaf", "leaves"))]
    Root {
        /// The tree's size.
        size: Size,
        /// The known root.
        expected: Hash,
        /// The root that the proof leads to.
        found: Hash,
    },
}

/// The proof that leaf `index` is in the tree of `size` leaves: the hashes from the leaf's sibling to the root's child, at most 63.
///
/// `read` reads fewer than 126 stored nodes of that tree, each once.
///
/// # Errors
/// [`ProofError::Index`], and the errors of `read`.
pub fn prove_inclusion<E: From<ProofError>>(
    index: u64,
    size: Size,
    read: impl FnMut(NodeId) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    collect(from_leaf(index, size)?, None, read)
}

/// The proof that the tree of `new` leaves begins with the tree of `old` leaves: at most 64 hashes, and none if the sizes are equal.
///
/// `read` reads fewer than 126 stored nodes of the new tree, each once.
///
/// # Errors
/// [`ProofError::Smaller`], and the errors of `read`.
pub fn prove_consistency<E: From<ProofError>>(
    old: Size,
    new: Size,
    read: impl FnMut(NodeId) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    let Some((path, last)) = from_last_peak(old, new)? else { return Ok(Vec::new()) };
    collect(path, (!is_complete(old)).then_some(last), read)
}

/// Checks that the leaf with the hash `leaf` is at `index` in the tree `head`.
///
/// # Errors
/// [`ProofError::Index`], [`ProofError::Length`] or [`ProofError::Root`].
pub fn verify_inclusion(leaf: Hash, index: u64, head: &Head, proof: &[Hash]) -> Result<(), ProofError> {
    let path = from_leaf(index, head.size)?;
    expect_length(path.steps().count(), proof.len())?;
    expect_root(head, path.root(leaf, proof))
}

/// Checks that the tree `new` begins with the tree `old`. Two trees of one size must have one root, and their proof is empty.
///
/// # Errors
/// [`ProofError::Smaller`], [`ProofError::Length`] or [`ProofError::Root`].
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

/// The path from a leaf.
fn from_leaf(index: u64, size: Size) -> Result<Path, ProofError> {
    Path::new(NodeId { level: 0, index }, size).ok_or(ProofError::Index { index, size })
}

/// The last peak of the old tree, and the path from it; `None` if both trees have one size. The other peaks of the old tree are
/// on the left of that path, so the same hashes lead to both roots.
fn from_last_peak(old: Size, new: Size) -> Result<Option<(Path, NodeId)>, ProofError> {
    if old == new {
        return Ok(None);
    }
    let last = old.peaks().next_back().expect("every tree has a peak");
    let path = Path::new(last, new).filter(|_| old < new).ok_or(ProofError::Smaller { old, new })?;
    Ok(Some((path, last)))
}

/// Whether the tree is one peak. The hash of that peak is the root, which a verifier knows, so the proof omits it.
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
