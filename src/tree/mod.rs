//! The tree: what proves that nothing was changed. An RFC 6962 Merkle tree (SHA-256) in the formats of C2SP: tlog-tiles,
//! tlog-checkpoint, signed-note, tlog-proof.
//!
//! Pure values and functions: hashes are read through a closure, keys and text are passed in. A verifier here starts from
//! bytes of leaves, a root that a pinned key signed, and nothing else; nodes and tiles are for finding proofs, never believed.
//!
//! There is no empty tree: [`Size`] starts at 1, because leaf 0 is written with the log. So no signed size is 0, and
//! "consistent with nothing" cannot be claimed.

mod bundle;
mod checkpoint;
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

pub use bundle::{BundleError, MAX_ENTRY, push_entry, split_entries};
pub use checkpoint::{Checkpoint, CheckpointError};
pub use frontier::Frontier;
pub use hash::{BadHash, Hash, leaf_hash, node_hash};
pub use head::{BadSize, Head, Size};
pub use identity::Identity;
pub use key::{BadKey, SigningKey, VerifierKey};
pub use node::NodeId;
pub use note::{MAX_NOTE, Note, NoteError, open_note, sign_note};
pub use proof::{ProofError, prove_consistency, prove_inclusion, verify_consistency, verify_inclusion};
pub use receipt::{Receipt, ReceiptError};
pub use tile::{Tile, TileError, TileKind};

/// A number in the only way that C2SP writes one: decimal digits, no sign, no leading zero.
fn decimal(text: &str) -> Option<u64> {
    text.parse().ok().filter(|n: &u64| n.to_string() == text)
}

/// As much of a refused text as an error shows: it may come from anybody and have any length.
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
