//! The Merkle tree over a log's leaves (RFC 6962, SHA-256), in the formats of C2SP: tlog-tiles, tlog-checkpoint, signed-note,
//! tlog-proof.
//!
//! Values and pure functions: a closure reads hashes, and the caller passes keys and text in. A verifier starts from the bytes of
//! leaves and from a root that a pinned key signed. Nodes and tiles only help to find a proof.
//!
//! [`Size`] starts at 1, because a new log gets leaf 0 at once. So no checkpoint has the size 0. Such a checkpoint would be
//! consistent with every log.
//!
//! Not here: the stored nodes (`log`), and the ledger's key file (`ledger`).

mod checkpoint;
mod entries;
mod frontier;
mod hash;
mod head;
mod identity;
mod key;
mod node;
mod note;
mod path;
mod proof;
mod receipt;
mod tile;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use entries::{EntryTileError, MAX_ENTRY, push_entry, split_entries};
pub use frontier::Frontier;
pub use hash::{BadHash, Hash, leaf_hash, node_hash};
pub use head::{BadSize, Head, Size};
pub use identity::{Identity, IdentityError};
pub use key::{BadKey, SigningKey, VerifierKey};
pub use node::NodeId;
pub use note::{MAX_NOTE, Note, NoteError, open_note, sign_note};
pub use proof::{ProofError, prove_consistency, prove_inclusion, verify_consistency, verify_inclusion};
pub use receipt::{Receipt, ReceiptError};
pub use tile::{Tile, TileError, TileKind};

/// Parses a number in the one form of C2SP: decimal digits, no sign, no leading zero.
fn decimal(text: &str) -> Option<u64> {
    text.parse().ok().filter(|n: &u64| n.to_string() == text)
}

/// The first 100 characters of a refused text, which may have any length.
fn excerpt(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_number_has_one_spelling() {
        assert_eq!(super::decimal("0"), Some(0));
        assert_eq!(super::decimal("18446744073709551615"), Some(u64::MAX));
        for bad in ["", "00", "01", "+1", "-0", " 1", "1 ", "1.0", "1e3", "0x1", "１", "18446744073709551616"] {
            assert_eq!(super::decimal(bad), None, "{bad}");
        }
    }
}
