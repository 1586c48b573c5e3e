//! A log's identity: its name and the keys that sign for it, as the ledger's own events say.

use super::{BadKey, VerifierKey};
use crate::wire::{LedgerContinued, LedgerCreated, LedgerKeyAdded};

/// A log's name and keys after one of its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The log's unique name.
    pub origin: String,
    /// The keys that sign for the log, the newest first; never empty.
    pub keys: Vec<VerifierKey>,
}

/// Why one of the ledger's own events does not fit the log's identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// `ledger.created` is not the first event, or another event is.
    #[error("expected `{}` at position 0 and nowhere else, found `{found}`", LedgerCreated::TYPE)]
    Misplaced {
        /// The type of the event at fault.
        found: String,
    },
    /// The event's data is not of its stored shape.
    #[error("the data of `{event_type}` cannot be read: {cause}")]
    Data {
        /// The event's type.
        event_type: &'static str,
        /// The parser's own words.
        cause: serde_json::Error,
    },
    /// A `ledger.continued` that continues another log.
    #[error("expected an event that continues `{expected}`, found one of `{found}`")]
    Continues {
        /// The log's name before the event.
        expected: String,
        /// The name that the event continues.
        found: String,
    },
    /// The event names no key.
    #[error(transparent)]
    Key(#[from] BadKey),
    /// The event names a key of another log.
    #[error("expected a key of `{origin}`, found one of `{name}`")]
    KeyName {
        /// The log's name.
        origin: String,
        /// The name on the key.
        name: String,
    },
}

impl Identity {
    /// The newest of the log's keys.
    pub fn verifier_key(&self) -> &VerifierKey {
        &self.keys[0]
    }

    /// The identity after one of the ledger's own events; `before` is `None` for the first event.
    ///
    /// A type that this program does not know changes nothing: a newer program wrote the event.
    ///
    /// # Errors
    /// `ledger.created` is not exactly the first event, the data cannot be read, or a key has another name than the log.
    pub fn after(before: Option<Identity>, event_type: &str, data: &[u8]) -> Result<Identity, IdentityError> {
        match (event_type, before) {
            (LedgerCreated::TYPE, None) => {
                let data: LedgerCreated = read(LedgerCreated::TYPE, data)?;
                Identity::new(data.origin, &data.verifier_key)
            }
            (found @ LedgerCreated::TYPE, Some(_)) | (found, None) => {
                Err(IdentityError::Misplaced { found: found.to_owned() })
            }
            (LedgerContinued::TYPE, Some(before)) => {
                let data: LedgerContinued = read(LedgerContinued::TYPE, data)?;
                if data.previous.origin != before.origin {
                    return Err(IdentityError::Continues { expected: before.origin, found: data.previous.origin });
                }
                Identity::new(data.origin, &data.verifier_key)
            }
            (LedgerKeyAdded::TYPE, Some(mut before)) => {
                let data: LedgerKeyAdded = read(LedgerKeyAdded::TYPE, data)?;
                before.keys.insert(0, key_of(&before.origin, &data.verifier_key)?);
                Ok(before)
            }
            (_, Some(before)) => Ok(before),
        }
    }

    fn new(origin: String, verifier_key: &str) -> Result<Identity, IdentityError> {
        let key = key_of(&origin, verifier_key)?;
        Ok(Identity { origin, keys: vec![key] })
    }
}

fn read<'d, T: serde::Deserialize<'d>>(event_type: &'static str, data: &'d [u8]) -> Result<T, IdentityError> {
    serde_json::from_slice(data).map_err(|cause| IdentityError::Data { event_type, cause })
}

fn key_of(origin: &str, text: &str) -> Result<VerifierKey, IdentityError> {
    let key = text.parse::<VerifierKey>()?;
    match key.name() {
        name if name == origin => Ok(key),
        name => Err(IdentityError::KeyName { origin: origin.to_owned(), name: name.to_owned() }),
    }
}
