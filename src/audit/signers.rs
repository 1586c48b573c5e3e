//! Who signs for a log: what its own events say, from its first on.

use serde::Deserialize;

use crate::job::Position;
use crate::tree::{Checkpoint, CheckpointError, VerifierKey};
use crate::wire::{LedgerContinued, LedgerCreated, LedgerKeyAdded};

/// The log's name and keys, as of the events so far.
#[derive(Default)]
pub(super) struct Signers {
    pinned: Option<VerifierKey>,
    origin: Option<String>,
    keys: Vec<Named>,
}

/// A key that an event of the log names.
struct Named {
    key: VerifierKey,
    origin: String,
    /// Whether it is the pinned key, or was vouched for by one that is trusted.
    trusted: bool,
    /// Whether the first checkpoint that covers its event is still to come: that one must vouch for it.
    new: bool,
}

/// What the ledger's own events say of who signs.
#[derive(Deserialize)]
struct Says {
    origin: Option<String>,
    verifier_key: String,
}

impl Signers {
    pub(super) fn new(pinned: Option<VerifierKey>) -> Signers {
        Signers { pinned, ..Signers::default() }
    }

    /// Who the log says that it is now.
    pub(super) fn origin(&self) -> Option<&str> {
        self.origin.as_deref()
    }

    /// Every key that it has named.
    pub(super) fn keys(&self) -> impl Iterator<Item = &VerifierKey> {
        self.keys.iter().map(|named| &named.key)
    }

    /// The pinned key, where the log never named it.
    pub(super) fn strange_pin(&self) -> Option<&VerifierKey> {
        self.pinned.as_ref().filter(|pinned| self.keys().all(|key| key != *pinned))
    }

    /// Takes one of the ledger's own events.
    pub(super) fn take(&mut self, at: Position, event_type: &str, data: &[u8]) -> Result<(), String> {
        let first = at == Position::GENESIS;
        if (event_type == LedgerCreated::TYPE) != first {
            return Err(format!("expected `{}` at position 0 and nowhere else", LedgerCreated::TYPE));
        }
        let added = event_type == LedgerKeyAdded::TYPE;
        if !(first || added || event_type == LedgerContinued::TYPE) {
            // One that only a newer program knows.
            return Ok(());
        }
        let says: Says = serde_json::from_slice(data).map_err(|error| format!("who signs cannot be read: {error}"))?;
        let key: VerifierKey = says.verifier_key.parse().map_err(|error| format!("`verifier_key`: {error}"))?;
        let origin = if added { self.origin.clone() } else { says.origin };
        let origin = origin.ok_or("expected an `origin`, found none")?;
        let trusted = self.pinned.as_ref() == Some(&key);
        self.keys.push(Named { key, origin: origin.clone(), trusted, new: added });
        self.origin = Some(origin);
        Ok(())
    }

    /// Reads the log's own checkpoint that covers exactly the events so far: it must carry the log's name and the signature
    /// of a key that the log had before.
    pub(super) fn open(&self, note: &str) -> Result<Checkpoint, CheckpointError> {
        let origin = self.origin.clone().unwrap_or_default();
        let old = |named: &&Named| named.origin == origin && !named.new;
        let known: Vec<VerifierKey> = self.keys.iter().filter(old).map(|named| named.key.clone()).collect();
        Checkpoint::open(note, &origin, &known)
    }

    /// Takes a valid checkpoint of the events so far: whoever is new in it is vouched for by those that are trusted already.
    /// Answers whether it is signed by one that is trusted.
    pub(super) fn covered(&mut self, note: &str) -> bool {
        let vouched = self.trusts(note);
        for named in self.keys.iter_mut().filter(|named| named.new) {
            named.new = false;
            named.trusted |= vouched;
        }
        self.trusts(note)
    }

    /// Whether a key signed it that is trusted because of the pinned one. Unknown keys beside it do not matter.
    fn trusts(&self, note: &str) -> bool {
        let trusted = |named: &&Named| named.trusted && !named.new && Some(named.origin.as_str()) == self.origin();
        let trusted: Vec<VerifierKey> = self.keys.iter().filter(trusted).map(|named| named.key.clone()).collect();
        !trusted.is_empty() && Checkpoint::open(note, self.origin().unwrap_or_default(), &trusted).is_ok()
    }

