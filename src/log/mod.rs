//! `log.db`: the append-only store. It knows bytes, positions and the chain of each job's events.
//!
//! Not here: the meaning of an event. There is also no delete, no append without an expected position, and no update but a
//! redaction: [`Writer`] has no such statement, and triggers in `schema/log.sql` refuse those of other programs.

mod changed;
mod error;
mod filter;
mod jobs;
mod open;
mod page;
mod reader;
mod section;
mod stream;
mod tree;
mod writer;

pub use error::Error;
pub use filter::{Columns, Filter, Types};
pub use jobs::StreamId;
pub use open::{FORMAT, FileState, NODE_FORMAT, TREE_FORMAT, empty_log, file_state, recover_file};
pub use page::{Page, SCAN_LIMIT};
pub use reader::{Found, Reader, Row, enough};
pub use stream::{LoggedMessage, Redacted};
pub use tree::Published;
pub use writer::{NewEvent, Writer};
