//! Statements that SQLite plans once, and whose errors name the attempt.

use rusqlite::types::FromSql;
use rusqlite::{CachedStatement, Connection, OptionalExtension, Params, Row};

use super::Error;

/// A statement, which returns to its connection's cache after use, and the attempt that its errors name.
pub struct Statement<'c> {
    statement: CachedStatement<'c>,
    doing: &'static str,
}

/// The rows of a running statement, read one by one.
pub struct Rows<'s> {
    rows: rusqlite::Rows<'s>,
    doing: &'static str,
}

impl<'c> Statement<'c> {
    /// Takes the statement from the connection's cache, or plans it. `doing` completes the sentence "cannot …".
    pub fn new(conn: &'c Connection, doing: &'static str, sql: &str) -> Result<Statement<'c>, Error> {
        let statement = conn.prepare_cached(sql).map_err(Error::doing(doing))?;
        Ok(Statement { statement, doing })
    }

    /// Reads the only row.
    pub fn row<T>(
        &mut self,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> Result<T, rusqlite::Error>,
    ) -> Result<T, Error> {
        self.statement.query_row(params, read).map_err(Error::doing(self.doing))
    }

    /// Reads the only row, if there is one.
    pub fn row_if_any<T>(
        &mut self,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> Result<T, rusqlite::Error>,
    ) -> Result<Option<T>, Error> {
        self.statement.query_row(params, read).optional().map_err(Error::doing(self.doing))
    }

    /// Reads the only column of the only row.
    pub fn value<T: FromSql>(&mut self, params: impl Params) -> Result<T, Error> {
        self.row(params, |row| row.get(0))
    }

    /// Reads the only column of the only row, if there is one.
    pub fn value_if_any<T: FromSql>(&mut self, params: impl Params) -> Result<Option<T>, Error> {
        self.row_if_any(params, |row| row.get(0))
    }

    /// Starts reading rows.
    pub fn rows(&mut self, params: impl Params) -> Result<Rows<'_>, Error> {
        let rows = self.statement.query(params).map_err(Error::doing(self.doing))?;
        Ok(Rows { rows, doing: self.doing })
    }

    /// Runs a statement that returns no rows. Returns how many rows it changed.
    pub fn execute(&mut self, params: impl Params) -> Result<usize, Error> {
        self.statement.execute(params).map_err(Error::doing(self.doing))
    }

    /// Inserts one row, and returns its row id.
    pub fn insert(&mut self, params: impl Params) -> Result<i64, Error> {
        self.statement.insert(params).map_err(Error::doing(self.doing))
    }
}

impl Rows<'_> {
    /// Reads the next row; `None` after the last. The result of `read` may borrow from the row.
    pub fn read<'r, T>(
        &'r mut self,
        read: impl FnOnce(&'r Row<'_>) -> Result<T, rusqlite::Error>,
    ) -> Result<Option<T>, Error> {
        let row = self.rows.next().map_err(Error::doing(self.doing))?;
        row.map(read).transpose().map_err(Error::doing(self.doing))
    }
}
