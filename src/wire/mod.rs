//! Stored and exchanged shapes: CloudEvents as producers send them, data as it is stored, the leaf, the export line.
//!
//! Shapes are frozen by (type, version). Nothing that was stored is ever re-encoded: readers splice stored bytes.

mod cloudevent;
mod envelope;
mod export;
mod fact;
mod fields;
mod incoming;
mod leaf;
mod ledger_events;
mod lines;
mod plain;
mod residue;
mod shape;
mod stored;
mod v1;

pub use cloudevent::{REDACTED, cloudevent, write_cloudevent};
pub use export::{ExportLine, Exported, NotAnExportLine};
pub use fact::{Unreadable, UnreadableCause, fact, job_of};
pub use incoming::{Incoming, MAX_BATCH, MAX_DATA, Reject, batch, binary, check_source, single};
pub use leaf::{BadLeaf, DIGEST_LEN, Leaf, SALT_LEN, datadigest};
pub use ledger_events::{LedgerContinued, LedgerCreated, LedgerKeyAdded, PreviousLog};
pub use lines::{Line, LineError, Lines, MAX_LINE};
pub use residue::{StoredRedaction, residue, with_residue};
pub use stored::{Parsed, Undecodable, decode, parse, read_spec};