    /// Whether this is a checkpoint under a name that the log had before, signed by a key that it had then.
    pub(super) fn is_left_behind(&self, note: &str) -> bool {
        note.lines().next() != self.origin() && self.open_held(note).is_ok()
    }

    /// Reads a checkpoint that somebody outside holds, signed by any key that the log has named for its origin.
    pub(super) fn open_held(&self, note: &str) -> Result<Checkpoint, CheckpointError> {
        let origin = note.lines().next().unwrap_or_default();
        let of = |named: &&Named| named.origin == origin;
        let known: Vec<VerifierKey> = self.keys.iter().filter(of).map(|named| named.key.clone()).collect();
        if known.is_empty() {
            let expected = self.origin.clone().unwrap_or_default();
            return Err(CheckpointError::Origin { expected, found: origin.chars().take(100).collect() });
        }
        Checkpoint::open(note, origin, &known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Head, SigningKey, Size, leaf_hash};

    fn key(n: u8) -> SigningKey {
        SigningKey::from_seed("example.org/log", &[n; 32]).unwrap()
    }

    fn note(size: u64, keys: &[&SigningKey]) -> String {
        let head = Head { size: Size::new(size).unwrap(), root: leaf_hash(b"x") };
        Checkpoint { origin: "example.org/log".into(), head }.sign(keys).unwrap()
    }

    fn log(pinned: Option<&SigningKey>) -> Signers {
        let mut signers = Signers::new(pinned.map(|key| key.verifier().clone()));
        let data = format!(r#"{{"origin":"example.org/log","leaf_format":1,"verifier_key":"{}"}}"#, key(1).verifier());
        signers.take(Position::GENESIS, "ledger.created", data.as_bytes()).unwrap();
        signers
    }

    fn add(signers: &mut Signers, at: u64, key: &SigningKey) {
        let data = format!(r#"{{"verifier_key":"{}"}}"#, key.verifier());
        signers.take(Position::new(at), "ledger.key_added", data.as_bytes()).unwrap();
    }

    fn cover(signers: &mut Signers, note: &str) -> bool {
        signers.open(note).unwrap();
        signers.covered(note)
    }

    #[test]
    fn nobody_is_trusted_who_was_not_pinned() {
        for (pinned, trusted) in [(None, false), (Some(key(1)), true), (Some(key(9)), false)] {
            let mut signers = log(pinned.as_ref());
            assert_eq!(cover(&mut signers, &note(1, &[&key(1)])), trusted);
            assert_eq!(
                signers.strange_pin().is_some(),
                pinned.is_some_and(|pin| *pin.verifier() == *key(9).verifier())
            );
        }
    }

    #[test]
    fn a_new_key_is_vouched_for_by_the_old_one() {
        let mut signers = log(Some(&key(1)));
        add(&mut signers, 1, &key(2));
        assert!(signers.open(&note(2, &[&key(2)])).is_err(), "only the new key signs its own introduction");
        assert!(cover(&mut signers, &note(2, &[&key(1), &key(2)])));
        assert!(cover(&mut signers, &note(3, &[&key(2)])));
    }

    #[test]
    fn who_pins_the_new_key_trusts_what_it_signs() {
        let mut signers = log(Some(&key(2)));
        assert!(!cover(&mut signers, &note(1, &[&key(1)])));
        add(&mut signers, 1, &key(2));
        assert!(cover(&mut signers, &note(2, &[&key(1), &key(2)])));
        assert!(cover(&mut signers, &note(3, &[&key(2)])));
    }

    #[test]
    fn a_strange_key_does_not_sign() {
        let signers = log(None);
        assert!(signers.open(&note(1, &[&key(3)])).is_err());
        assert!(signers.open_held(&note(1, &[&key(3)])).is_err());
        assert!(signers.open_held(&note(1, &[&key(1)])).is_ok());
    }
}
