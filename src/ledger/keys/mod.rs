//! Who signs for the log: the identity that the log's own events give it, the files of its signing keys, and the three events
//! that change either (genesis, rotation, recovery).
//!
//! Not here: how a checkpoint is signed and when (`commit::seal`), and the anchor.

mod identity;
pub(super) mod key_file;
mod own_events;
mod recover;
mod rotate;

pub use identity::{Identity, identity};
pub(super) use identity::{LiveIdentity, keys};
pub(super) use key_file::NoSigner;
pub use key_file::{KeyError, own_key};
pub(super) use own_events::{create, new_origin, open_existing, take_existing, upgrade};
pub use recover::{Continued, continue_log};
pub(super) use rotate::add_key;
pub use rotate::{RotateError, rotate_key};
