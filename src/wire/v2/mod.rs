//! The stored shapes of version 2. They add optional members to version 1.
//!
//! An append stores version 2 only if one of the added members is present, so that an older jobledger reads all other events. If none
//! is present, the stored bytes are those of version 1.
//!
//! Not here: the choice of a shape by type and version (`wire::stored`).

mod created;
mod started;

pub use created::Created2;
pub use started::{MAX_LEASE_SEC, Started2, check_worker};
