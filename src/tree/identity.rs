//! Who signs for a log: its name and keys, as its own events tell.

use super::VerifierKey;
use crate::wire::{LedgerContinued, LedgerCreated, LedgerKeyAdded};

/// Who a log is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its unique name.
    pub origin: String,
    /// Who signs for it, the newest first; never empty.
    pub keys: Vec<VerifierKey>,
}

impl Identity {
    /// The newest of its keys.
    pub fn verifier_key(&self) -> &VerifierKey {
        &self.keys[0]
    }

    fn new(origin: String, verifier_key: &str) -> Result<Identity, String> {
        let key = key_of(&origin, verifier_key)?;
        Ok(Identity { origin, keys: vec![key] })
    }

    /// Who the log is after one of its own events; the text says what is wrong with that.
    pub fn after(before: Option<Identity>, event_type: &str, data: &[u8]) -> Result<Option<Identity>, String> {
        let unreadable = |error: serde_json::Error| format!("the data of `{event_type}` cannot be read: {error}");
        match (event_type, before) {
            (found, before) if before.is_some() == (found == LedgerCreated::TYPE) => {
                Err(format!("expected `{}` at position 0 and nowhere else, found `{found}`", LedgerCreated::TYPE))
            }
            (LedgerCreated::TYPE, _) => {
                let data: LedgerCreated = serde_json::from_slice(data).map_err(unreadable)?;
                Identity::new(data.origin, &data.verifier_key).map(Some)
            }
            (LedgerContinued::TYPE, Some(before)) => {
                let data: LedgerContinued = serde_json::from_slice(data).map_err(unreadable)?;
                if data.previous.origin != before.origin {
                    let (expected, found) = (before.origin, data.previous.origin);
                    return Err(format!("expected an event that continues `{expected}`, found one of `{found}`"));
                }
                Identity::new(data.origin, &data.verifier_key).map(Some)
            }
            (LedgerKeyAdded::TYPE, Some(mut before)) => {
                let data: LedgerKeyAdded = serde_json::from_slice(data).map_err(unreadable)?;
                before.keys.insert(0, key_of(&before.origin, &data.verifier_key)?);
                Ok(Some(before))
            }
            // A newer program's: it says nothing about the name that this one would understand.
            (_, before) => Ok(before),
        }
    }
}

fn key_of(origin: &str, text: &str) -> Result<VerifierKey, String> {
    let key: VerifierKey = text.parse().map_err(|error| format!("{error}"))?;
    let name = key.name();
    if name == origin { Ok(key) } else { Err(format!("expected a key of `{origin}`, found one of `{name}`")) }
}
