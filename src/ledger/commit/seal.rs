//! The seal of a commit: the tree grown by the new leaves, and a signed checkpoint of the tree, in the same transaction.
//!
//! The leaves are read back before they are signed, so a signature covers only bytes of the file. On any doubt the ledger signs
//! nothing, rolls the commit back, and takes no more writes: a wrong signature can never be taken back.
//!
//! Not here: when the signature is verified. The checker thread does it while the commit is synced (`checker`).

use crate::chain;
use crate::job::{Position, plural};
use crate::ledger::Identity;
use crate::log::{self, Published, Reader, Writer};
use crate::tree::{Checkpoint, CheckpointError, Frontier, Head, SigningKey, Size, VerifierKey};

/// Why the ledger must not sign for a log.
#[derive(Debug, thiserror::Error)]
pub enum Doubt {
    /// The file holds no checkpoint.
    #[error("this copy of the log has no signed checkpoint, as an import has none")]
    NoCheckpoint,
    /// The file returned other bytes than were written.
    #[error("event {0} was read back otherwise than it was written; the disk or the memory may be failing")]
    ReadBack(Position),
    /// The number of nodes does not fit the number of events.
    #[error(
        "expected {} of a tree of {}, found {found}",
        plural(expected, "node", "nodes"),
        plural(size, "event", "events")
    )]
    Nodes {
        /// How many events there are.
        size: Size,
        /// How many nodes the events make.
        expected: u64,
        /// How many nodes the file holds.
        found: u64,
    },
    /// The stored tree contradicts itself.
    #[error("{}", chain(.0))]
    Tree(log::Error),
    /// The newest checkpoint is not signed as it must be.
    #[error("the newest checkpoint is not good: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The newest checkpoint is no text.
    #[error("the newest checkpoint is not good: expected text, found other bytes")]
    NotText,
    /// The newest checkpoint is signed, and covers another tree.
    #[error("the newest checkpoint is of {} with the root {}, the log has {} with the root {}", plural(.signed.size, "event", "events"), .signed.root, .found.size, .found.root)]
    OtherTree {
        /// The head that was signed.
        signed: Head,
        /// The head of the log.
        found: Head,
    },
}

/// Why a commit is not sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The log failed. A later attempt may succeed.
    #[error(transparent)]
    Log(log::Error),
    /// The ledger must sign nothing more.
    #[error(transparent)]
    Doubt(#[from] Doubt),
}

impl From<log::Error> for SealError {
    fn from(error: log::Error) -> SealError {
        if error.is_contradiction() { Doubt::Tree(error).into() } else { SealError::Log(error) }
    }
}

/// The keys that sign, and the edge of the tree that was signed last.
pub(in crate::ledger) struct Seal {
    origin: String,
    keys: Vec<SigningKey>,
    edge: Frontier,
}

/// The edge of a signed tree. It counts once its transaction is committed.
pub(in crate::ledger) struct Sealed(Frontier);

/// A checkpoint that is signed and stored, and not verified yet.
pub(super) struct Signed {
    pub(super) sealed: Sealed,
    pub(super) unchecked: Unchecked,
}

/// A stored checkpoint as it was read back, and what it must be.
pub(super) struct Unchecked {
    pub(super) stored: Option<Published>,
    pub(super) origin: String,
    pub(super) known: Vec<VerifierKey>,
    pub(super) head: Head,
}

impl Unchecked {
    /// Verifies the checkpoint with the public keys.
    pub(super) fn check(&self) -> Result<(), Doubt> {
        check(self.stored.as_ref(), &self.origin, &self.known, self.head)
    }
}

impl Seal {
    /// The ledger's name.
    pub(in crate::ledger) fn origin(&self) -> &str {
        &self.origin
    }

    /// A seal that signs with each of `keys` for the log `origin`, whose tree ends with `edge`.
    pub(in crate::ledger) fn new(origin: &str, keys: Vec<SigningKey>, edge: Frontier) -> Seal {
        Seal { origin: origin.to_owned(), keys, edge }
    }

    /// Grows the tree by the events that the open transaction stored, whose leaves must be exactly `written`, and signs it.
    pub(in crate::ledger) fn close<'l>(
        &self,
        log: &Writer,
        written: impl IntoIterator<Item = &'l [u8]>,
    ) -> Result<Sealed, SealError> {
        self.sign(log, grow(log, &self.edge, written)?)
    }

    /// The edge of the tree that was signed last.
    pub(in crate::ledger) fn edge(&self) -> &Frontier {
        &self.edge
    }

    /// Signs the tree that ends with `edge`, and verifies the stored checkpoint with the public keys.
    pub(in crate::ledger) fn sign(&self, log: &Writer, edge: Frontier) -> Result<Sealed, SealError> {
        let Signed { sealed, unchecked } = self.sign_unchecked(log, edge)?;
        unchecked.check()?;
        Ok(sealed)
    }

    /// Signs the tree that ends with `edge`, and reads the checkpoint back. Its signature must be verified before an append is
    /// answered.
    pub(super) fn sign_unchecked(&self, log: &Writer, edge: Frontier) -> Result<Signed, SealError> {
        let head = head(&edge)?;
        let signers: Vec<&SigningKey> = self.keys.iter().collect();
        let checkpoint = Checkpoint { origin: self.origin.clone(), head };
        let note = checkpoint.sign(&signers).map_err(Doubt::from)?;
        log.add_checkpoint(head.size, note.as_bytes())?;
        let known = self.keys.iter().map(|key| key.verifier().clone()).collect();
        let stored = log.reader().checkpoint()?;
        let reads_back =
            stored.as_ref().is_some_and(|stored| stored.size == head.size && stored.note == note.as_bytes());
        let unchecked = Unchecked { stored, origin: self.origin.clone(), known, head };
        if !reads_back {
            // The check says how the two differ, and nothing is committed.
            unchecked.check()?;
        }
        Ok(Signed { sealed: Sealed(edge), unchecked })
    }

    /// Takes the edge over, once its transaction is committed.
    pub(in crate::ledger) fn keep(&mut self, sealed: Sealed) {
        self.edge = sealed.0;
    }

    /// Takes the edge from the file, after a commit of unknown outcome.
    pub(in crate::ledger) fn reload(&mut self, log: &Reader<'_>, identity: &Identity) -> Result<(), SealError> {
        self.edge = restore(log, identity)?;
        Ok(())
    }
}

