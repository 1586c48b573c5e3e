//! The entries of a bundle, and the proof of each.

use super::files::{BundleFiles, FileLines};
use super::{BundleEntry, BundleError};
use crate::evidence::contents::EntryFiles;
use crate::job::Position;
use crate::tree::{Checkpoint, CheckpointError, ProofError, Receipt, ReceiptError, leaf_hash, verify_inclusion};
use crate::wire::{BadLeaf, Entry, Leaf, Line, SALT_LEN};

/// Why a line of each of the three files is no entry.
#[derive(Debug, thiserror::Error)]
pub(super) enum EntryError {
    #[error(transparent)]
    Leaf(#[from] BadLeaf),
    #[error("expected {SALT_LEN} bytes of salt in hex")]
    Salt(#[from] hex::FromHexError),
    #[error("expected an event after position {before}, found the one at {found}")]
    Order { before: Position, found: Position },
}

/// Why a proof does not lead from a leaf to a signed root.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProofFault {
    #[error(transparent)]
    Text(#[from] std::str::Utf8Error),
    #[error(transparent)]
    Form(#[from] ReceiptError),
    #[error("expected a proof of the leaf at {0}, found one of another")]
    OtherLeaf(Position),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error("it is not what was signed: {0}")]
    Root(#[from] ProofError),
}

/// The three files of lines, read side by side.
pub(super) struct Entries {
    leaves: FileLines,
    data: FileLines,
    salts: FileLines,
    /// How many lines were read of each file.
    pub number: u64,
    newest: Option<Position>,
}

/// The next line of each file.
pub(super) enum NextEntry<'l> {
    Entry(BundleEntry<'l>),
    Bad(EntryError),
    /// One of the files has no further whole line while another goes on.
    Uneven,
    End,
}

impl Entries {
    pub(super) fn open(bundle: &BundleFiles, files: EntryFiles) -> Result<Entries, BundleError> {
        let EntryFiles { leaves, data, salts, .. } = files;
        let (leaves, data, salts) = (bundle.lines(leaves)?, bundle.lines(data)?, bundle.lines(salts)?);
        Ok(Entries { leaves, data, salts, number: 0, newest: None })
    }

    pub(super) fn next(&mut self) -> Result<NextEntry<'_>, BundleError> {
        self.number += 1;
        let lines = [self.leaves.next_line()?, self.data.next_line()?, self.salts.next_line()?];
        let [leaf, data, salt] = match lines {
            [None, None, None] => return Ok(NextEntry::End),
            [Some(leaf), Some(data), Some(salt)] if leaf.ended && data.ended && salt.ended => [leaf, data, salt],
            _ => return Ok(NextEntry::Uneven),
        };
        let entry = match read(leaf, data, salt) {
            Ok(entry) => entry,
            Err(error) => return Ok(NextEntry::Bad(error)),
        };
        match self.newest.replace(entry.position) {
            Some(before) if before >= entry.position => {
                Ok(NextEntry::Bad(EntryError::Order { before, found: entry.position }))
            }
            _ => Ok(NextEntry::Entry(entry)),
        }
    }
}

/// Gives `each` the entries of the bundle's job, in order, and checks none of them.
///
/// # Errors
/// The bundle cannot be read, one of its lines is no entry, or `each` fails.
pub fn job_entries<E: From<BundleError>>(
    bundle: &BundleFiles,
    mut each: impl FnMut(Entry) -> Result<(), E>,
) -> Result<(), E> {
    let mut entries = Entries::open(bundle, EntryFiles::JOB)?;
    loop {
        match entries.next()? {
            NextEntry::Entry(BundleEntry { leaf, salt, data, .. }) => {
                let content = salt.map(|salt| (salt, data.to_vec()));
                each(Entry { leaf: leaf.to_vec(), content })?;
            }
            NextEntry::End => return Ok(()),
            NextEntry::Bad(_) | NextEntry::Uneven => return Err(BundleError::NoEntry(entries.number).into()),
        }
    }
}

fn read<'l>(leaf: Line<'l>, data: Line<'l>, salt: Line<'l>) -> Result<BundleEntry<'l>, EntryError> {
    let (leaf, data, salt) = (leaf.bytes, data.bytes, salt.bytes);
    let position = Leaf::parse(leaf).and_then(|leaf| leaf.position())?;
    if data == b"null" && salt == b"null" {
        return Ok(BundleEntry { position, leaf, salt: None, data });
    }
    let mut bytes = [0; SALT_LEN];
    hex::decode_to_slice(salt, &mut bytes)?;
    Ok(BundleEntry { position, leaf, salt: Some(bytes), data })
}

/// Follows a proof from the entry's leaf to the root. Returns the checkpoint at its end, whose signature is not checked here.
pub(super) fn follow(proof: &[u8], entry: &BundleEntry<'_>) -> Result<String, ProofFault> {
    let proof: Receipt = std::str::from_utf8(proof)?.parse()?;
    if proof.index != entry.position.get() || proof.extra.as_deref() != Some(entry.leaf) {
        return Err(ProofFault::OtherLeaf(entry.position));
    }
    let checkpoint = Checkpoint::claimed(&proof.checkpoint)?;
    verify_inclusion(leaf_hash(entry.leaf), proof.index, &checkpoint.head, &proof.proof)?;
    Ok(proof.checkpoint)
}
