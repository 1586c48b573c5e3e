//! The form of the project's own values in a column. Not here: times, because `log.db` and `access.db` store microseconds, and
//! `views.db` stores nanoseconds.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

use crate::job::{JobId, Kind, OrgId, Position};
use crate::tree::{Hash, Size};

type Bound<'v> = Result<ToSqlOutput<'v>, rusqlite::Error>;

impl ToSql for Position {
    fn to_sql(&self) -> Bound<'_> {
        // At most `i64::MAX`, so no bit is lost.
        Ok((self.get() as i64).into())
    }
}

impl FromSql for Position {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Position> {
        u64::column_result(value).map(Position::new)
    }
}

impl ToSql for Size {
    fn to_sql(&self) -> Bound<'_> {
        // At most `i64::MAX`, so no bit is lost.
        Ok((self.get() as i64).into())
    }
}

impl FromSql for Size {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Size> {
        Size::new(u64::column_result(value)?).map_err(FromSqlError::other)
    }
}

impl ToSql for Hash {
    fn to_sql(&self) -> Bound<'_> {
        Ok(self.as_bytes().as_slice().into())
    }
}

impl FromSql for Hash {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Hash> {
        <[u8; Hash::LEN]>::column_result(value).map(Hash)
    }
}

impl ToSql for OrgId {
    fn to_sql(&self) -> Bound<'_> {
        Ok(self.to_string().into())
    }
}

impl FromSql for OrgId {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<OrgId> {
        value.as_str()?.parse().map_err(FromSqlError::other)
    }
}

impl ToSql for JobId {
    fn to_sql(&self) -> Bound<'_> {
        Ok(self.as_str().into())
    }
}

impl FromSql for JobId {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<JobId> {
        value.as_str()?.parse().map_err(FromSqlError::other)
    }
}

impl ToSql for Kind {
    fn to_sql(&self) -> Bound<'_> {
        Ok(self.as_str().into())
    }
}
