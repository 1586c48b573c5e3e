//! The anchor: the newest signed checkpoint, outside the database. A start compares the log with the anchor before it signs
//! anything. So it finds a database that was put back to an earlier state, and a copy of the ledger that signed other events under
//! the same name.
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
