//! The anchor: the newest signed checkpoint, outside the database. By comparing it a start finds a database that was put back
//! to an earlier state, and a copy of the ledger that signs other events under the same name, before it signs anything more.
//!
//! The anchor is the file `checkpoint` in the anchor's folder, better on another volume. It is updated by compare-and-swap.
//!
//! Not here: signing a checkpoint (`commit::seal`).

mod check;
mod file;
mod keeper;

pub(super) use check::{ExamineError, examine, newest_known};
pub(super) use file::Anchor;
pub use file::AnchorError;
pub use keeper::Anchored;
pub(super) use keeper::Keeper;
