//! The file `access.db`: opened, made if it is missing, upgraded if it is older.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, Row, Transaction, TransactionBehavior};

use super::error::{AccessError, Stop, attempt};
use crate::sqlite::{open_to_read, share};

const SCHEMA: &str = include_str!("../../schema/access.sql");
/// The version of [`SCHEMA`].
pub(super) const VERSION: i64 = 2;
/// Renames the tables of version 1.
const SET_ASIDE: &str = "ALTER TABLE token RENAME TO token_1; ALTER TABLE session RENAME TO session_1;";
/// Copies the rows of version 1 into the tables of version 2.
const FROM_1: &str = include_str!("../../schema/access.2.sql");
/// How long a command waits for a lock.
const PATIENCE: Duration = Duration::from_secs(5);

/// The file, as commands read and change it. Every call may wait for a lock, and a change syncs, so a server makes these calls
/// off its async threads.
#[derive(Debug)]
pub struct Access {
    pub(super) conn: Connection,
}

impl Access {
    /// Opens the file, and makes it if it is missing.
    pub fn open(path: &Path) -> Result<Access, AccessError> {
        Access::open_patient(path, PATIENCE)
    }

    /// Opens the file, and waits at most `patience` for a lock, now and later.
    pub(super) fn open_patient(path: &Path, patience: Duration) -> Result<Access, AccessError> {
        attempt("open access.db", || {
            let mut conn = Connection::open(path)?;
            share(&conn, patience)?;
            // Only an upgrade takes the writer's lock, which a backup may hold.
            if version(&conn)? != VERSION {
                let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
                upgrade(&transaction)?;
                transaction.commit()?;
            }
            Ok::<_, Stop>(Access { conn })
        })
    }

    /// Opens an existing file only for reading, also in a folder that this process may not write.
    ///
    /// # Errors
    /// [`AccessError::Older`] for a file that must be upgraded first.
    pub fn open_to_read(path: &Path) -> Result<Access, AccessError> {
        let conn = open_to_read(path)?;
        match attempt("open access.db", || version(&conn))? {
            VERSION => Ok(Access { conn }),
            found if found < VERSION => Err(AccessError::Older { found }),
            found => Err(AccessError::Newer { found }),
        }
    }

    /// Runs `change` in one transaction. `doing` names it in an error of SQLite.
    pub(super) fn change<T>(
        &self,
        doing: &'static str,
        change: impl FnOnce(&Transaction<'_>) -> Result<T, Stop>,
    ) -> Result<T, AccessError> {
        attempt(doing, || {
            let transaction = Transaction::new_unchecked(&self.conn, TransactionBehavior::Immediate)?;
            let made = change(&transaction)?;
            transaction.commit()?;
            Ok::<_, Stop>(made)
        })
    }
}

fn version(conn: &Connection) -> Result<i64, rusqlite::Error> {
    conn.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Brings the file to [`VERSION`]. Reads the version again under the lock: another process may have upgraded the file.
fn upgrade(transaction: &Transaction<'_>) -> Result<(), Stop> {
    match version(transaction)? {
        0 => transaction.execute_batch(SCHEMA)?,
        1 => transaction.execute_batch(&[SET_ASIDE, SCHEMA, FROM_1].concat())?,
        VERSION => return Ok(()),
        found => return Err(AccessError::Newer { found }.into()),
    }
    Ok(transaction.pragma_update(None, "user_version", VERSION)?)
}

/// Reads a role or an organisation from a column.
pub(super) fn word<T>(row: &Row<'_>, at: usize) -> Result<T, rusqlite::Error>
where
    T: std::str::FromStr<Err = crate::job::BadId>,
{
    let text = row.get_ref(at)?.as_str()?;
    text.parse()
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(at, rusqlite::types::Type::Text, Box::new(error)))
}
