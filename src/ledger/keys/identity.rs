//! Who a log is: read from its own events.

use crate::ledger::OpenError;
use crate::log::Reader;
pub use crate::tree::Identity;
use crate::tree::VerifierKey;
use crate::wire::Leaf;

/// Who the log is now: what its own events say, one after the other.
pub fn identity(log: &Reader<'_>) -> Result<Identity, OpenError> {
    follow(log, |_| {})
}

/// Every key that the log has named under any of its names, the newest last.
pub(in crate::ledger) fn keys(log: &Reader<'_>) -> Result<Vec<VerifierKey>, OpenError> {
    let mut keys: Vec<VerifierKey> = Vec::new();
    follow(log, |now| {
        if keys.last() != Some(now.verifier_key()) {
            keys.push(now.verifier_key().clone());
        }
    })?;
    Ok(keys)
}

/// Who the log is now; `each` sees who it was after each of its own events.
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
