//! An audit of the views: what they show must be what replay of the log gives.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension};

use super::{AuditError, Auditor, Class};
use crate::log::{READ_ONLY, Reader, chain};
use crate::views::{Error, checkpoint, fits, rebuild};

/// What an audit of the views found.
pub(super) enum Views {
    /// They were compared, and this is wrong with them or with the log.
    Compared(Vec<String>),
    /// They could not be compared: what of, and why.
    LeftOut(String),
}

impl Views {
    pub(super) fn tell(self, auditor: &mut Auditor) {
        match self {
            Views::Compared(faults) => faults.into_iter().for_each(|what| auditor.fault(Class::Content, None, what)),
            Views::LeftOut(what) => auditor.leaves_out(&what),
        }
    }
}

/// Replays the log into new views in a temporary folder and compares them, table by table, with those in the file `path`.
/// Tells `progress` the position reached.
pub(super) fn audit_views(log: &Path, path: &Path, mut progress: impl FnMut(u64)) -> Result<Views, AuditError> {
    let log = Reader::open(log)?;
    let log = Reader::new(&log);
    if let Err(why) = fits(path, &log) {
        return Ok(Views::LeftOut(format!("the views, which a server makes again when it starts: {why}")));
    }
    let folder = tempfile::tempdir()?;
    let fresh = folder.path().join("views.db");
    match rebuild(&log, &fresh, |position| progress(position.get())) {
        Ok(()) => {}
        Err(error @ Error::Misfit { .. }) => {
            return Ok(Views::Compared(vec![format!("the log does not replay: {}", chain(&error))]));
        }
        Err(error @ Error::Unreadable(_)) => {
            return Ok(Views::LeftOut(format!("the views, because the log cannot be replayed: {}", chain(&error))));
        }
        Err(error) => return Err(error.into()),
    }
    let conn = Connection::open_with_flags(path, READ_ONLY)?;
    conn.execute("ATTACH ?1 AS fresh", [fresh.to_string_lossy()])?;
    // Both stand still from here on: one transaction.
    let conn = conn.unchecked_transaction()?;
    let stands = checkpoint(&conn)?.map(|(position, _)| position);
    let replayed = conn.query_row("SELECT position FROM fresh.checkpoint", [], |row| row.get::<_, i64>(0))?;
    if stands.map(|position| position.get() as i64) != Some(replayed) {
        let what = "the views, which do not stand at the newest event: a server brings them forward";
        return Ok(Views::LeftOut(what.into()));
    }
    let differ =
        tables(&conn)?.iter().filter_map(|table| compare(&conn, table).transpose()).collect::<Result<_, _>>()?;
    Ok(Views::Compared(differ))
}

fn tables(conn: &Connection) -> Result<Vec<String>, rusqlite::Error> {
    // `scrubbed` says how the file was made, and not what it shows.
    let sql = "SELECT name FROM fresh.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' \
               AND name <> 'scrubbed' ORDER BY name";
    conn.prepare(sql)?.query_map([], |row| row.get(0))?.collect()
}

/// What is wrong with a table.
fn compare(conn: &Connection, table: &str) -> Result<Option<String>, rusqlite::Error> {
    let only = |one: &str, other: &str| {
        format!("SELECT * FROM (SELECT * FROM {one}.{table} EXCEPT SELECT * FROM {other}.{table}) LIMIT 1")
    };
    for (sql, what) in [(only("main", "fresh"), "shows"), (only("fresh", "main"), "lacks")] {
        let row = conn.query_row(&sql, [], |row| {
            let columns = (0..row.as_ref().column_count().min(4)).map(|at| Ok(format!("{:?}", row.get_ref(at)?)));
            columns.collect::<Result<Vec<_>, rusqlite::Error>>()
        });
        if let Some(row) = row.optional()? {
            return Ok(Some(format!(
                "the table `{table}` of views.db {what} a row that is not what the log says, the first begins with {}; \
                 `jobledger rebuild` makes the views again",
                row.join(", ")
            )));
        }
    }
    Ok(None)
}
