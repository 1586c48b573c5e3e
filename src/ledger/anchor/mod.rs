//! The anchor: the newest signed checkpoint, outside the database. A database that was put back to an earlier state, or a copy
//! that signs other events under the same name, is found by it before anything more is signed.
//!
//! It lies in a file of its own, `checkpoint` in the anchor's folder, better on another volume. Only who has signed writes it, and
//! only over what it knows of (compare-and-swap).

mod check;
mod file;
mod keeper;

pub(super) use check::{examine, newest_known};
pub(super) use file::Anchor;
pub use file::AnchorError;
pub use keeper::Anchored;
pub(super) use keeper::Keeper;
