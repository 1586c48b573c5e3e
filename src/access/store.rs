//! `access.db` as a file: opened, made where there is none, upgraded where it is older.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, Row, Transaction, TransactionBehavior};

use super::error::{AccessError, doing};
use crate::sqlite::open_to_read;

const SCHEMA: &str = include_str!("../../schema/access.sql");
/// The version of [`SCHEMA`].
pub(super) const VERSION: i64 = 2;
/// Gives the names of the tables of version 1 free.
const SET_ASIDE: &str = "ALTER TABLE token RENAME TO token_1; ALTER TABLE session RENAME TO session_1;";
/// Brings what version 1 held into the tables of version 2.
const FROM_1: &str = include_str!("../../schema/access.2.sql");
/// How long a command waits for a lock.
const PATIENCE: Duration = Duration::from_secs(5);

/// The tokens and sessions of one data folder, as commands see and change them. Every call may wait for a lock, and one that
/// writes syncs: a server calls them off its async threads.
#[derive(Debug)]
pub struct Access {
    pub(super) conn: Connection,
}

impl Access {
    /// Opens the file; makes it where there is none.
    pub fn open(path: &Path) -> Result<Access, AccessError> {
        Access::open_patient(path, PATIENCE)
    }

    /// Opens the file, and waits at most `patience` for a lock, now and later.
    pub(super) fn open_patient(path: &Path, patience: Duration) -> Result<Access, AccessError> {
        let doing = || doing("open access.db");
        let mut conn = Connection::open(path).map_err(doing())?;
        conn.busy_timeout(patience).map_err(doing())?;
        conn.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;").map_err(doing())?;
        // A file that is up to date is opened without the lock of a writer, which a backup may hold.
        if version(&conn).map_err(doing())? != VERSION {
            let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(doing())?;
            bring_up_to_date(&transaction)?;
            transaction.commit().map_err(doing())?;
        }
        Ok(Access { conn })
    }

    /// Opens the file for reading alone, also where nothing can be written. It must be there.
    pub fn open_to_read(path: &Path) -> Result<Access, AccessError> {
        let conn = open_to_read(path)?;
        match version(&conn).map_err(doing("open access.db"))? {
            VERSION => Ok(Access { conn }),
            found if found < VERSION => Err(AccessError::Older { found }),
            found => Err(AccessError::Newer { found }),
        }
    }

    /// Runs `change` as a whole or not at all.
    pub(super) fn change<T>(
        &self,
        what: &'static str,
        change: impl FnOnce(&Transaction<'_>) -> Result<T, AccessError>,
    ) -> Result<T, AccessError> {
        let transaction =
            Transaction::new_unchecked(&self.conn, TransactionBehavior::Immediate).map_err(doing(what))?;
        let answer = change(&transaction)?;
        transaction.commit().map_err(doing(what))?;
        Ok(answer)
    }
}

fn version(conn: &Connection) -> Result<i64, rusqlite::Error> {
    conn.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Another process may have done so since the version was looked at, so it is looked at again under the lock.
fn bring_up_to_date(transaction: &Transaction<'_>) -> Result<(), AccessError> {
    let upgrade = doing("upgrade access.db");
    match version(transaction).map_err(doing("open access.db"))? {
        0 => transaction.execute_batch(SCHEMA).map_err(doing("make access.db"))?,
        1 => transaction.execute_batch(&[SET_ASIDE, SCHEMA, FROM_1].concat()).map_err(upgrade)?,
        VERSION => return Ok(()),
        found => return Err(AccessError::Newer { found }),
    }
    transaction.pragma_update(None, "user_version", VERSION).map_err(doing("open access.db"))
}

/// A column of words: a role, an organisation.
pub(super) fn word<T>(row: &Row<'_>, at: usize) -> Result<T, rusqlite::Error>
where
    T: std::str::FromStr<Err = crate::job::BadId>,
{
    let text = row.get_ref(at)?.as_str()?;
    text.parse()
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(at, rusqlite::types::Type::Text, Box::new(error)))
}
