//! SQLite as this project uses it: connections, cached statements, backup, copying the WAL back, watching the WAL, one error.
//!
//! Not here: tables. The rooms `log`, `views` and `access` each have their own tables and statements.

mod backup;
mod copy_back;
mod error;
mod pool;
mod settings;
mod statement;
mod unwritable;
mod values;
mod wal;

pub use backup::copy_database;
pub use copy_back::{Frames, copy_back, open_to_copy};
pub use error::{Error, ErrorKind};
pub(crate) use pool::{COMMAND_CACHE, limit_cache, open_reader, plan_once};
pub use pool::{Pool, READ_ONLY, snapshot};
pub use settings::sqlite_is_sound;
pub(crate) use settings::{set, share, use_wal};
pub use statement::{Rows, Statement};
pub use unwritable::open_to_read;
pub use wal::Wal;
