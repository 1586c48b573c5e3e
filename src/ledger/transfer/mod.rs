//! Export and import: the log as a file of lines. An import of an export gives the same log, to the byte.
//!
//! Not here: the check of each entry (`history::entries`).

mod check;
mod entry;
mod export;
mod import;

pub use check::LineFault;
pub(super) use entry::{InsertError, KnownJobs, insert_entry};
pub use export::{ExportError, export, export_line, export_signed};
pub use import::{ImportError, Imported, import};
