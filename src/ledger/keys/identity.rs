//! The identity of a log, read from the log's own events.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::ledger::OpenError;
use crate::log::Reader;
pub use crate::tree::Identity;
use crate::tree::VerifierKey;
use crate::wire::Leaf;

/// The identity of an open ledger. It changes when a node stores the event of a rotation on another node. Cheap to clone.
#[derive(Debug, Clone)]
pub(in crate::ledger) struct LiveIdentity(Arc<Mutex<Identity>>);

impl LiveIdentity {
    /// An identity that the log has at its opening.
    pub(in crate::ledger) fn new(identity: Identity) -> LiveIdentity {
        LiveIdentity(Arc::new(Mutex::new(identity)))
    }

    /// The identity now.
    pub(in crate::ledger) fn get(&self) -> Identity {
        self.0.lock().clone()
    }

    /// Takes over the identity that the log's events give it now.
    pub(in crate::ledger) fn set(&self, identity: Identity) {
        *self.0.lock() = identity;
    }
}

/// The log's origin and keys now, from the log's own events in order.
///
/// # Errors
///
/// The log or its own events cannot be read.
pub fn identity(log: &Reader<'_>) -> Result<Identity, OpenError> {
    follow(log, |_| {})
}

/// Every key that the log has named, under any of its origins, the newest last.
pub(in crate::ledger) fn keys(log: &Reader<'_>) -> Result<Vec<VerifierKey>, OpenError> {
    let mut keys: Vec<VerifierKey> = Vec::new();
    follow(log, |now| {
        if keys.last() != Some(now.verifier_key()) {
            keys.push(now.verifier_key().clone());
        }
    })?;
    Ok(keys)
}

/// The log's identity now; `each` sees the identity after each of the log's own events.
fn follow(log: &Reader<'_>, mut each: impl FnMut(&Identity)) -> Result<Identity, OpenError> {
    let mut found = None;
    log.scan_own(|row| {
        let leaf = Leaf::parse(row.leaf).map_err(|error| OpenError::Identity(error.to_string()))?;
        let data = row.data.ok_or_else(|| OpenError::Identity("their data is missing".into()))?;
        let now = Identity::after(found.take(), &leaf.event_type, data);
        let now = now.map_err(|error| OpenError::Identity(error.to_string()))?;
        each(&now);
        found = Some(now);
        Ok::<(), OpenError>(())
    })?;
    found.ok_or_else(|| OpenError::Identity("there is no genesis event".into()))
}
