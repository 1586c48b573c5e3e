//! The columns of the tables of jobs and items: one list for each, in the one order in which rows are read and written.
//!
//! Reads name a column by its number, because SQLite finds a name by comparing it with all names. Only this file knows the numbers.

use std::fmt::Display;
use std::marker::PhantomData;
use std::str::FromStr;
use std::sync::OnceLock;

use rusqlite::types::{FromSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, Row, params_from_iter};

use super::Error;
use crate::job::{Position, Time};

/// A column of a table.
pub(super) trait Column: Copy + 'static {
    /// The attempt that an error of these columns names; completes the sentence "cannot …".
    const DOING: &'static str;

    /// The column's place among those that a statement reads.
    fn number(self) -> usize;

    /// The column's name in SQL.
    fn name(self) -> &'static str;
}

macro_rules! columns {
    ($(#[$doc:meta])* $name:ident, $table:literal, $doing:literal: $first:ident = $first_name:literal $(, $column:ident = $text:literal)*) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum $name { $first, $($column),* }

        impl $name {
            /// Every column, for the list of a `SELECT`.
            pub(super) const LIST: &str = concat!($table, ".", $first_name $(, ", ", $table, ".", $text)*);
        }

        impl Column for $name {
            const DOING: &'static str = $doing;

            fn number(self) -> usize {
                self as usize
            }

            fn name(self) -> &'static str {
                const NAMES: &[&str] = &[$first_name, $($text),*];
                NAMES[self as usize]
            }
        }
    };
}

columns! {
    /// The columns of `job` and `snapshot`.
    JobColumn, "job", "read a job's row":
    Id = "id", Org = "org", Subject = "subject", Kind = "kind", JobType = "job_type", Status = "status",
    Position = "position", RecordedAt = "recorded_at", Events = "events", Bytes = "bytes", CreatedAt = "created_at", StartedAt = "started_at",
    EndedAt = "ended_at", CreatedBy = "created_by", Labels = "labels", CancelledBy = "cancelled_by",
    CancelledReason = "cancelled_reason", CancelledPosition = "cancelled_position", Message = "message",
    CurrentStep = "current_step", Percent = "percent", RecordsProcessed = "records_processed",
    TotalRecords = "total_records", RecordsCreated = "records_created", RecordsUpdated = "records_updated",
    RecordsDeleted = "records_deleted", HookHead = "hook_head", HookLen = "hook_len",
    HookExitCode = "hook_exit_code", HookSeconds = "hook_seconds", Items = "items", Notes = "notes",
    Redactions = "redactions", NotBefore = "not_before", RetryMax = "retry_max", RetryBackoff = "retry_backoff_sec",
    RetriedAs = "retried_as", Worker = "worker", WorkerLost = "worker_lost", LeaseSec = "lease_sec",
    LeaseSince = "lease_since"
}

columns! {
    /// The columns that `item` and `snapshot_item` have in common, but for the item's place in its job.
    ItemColumn, "item", "read a job's items":
    Item = "item", Status = "status", Message = "message", Provider = "provider", SecretId = "secret_id",
    SecretKeys = "secret_keys", Detail = "detail", At = "at", Since = "since"
}

/// Reads the columns of one row.
#[derive(Clone, Copy)]
pub(super) struct Columns<'a, 'r, C> {
    row: &'a Row<'r>,
    columns: PhantomData<C>,
}

impl<'a, 'r, C: Column> Columns<'a, 'r, C> {
    /// The columns of a row, which the statement selected with the list of `C`.
    pub(super) fn of(row: &'a Row<'r>) -> Columns<'a, 'r, C> {
        Columns { row, columns: PhantomData }
    }

    /// The value of a column. NULL is damage, unless `T` is an `Option`.
    pub(super) fn get<T: FromSql>(&self, column: C) -> Result<T, Error> {
        self.row.get(column.number()).map_err(Error::doing(C::DOING))
    }

    /// A number, which SQLite stores with a sign.
    pub(super) fn number(&self, column: C) -> Result<u64, Error> {
        Ok(self.get::<i64>(column)? as u64)
    }

    /// A number that may be missing.
    pub(super) fn count(&self, column: C) -> Result<Option<u64>, Error> {
        Ok(self.get::<Option<i64>>(column)?.map(|number| number as u64))
    }

    /// A position.
    pub(super) fn position(&self, column: C) -> Result<Position, Error> {
        Ok(Position::new(self.number(column)?))
    }

    /// A time that may be missing, in nanoseconds since 1970.
    pub(super) fn time(&self, column: C) -> Result<Option<Time>, Error> {
        Ok(self.get::<Option<i64>>(column)?.map(Time::from_nanos))
    }

    /// A word or id.
    pub(super) fn word<T: FromStr<Err: Display>>(&self, column: C) -> Result<T, Error> {
        let text = self.row.get_ref(column.number()).and_then(|value| Ok(value.as_str()?));
        parse(text.map_err(Error::doing(C::DOING))?)
    }

    /// A word or id that may be missing.
    pub(super) fn word_if<T: FromStr<Err: Display>>(&self, column: C) -> Result<Option<T>, Error> {
        self.get::<Option<String>>(column)?.map(|text| parse(&text)).transpose()
    }
}

fn parse<T: FromStr<Err: Display>>(text: &str) -> Result<T, Error> {
    text.parse().map_err(|error: T::Err| Error::Damaged(error.to_string()))
}

/// A column and the value that is written to it.
pub(super) type Cell<'a, C> = (C, ValueRef<'a>);

/// A text; NULL for none.
pub(super) fn text(text: Option<&str>) -> ValueRef<'_> {
    text.map_or(ValueRef::Null, |text| ValueRef::Text(text.as_bytes()))
}

/// A number that may have a sign.
pub(super) fn signed(number: Option<i64>) -> ValueRef<'static> {
    number.map_or(ValueRef::Null, ValueRef::Integer)
}

/// A number; NULL for none.
pub(super) fn count(number: Option<u64>) -> ValueRef<'static> {
    signed(number.map(|number| number as i64))
}

/// A number.
pub(super) fn number(number: u64) -> ValueRef<'static> {
    count(Some(number))
}

/// Runs a statement that binds the values of `keys` and then of `cells`. `sql` keeps the statement's text, which `compose` makes of
/// the names of the columns at the first call: a call site always binds the same columns in the same order.
pub(super) fn write<C: Column>(
    conn: &Connection,
    sql: &OnceLock<String>,
    compose: impl FnOnce(&[&str]) -> String,
    keys: &[i64],
    cells: &[Cell<'_, C>],
) -> Result<usize, rusqlite::Error> {
    let sql = sql.get_or_init(|| compose(&cells.iter().map(|(column, _)| column.name()).collect::<Vec<_>>()));
    let keys = keys.iter().map(|key| ValueRef::Integer(*key));
    let values = keys.chain(cells.iter().map(|(_, value)| *value));
    conn.prepare_cached(sql)?.execute(params_from_iter(values.map(ToSqlOutput::Borrowed)))
}
