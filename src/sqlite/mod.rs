//! SQLite as this project uses it: read-only pools, backup, the WAL and how it is copied back, one error.
//!
//! Not here: tables. Each database's tables and statements are in its own room (`log`, `views`, `access`).

mod backup;
mod error;
mod pool;
mod settings;
mod truncate;
mod unwritable;
mod wal;

pub use backup::copy_database;
pub use error::{Error, chain, extended_code};
pub use pool::{Pool, READ_ONLY};
pub(crate) use pool::{open_reader, plan_once};
pub(crate) use settings::set;
pub use settings::sqlite_is_sound;
pub use truncate::truncate_wal;
pub use unwritable::open_to_read;
pub use wal::Wal;
