//! Who a log is: read from its own events.

use super::OpenError;
use crate::log::Reader;
pub use crate::tree::Identity;
use crate::wire::Leaf;

/// Who the log is now: what its own events say, one after the other.
pub fn identity(log: &Reader<'_>) -> Result<Identity, OpenError> {
    let mut found = None;
    log.scan_own(|row| {
        let leaf = Leaf::parse(row.leaf).map_err(|error| OpenError::Identity(error.to_string()))?;
        let data = row.data.ok_or_else(|| OpenError::Identity("their data is missing".into()))?;
        found = Identity::after(found.take(), &leaf.event_type, data).map_err(OpenError::Identity)?;
        Ok::<(), OpenError>(())
    })?;
    found.ok_or_else(|| OpenError::Identity("there is no genesis event".into()))
}
