//! The audit of the views: a replay of the log must give the same rows.

use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension};

use super::database::is_documented;
use super::structure::{Structure, bound, structure};
use super::{AuditError, Auditor, Class};
use crate::chain;
use crate::history::{self, fold_job};
use crate::job::Position;
use crate::log::Reader;
use crate::memory::{self, Budget};
use crate::sqlite::{READ_ONLY, open_to_read};
use crate::views::{self, Error, SetAside, fits_log, list_set_aside, replay_to};

/// The result of an audit of the views.
pub(super) enum Views {
    /// The views were compared; these are the faults of the views or of the log.
    Compared(Vec<String>),
    /// The views could not be compared. The text names the unchecked part and the reason.
    Unchecked(String),
}

impl Views {
    pub(super) fn report(self, auditor: &mut Auditor) {
        match self {
            Views::Compared(faults) => faults.into_iter().for_each(|what| auditor.fault(Class::Content, None, what)),
            Views::Unchecked(what) => auditor.unchecked(what),
        }
    }
}

/// Replays the log into new views in a temporary folder, up to the position of the views in the file `path`, and compares the
/// two table by table. `progress` gets the position of the replay.
pub(super) fn audit_views(log: &Path, path: &Path, progress: impl FnMut(u64) + Send) -> Result<Views, AuditError> {
    match read(log, path, progress) {
        Err(error) if error.is_beyond() => {
            let what = "log.db or views.db shows more rows than a file of its size can hold: its pages were forged";
            Ok(Views::Compared(vec![what.into()]))
        }
        read => read,
    }
}

fn read(log: &Path, path: &Path, mut progress: impl FnMut(u64) + Send) -> Result<Views, AuditError> {
    if !is_documented(log)? {
        return Ok(Views::Unchecked("the views, because the log cannot be replayed".into()));
    }
    let mut log = Reader::open(log)?;
    bound(&mut log)?;
    let log = Reader::new(&log);
    let unchecked = |why| Ok(Views::Unchecked(format!("the views, which a server makes again when it starts: {why}")));
    if !path.exists() {
        return unchecked("the folder has none".to_owned());
    }
    let mut conn = match open_to_read(path) {
        Ok(conn) => conn,
        Err(error) => return unchecked(chain(&error)),
    };
    bound(&mut conn)?;
    // Views of another version have another structure, and a server makes them again.
    if views::is_of_today(&conn).unwrap_or(false) {
        let Structure { faults, .. } = structure(&conn, &views::empty_views()?, "views.db")?;
        if !faults.is_empty() {
            let with_remedy = |what| format!("{what}; `jobledger rebuild` makes the views again");
            return Ok(Views::Compared(faults.into_iter().map(with_remedy).collect()));
        }
    }
    if let Err(why) = fits_log(&conn, &log) {
        return unchecked(chain(&why));
    }
    // From here on both transactions show one state each, even beside a running server. The log is read later, so it has every event
    // that the views show.
    let conn = conn.unchecked_transaction()?;
    let upto = views::position(&conn)?;
    log.snapshot(|| compared(&log, &conn, upto, &mut progress))
}

/// Compares the views, whose position is `upto`, with new views.
fn compared(
    log: &Reader<'_>,
    conn: &Connection,
    upto: Position,
    progress: &mut (impl FnMut(u64) + Send),
) -> Result<Views, AuditError> {
    // The replay lacks data that was redacted after `upto`, which views at `upto` still show.
    let redacted = history::newest_redaction(log)?;
    if redacted > upto {
        let what = format!(
            "the views, whose position {upto} is before the redaction at {redacted}: start a server, which projects it"
        );
        return Ok(Views::Unchecked(what));
    }
    let folder = tempfile::tempdir()?;
    let fresh = folder.path().join("views.db");
    match replay_to(log, upto, &fresh, &Budget::new(memory::COMMAND), |position| progress(position.get())) {
        Ok(()) => {}
        Err(Error::History(error @ history::Error::Unreadable(_))) => return Ok(not_replayed(&error)),
        Err(error) => return Err(error.into()),
    }
    let aside = list_set_aside(&Connection::open_with_flags(&fresh, READ_ONLY)?, None, usize::MAX)?;
    let mut faults = Vec::new();
    for SetAside { key, .. } in aside {
        match fold_job(log, &key, None, upto) {
            Err(error @ history::Error::Unreadable(_)) => return Ok(not_replayed(&error)),
            Err(error) if error.unfoldable().is_some() => {
                faults.push(format!("the log does not replay: {}", chain(&error)));
            }
            Err(error) => return Err(error.into()),
            // No fault to add: the job folds if its events are found by their columns, so a column differs from its leaf. The audit
            // of the entries reports that.
            Ok(_) => {}
        }
    }
    conn.execute("ATTACH ?1 AS fresh", [fresh.to_string_lossy()])?;
    for table in tables(conn)? {
        faults.extend(compare(conn, &table)?);
    }
    Ok(Views::Compared(faults))
}

/// An event that this program cannot read is no fault of the log: a newer program may have written it.
fn not_replayed(error: &history::Error) -> Views {
    Views::Unchecked(format!("the views, because the log cannot be replayed: {}", chain(error)))
}

fn tables(conn: &Connection) -> Result<Vec<String>, rusqlite::Error> {
    // `scrubbed` holds the file's own history, and no job.
    let sql = "SELECT name FROM fresh.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' \
               AND name <> 'scrubbed' ORDER BY name";
    conn.prepare(sql)?.query_map([], |row| row.get(0))?.collect()
}

/// The first difference between a table of the views and the same table of the new views.
fn compare(conn: &Connection, table: &str) -> Result<Option<String>, rusqlite::Error> {
    let only = |one: &str, other: &str| {
        format!("SELECT * FROM (SELECT * FROM {one}.{table} EXCEPT SELECT * FROM {other}.{table}) LIMIT 1")
    };
    for (sql, what) in [(only("main", "fresh"), "shows"), (only("fresh", "main"), "lacks")] {
        let row = conn.query_row(&sql, [], |row| {
            let named = (0..row.as_ref().column_count().min(4)).map(|at| {
                let value = match row.get_ref(at)? {
                    ValueRef::Null => "null".to_owned(),
                    ValueRef::Integer(number) => number.to_string(),
                    ValueRef::Real(number) => number.to_string(),
                    ValueRef::Text(text) | ValueRef::Blob(text) => format!("{:?}", String::from_utf8_lossy(text)),
                };
                Ok(format!("{} {value}", row.as_ref().column_name(at)?))
            });
            named.collect::<Result<Vec<_>, rusqlite::Error>>()
        });
        if let Some(row) = row.optional()? {
            return Ok(Some(format!(
                "the table `{table}` of views.db differs from a replay of the log: it {what} the row with {}; \
                 `jobledger rebuild` makes the views again",
                row.join(", ")
            )));
        }
    }
    Ok(None)
}
