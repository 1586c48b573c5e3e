//! The keys that the log's own events name, and which of them are trusted because the pinned key leads to them.

use crate::tree::{Checkpoint, CheckpointError, Identity, IdentityError, NoteError, VerifierKey};

/// A log's name and keys after the events so far.
#[derive(Default)]
pub(crate) struct Signers {
    pinned: Option<VerifierKey>,
    identity: Option<Identity>,
    /// Every key that the log had, under all names of the log. A key carries the name that it signs for.
    keys: Vec<NamedKey>,
}

/// A key that an event of the log names.
struct NamedKey {
    key: VerifierKey,
    /// Whether the key is the pinned key, or a trusted key vouched for it.
    trusted: bool,
    /// Whether no checkpoint covers the key's event yet. An older key must sign the first checkpoint that does.
    new: bool,
}

/// A checkpoint, and the keys of the log that signed it.
pub(crate) struct Signed {
    pub checkpoint: Checkpoint,
    pub signers: Vec<VerifierKey>,
}

impl Signers {
    pub(crate) fn new(pinned: Option<VerifierKey>) -> Signers {
        Signers { pinned, ..Signers::default() }
    }

    /// The log's name now.
    pub(crate) fn origin(&self) -> Option<&str> {
        self.identity.as_ref().map(|identity| identity.origin.as_str())
    }

    /// Every key that the log named so far.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &VerifierKey> {
        self.keys.iter().map(|named| &named.key)
    }

    /// Whether a key was pinned.
    pub(crate) fn is_pinned(&self) -> bool {
        self.pinned.is_some()
    }

    /// The pinned key, if the log never named it.
    pub(crate) fn unnamed_pin(&self) -> Option<&VerifierKey> {
        self.pinned.as_ref().filter(|pinned| self.keys().all(|key| key != *pinned))
    }

    /// Takes one of the ledger's own events.
    ///
    /// # Errors
    /// After an event that cannot be read or does not fit, the keys stay as they were.
    pub(crate) fn take(&mut self, event_type: &str, data: &[u8]) -> Result<(), IdentityError> {
        let after = Identity::after(self.identity.clone(), event_type, data)?;
        if self.identity.as_ref() != Some(&after) {
            let key = after.verifier_key().clone();
            let trusted = self.pinned.as_ref() == Some(&key);
            // No older key can vouch for a key under a new name.
            let new = self.origin() == Some(&after.origin);
            self.keys.push(NamedKey { key, trusted, new });
        }
        self.identity = Some(after);
        Ok(())
    }

    /// Reads the log's own checkpoint of exactly the events so far.
    ///
    /// # Errors
    /// The checkpoint must have the log's name, and the signature of a key that the log had before.
    pub(crate) fn open(&self, note: &str) -> Result<Signed, CheckpointError> {
        let signed = self.open_held(note)?;
        let origin = self.origin().unwrap_or_default();
        if signed.checkpoint.origin != origin {
            let (expected, found) = (origin.to_owned(), signed.checkpoint.origin);
            return Err(CheckpointError::Origin { expected, found });
        }
        if self.keys.iter().any(|named| !named.new && signed.signers.contains(&named.key)) {
            return Ok(signed);
        }
        let names = |keys: &mut dyn Iterator<Item = &VerifierKey>| keys.map(VerifierKey::to_string).collect();
        let expected = names(&mut self.keys.iter().filter(|named| !named.new).map(|named| &named.key));
        Err(NoteError::Unknown { expected, found: names(&mut signed.signers.iter()) }.into())
    }

    /// Reads a checkpoint that is held outside.
    ///
    /// # Errors
    /// One of the keys that the log named for the checkpoint's origin must have signed it.
    pub(crate) fn open_held(&self, note: &str) -> Result<Signed, CheckpointError> {
        let known: Vec<VerifierKey> = self.keys().cloned().collect();
        let (checkpoint, signers) = Checkpoint::open_known(note, &known)?;
        Ok(Signed { checkpoint, signers })
    }

    /// Whether the note is a checkpoint of an earlier name of the log, signed by a key of that name.
    pub(crate) fn is_left_behind(&self, note: &str) -> bool {
        note.lines().next() != self.origin() && self.open_held(note).is_ok()
    }

    /// Takes the signers of a valid checkpoint of the events so far: if a trusted key is among them, every new key becomes
    /// trusted. Returns whether a trusted key signed.
    pub(crate) fn covered(&mut self, signers: &[VerifierKey]) -> bool {
        let vouched = self.trusts(signers);
        for named in self.keys.iter_mut().filter(|named| named.new) {
            named.new = false;
            named.trusted |= vouched;
        }
        self.trusts(signers)
    }

    fn trusts(&self, signers: &[VerifierKey]) -> bool {
        let trusted = |named: &NamedKey| named.trusted && !named.new && Some(named.key.name()) == self.origin();
        self.keys.iter().any(|named| trusted(named) && signers.contains(&named.key))
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
        signers.take("ledger.created", data.as_bytes()).unwrap();
        signers
    }

    fn add(signers: &mut Signers, key: &SigningKey) {
        let data = format!(r#"{{"verifier_key":"{}"}}"#, key.verifier());
        signers.take("ledger.key_added", data.as_bytes()).unwrap();
    }

    fn cover(signers: &mut Signers, note: &str) -> bool {
        let signed = signers.open(note).unwrap();
        signers.covered(&signed.signers)
    }

    #[test]
    fn only_a_pinned_key_is_trusted() {
        for (pinned, trusted) in [(None, false), (Some(key(1)), true), (Some(key(9)), false)] {
            let mut signers = log(pinned.as_ref());
            assert_eq!(cover(&mut signers, &note(1, &[&key(1)])), trusted);
            assert_eq!(
                signers.unnamed_pin().is_some(),
                pinned.is_some_and(|pin| *pin.verifier() == *key(9).verifier())
            );
        }
    }

    #[test]
    fn a_new_key_is_vouched_for_by_the_old_one() {
        let mut signers = log(Some(&key(1)));
        add(&mut signers, &key(2));
        assert!(signers.open(&note(2, &[&key(2)])).is_err(), "only the new key signs its own introduction");
        assert!(cover(&mut signers, &note(2, &[&key(1), &key(2)])));
        assert!(cover(&mut signers, &note(3, &[&key(2)])));
    }

    #[test]
    fn a_pinned_new_key_is_trusted_from_its_introduction_on() {
        let mut signers = log(Some(&key(2)));
        assert!(!cover(&mut signers, &note(1, &[&key(1)])));
        add(&mut signers, &key(2));
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
