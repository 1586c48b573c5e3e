//! Data of the ledger's own events, which belong to no job and no organisation.

use serde::{Deserialize, Serialize};

use crate::job::EventType;

/// `ledger.created`, version 1: the genesis event, leaf 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerCreated {
    /// The origin: the unique name of this instance of a ledger, for ever.
    pub origin: String,
    /// The format of every leaf in this log.
    pub leaf_format: u32,
    /// The verifier key of the log's signer: `name+hash+base64` (C2SP signed-note).
    pub verifier_key: String,
}

/// `ledger.continued`, version 1: a copy of a log continues under a new origin and key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerContinued {
    /// The new origin.
    pub origin: String,
    /// The verifier key of the new signer.
    pub verifier_key: String,
    /// The log that the copy was before.
    pub previous: PreviousLog,
}

/// The log that a copy continues.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreviousLog {
    /// The log's origin.
    pub origin: String,
    /// The newest position of that log in the copy, in decimal digits.
    pub head: String,
    /// The log's last known checkpoint; `null` if no checkpoint was ever signed.
    pub checkpoint: Option<String>,
}

/// `ledger.key_added`, version 1: one more key signs for the log from this event on. The keys before it sign this event
/// too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerKeyAdded {
    /// The verifier key of the new signer. Its name is the log's origin.
    pub verifier_key: String,
}

impl LedgerCreated {
    /// The CloudEvents type.
    pub const TYPE: &'static str = EventType::LedgerCreated.as_str();
}

impl LedgerContinued {
    /// The CloudEvents type.
    pub const TYPE: &'static str = EventType::LedgerContinued.as_str();
}

impl LedgerKeyAdded {
    /// The CloudEvents type.
    pub const TYPE: &'static str = EventType::LedgerKeyAdded.as_str();
}
