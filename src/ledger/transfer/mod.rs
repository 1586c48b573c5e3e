//! The log as a file of lines, out and in again, to the byte.

mod check;
mod export;
mod import;

pub use check::LineFault;
pub use export::{ExportError, export, export_line, export_signed};
pub use import::{ImportError, Imported, import};