/// The edge of the stored tree, if the newest checkpoint is of exactly this tree and all of the log.
pub(in crate::ledger) fn restore(log: &Reader<'_>, identity: &Identity) -> Result<Frontier, SealError> {
    let Some(newest) = log.checkpoint()? else { return Err(Doubt::NoCheckpoint.into()) };
    let size = Size::up_to(log.head()?.get());
    let (expected, found) = (size.nodes(), log.nodes()?);
    if expected != found {
        return Err(Doubt::Nodes { size, expected, found }.into());
    }
    let edge = log.edge(size)?;
    // After a rotation the newest key signs every checkpoint. The signature of an earlier key alone does not count.
    check(Some(&newest), &identity.origin, &identity.keys[..1], head(&edge)?)?;
    Ok(edge)
}

/// Grows the tree that ends with `edge` by the events that the open transaction stored, whose leaves must be exactly `written`.
pub(in crate::ledger) fn grow<'l>(
    log: &Writer,
    edge: &Frontier,
    written: impl IntoIterator<Item = &'l [u8]>,
) -> Result<Frontier, SealError> {
    let mut written = written.into_iter();
    let edge = log.grow(edge, |position, leaf| match written.next() {
        Some(expected) if expected == leaf => Ok(()),
        _ => Err(SealError::from(Doubt::ReadBack(position))),
    })?;
    match written.next() {
        None => Ok(edge),
        Some(_) => Err(Doubt::ReadBack(Position::new(edge.leaves())).into()),
    }
}

fn head(edge: &Frontier) -> Result<Head, Doubt> {
    edge.head().ok_or(Doubt::NoCheckpoint)
}

/// Whether the stored checkpoint is of this log and tree, and signed with a known key.
fn check(stored: Option<&Published>, origin: &str, known: &[VerifierKey], found: Head) -> Result<(), Doubt> {
    let stored = stored.ok_or(Doubt::NoCheckpoint)?;
    let note = std::str::from_utf8(&stored.note).map_err(|_| Doubt::NotText)?;
    let signed = Checkpoint::open(note, origin, known)?.head;
    if signed == found && stored.size == found.size { Ok(()) } else { Err(Doubt::OtherTree { signed, found }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Time;
    use crate::log::NewEvent;
    use crate::tree::leaf_hash;

    #[test]
    fn a_leaf_that_reads_back_otherwise_than_written_is_never_signed() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = Writer::open::<log::Error>(&folder.path().join("log.db"), false, |_, _| Ok(())).unwrap();
        let key = SigningKey::from_seed("test/log", &[7; 32]).unwrap();
        let seal = Seal::new("test/log", vec![key], Frontier::EMPTY);
        log.begin().unwrap();
        let genesis = NewEvent {
            position: Position::GENESIS,
            leaf: b"{}",
            content: None,
            job: None,
            source: "ledger",
            id: "1",
            event_type: "ledger.started",
            version: 1,
            recorded: Time::from_micros(1),
        };
        log.append(&genesis).unwrap();
        let wrong: [&[&[u8]]; 3] = [&[b"{ }"], &[], &[b"{}", b"{}"]];
        for written in wrong {
            log.savepoint().unwrap();
            let refused = seal.close(&log, written.iter().copied());
            assert!(matches!(refused, Err(SealError::Doubt(Doubt::ReadBack(_)))), "{written:?}");
            log.rollback_to_savepoint().unwrap();
        }
    }
    #[test]
    fn a_checkpoint_that_reads_back_otherwise_than_signed_is_a_doubt() {
        let key = SigningKey::from_seed("test/log", &[7; 32]).unwrap();
        let head = |size| Head { size: Size::new(size).unwrap(), root: leaf_hash(b"{}") };
        let signed = Checkpoint { origin: "test/log".into(), head: head(12) }.sign(&[&key]).unwrap();
        let read_back = |size, note: &str| {
            let stored = Published { number: 1, size: Size::new(size).unwrap(), note: note.into() };
            check(Some(&stored), "test/log", &[key.verifier().clone()], head(12))
        };
        assert!(read_back(12, &signed).is_ok());
        assert!(matches!(read_back(12, "{}"), Err(Doubt::Checkpoint(_))), "another note");
        assert!(matches!(read_back(5, &signed), Err(Doubt::OtherTree { .. })), "another size beside the note");
        let found = check(None, "test/log", &[key.verifier().clone()], head(12));
        assert!(matches!(found, Err(Doubt::NoCheckpoint)));
    }
}
