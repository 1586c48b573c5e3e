//! Proofs from the stored tree: tiles, receipts, consistency. A client checks them against a checkpoint.

use std::collections::HashMap;

use crate::job::Position;
use crate::log::{self, Published, Reader};
use crate::tree::{
    EntryTileError, Hash, NodeId, ProofError, Receipt, Size, Tile, TileKind, prove_consistency, prove_inclusion,
    push_entry,
};

/// [`receipt_of_many`] keeps the nodes of this level and above. Each lies over at least 64 leaves, so there are few of them.
const SHARED: u8 = 6;

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// The log.
    #[error(transparent)]
    Log(#[from] log::Error),
    /// The tree cannot prove it.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// A leaf does not fit into an entries tile.
    #[error(transparent)]
    EntryTile(#[from] EntryTileError),
    /// The log is shorter than its tree.
    #[error(
        "expected the event at position {0}, which the newest checkpoint covers, found none; `log.db` has lost events"
    )]
    NoEvent(Position),
    /// The checkpoint is damaged.
    #[error("expected a checkpoint of text, found other bytes")]
    NotText,
}

/// The proof that the log under `checkpoint` holds the event at `position`, with the event's leaf. Checking it needs nothing
/// else but the verifier key.
///
/// # Errors
///
/// The checkpoint does not cover the event, or the log cannot be read or lacks a part.
pub fn receipt(log: &Reader<'_>, checkpoint: &Published, position: Position) -> Result<Receipt, ProveError> {
    receipt_by(log, checkpoint, position, |node| log.node(node))
}

/// A receipt for one of many events. `known` keeps the nodes that their proofs share: those over at least 64 leaves.
///
/// # Errors
///
/// As [`receipt`].
pub fn receipt_of_many(
    log: &Reader<'_>,
    checkpoint: &Published,
    position: Position,
    known: &mut HashMap<NodeId, Hash>,
) -> Result<Receipt, ProveError> {
    receipt_by(log, checkpoint, position, |node| match known.get(&node) {
        Some(hash) => Ok(*hash),
        None => {
            let hash = log.node(node)?;
            if node.level >= SHARED {
                known.insert(node, hash);
            }
            Ok(hash)
        }
    })
}

fn receipt_by(
    log: &Reader<'_>,
    checkpoint: &Published,
    position: Position,
    mut read: impl FnMut(NodeId) -> Result<Hash, log::Error>,
) -> Result<Receipt, ProveError> {
    let index = position.get();
    let proof = prove_inclusion(index, checkpoint.size, |node| Ok::<_, ProveError>(read(node)?))?;
    let leaf = log.at(position, |row| row.leaf.to_vec())?.ok_or(ProveError::NoEvent(position))?;
    let checkpoint = String::from_utf8(checkpoint.note.clone()).map_err(|_| ProveError::NotText)?;
    Ok(Receipt { extra: Some(leaf), index, proof, checkpoint })
}

/// The proof that the log of `to` events begins with the log of `from` events.
///
/// # Errors
///
/// `from` is larger than `to`, or the log cannot be read or lacks a node.
pub fn consistency(log: &Reader<'_>, from: Size, to: Size) -> Result<Vec<Hash>, ProveError> {
    prove_consistency(from, to, |node| Ok(log.node(node)?))
}

/// The bytes of a tile that the published tree has.
///
/// # Errors
///
/// The log cannot be read, or lacks a part of the tile.
pub fn tile(log: &Reader<'_>, tile: Tile) -> Result<Vec<u8>, ProveError> {
    if let TileKind::Hashes { .. } = tile.kind() {
        return tile.read(|node| Ok(log.node(node)?));
    }
    let (mut entries, mut missing) = (Vec::new(), tile.range());
    log.leaves(Position::new(missing.start), u64::from(tile.width()), |position, leaf| {
        missing.start = position.next().get();
        Ok::<(), ProveError>(push_entry(&mut entries, leaf)?)
    })?;
    match missing.next() {
        None => Ok(entries),
        Some(position) => Err(ProveError::NoEvent(Position::new(position))),
    }
}
