//! Data of the ledger's own events, which belong to no job and no organisation.

use serde::{Deserialize, Serialize};

use crate::job::EventType;

/// `ledger.created`, version 1: the genesis event, leaf 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerCreated {
    /// Names this instance for ever; unique.
    pub origin: String,
    /// The format of every leaf in this log.
    pub leaf_format: u32,
    /// Who signs for it: `name+hash+base64` (C2SP signed-note).
    pub verifier_key: String,
}

/// `ledger.continued`, version 1: a copy goes on under a new name and key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerContinued {
    /// The new name.
    pub origin: String,
    /// The new signer.
    pub verifier_key: String,
    /// What the copy was before.
    pub previous: PreviousLog,
}

/// The log that a copy continues.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreviousLog {
    /// Its name.
    pub origin: String,
    /// The newest position that the copy holds of it, decimal.
    pub head: String,
    /// Its last known checkpoint; `null` where none was ever signed.
    pub checkpoint: Option<String>,
}

/// `ledger.key_added`, version 1: one more key signs for the log from here on. It stands under the signature of those before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerKeyAdded {
    /// The new signer, under the log's own name.
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
