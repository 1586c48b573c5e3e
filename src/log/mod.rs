//! `log.db`: the append-only store. It knows bytes, positions and chains; what an event means it does not know.
//!
//! Deliberately absent: an update, a delete, an expected version of "any". SQLite itself refuses them (`schema/log.sql`).

mod open;
mod reader;
mod tree;
mod writer;

pub use open::{FORMAT, FileState, TREE_FORMAT, empty_log, file_state, recover_file};
pub use reader::{Filter, Found, Page, Reader, Row, SCAN_LIMIT, StreamId, enough};
pub use tree::Published;
pub use writer::{NewEvent, Writer};

pub use crate::sqlite::{Error, chain};
