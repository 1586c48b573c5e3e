//! Stored and exchanged shapes: the CloudEvents of producers, the stored data, the leaf, the export line.
//!
//! An event passes through three shapes here: `Envelope`, the attributes as they were read; [`EventData`], the data
//! after its shape was checked and its secrets masked; [`Incoming`], both together, which the ledger takes.
//!
//! A stored shape is frozen by (type, version). Stored bytes are never encoded again: readers splice them.
//!
//! Not here: I/O, clock and randomness; the meaning of an event ([`crate::job`]); the search for secrets
//! ([`crate::mask`]).

mod binary;
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
mod reject;
mod residue;
mod shape;
mod shown;
mod stored;
mod v1;
mod v2;

pub use crate::job::LEDGER;
pub use binary::binary;
pub use cloudevent::{REDACTED, cloudevent, write_cloudevent};
pub use export::{Entry, ExportedLine, NotAnExportLine};
pub use fact::{Unreadable, UnreadableCause, fact, job_of};
pub use incoming::{Incoming, MAX_BATCH, MAX_DATA, batch, check_source, single};
pub use leaf::{BadLeaf, DIGEST_LEN, Leaf, SALT_LEN, datadigest};
pub use ledger_events::{LedgerContinued, LedgerCreated, LedgerKeyAdded, PreviousLog};
pub use lines::{Line, LineError, Lines, MAX_LINE};
pub use reject::{BatchReject, Reject};
pub use residue::{StoredRedaction, residue, with_residue};
pub use shown::{NotShown, entry_of};
pub use stored::{EventData, Undecodable, decode, parse, read_spec};
pub use v2::{MAX_LEASE_SEC, check_worker};
