//! The audit of the files `log.db` and `views.db`. It reads each in one transaction, and changes nothing. A server may run beside it.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::{panic, thread};

use rusqlite::{Connection, OptionalExtension};

use super::checkpoints::{Checkpoints, numbered};
use super::columns::Columns;
use super::entries::Entries;
use super::newest::NewestEvents;
use super::rows::LogRows;
use super::structure::{Structure, bound, structure};
use super::views::audit_views;
use super::{AuditError, Auditor, Class};
use crate::job::Position;
use crate::log::{self, FileState, Reader};

/// How many blocks of rows wait at most for the thread that checks them.
const BLOCKS: usize = 4;

/// Audits the log in the file `log` and the views in the file `views`. Checking every entry takes about as long as replaying
/// every event, so each of the two has a thread. A third thread reads the rows of the entries.
///
/// `progress` gets how many entries and events are done, and how many there are in all.
///
/// # Errors
///
/// A file cannot be read, or the replay cannot be made. A fault of the log is no error.
pub fn audit_database(
    log: &Path,
    views: &Path,
    auditor: &mut Auditor,
    progress: impl Fn(u64, u64) + Sync,
) -> Result<(), AuditError> {
    let (read, replayed, all) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let report = || {
        let [read, replayed, all] = [&read, &replayed, &all].map(|number| number.load(Ordering::Relaxed));
        progress(read + replayed, 2 * all);
    };
    let (entries, views) = thread::scope(|scope| {
        let views = scope.spawn(|| {
            audit_views(log, views, |position| {
                replayed.store(position, Ordering::Relaxed);
                report();
            })
        });
        let entries = audit_log(log, auditor, |done, of| {
            read.store(done, Ordering::Relaxed);
            all.store(of, Ordering::Relaxed);
            report();
        });
        (entries, views.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked)))
    });
    // If both fail, the error of the log goes first: the views cannot be replayed without the log.
    entries?;
    views?.report(auditor);
    Ok(())
}

/// Takes the log in the file `path` into the audit. `progress` gets how many entries were read, and how many there are.
fn audit_log(path: &Path, auditor: &mut Auditor, progress: impl FnMut(u64, u64) + Send) -> Result<(), AuditError> {
    let mut conn = Reader::open(path)?;
    let FileState::Log(format) = log::file_state(&conn, path)? else {
        return Err(log::Error::Missing(path.to_owned()).into());
    };
    bound(&mut conn)?;
    let transaction = conn.unchecked_transaction()?;
    let Structure { faults, remarks } = structure(&transaction, &log::empty_log(format)?, "log.db")?;
    remarks.into_iter().for_each(|what| auditor.remark(what));
    if !faults.is_empty() {
        faults.into_iter().for_each(|what| auditor.fault(Class::Content, None, what));
        auditor.stop("any entry: log.db has another structure than the documented one, so its rows may be forged");
        return Ok(());
    }
    match entries(&transaction, auditor, progress) {
        Err(error) if error.is_beyond() => {
            let position = Position::new(auditor.size());
            let what =
                "log.db shows more rows than a file of its size can hold, or a row over 64 MiB: its pages were forged";
            auditor.fault(Class::Content, Some(position), what.into());
            auditor.stop(&format!("the entries from position {position} on"));
            Ok(())
        }
        read => read,
    }
}

/// Whether the log in the file `path` has the documented structure, so that a replay may read it.
pub(super) fn is_documented(path: &Path) -> Result<bool, AuditError> {
    let conn = Reader::open(path)?;
    match log::file_state(&conn, path)? {
        FileState::Log(format) => Ok(structure(&conn, &log::empty_log(format)?, "log.db")?.faults.is_empty()),
        FileState::Empty => Ok(false),
    }
}

/// Takes every entry of a log with the documented structure. One thread reads rows while another checks them.
fn entries(
    transaction: &Connection,
    auditor: &mut Auditor,
    mut progress: impl FnMut(u64, u64) + Send,
) -> Result<(), AuditError> {
    let all = Reader::new(transaction).head()?.get() + 1;
    let has_newest = has_table(transaction, "newest")?;
    unused_names(transaction, auditor, has_newest)?;
    let tree = has_table(transaction, "node")? && has_table(transaction, "checkpoint")?;
    if !tree {
        auditor.unchecked("nodes and checkpoints, which a log of format 1 does not have: start a server on it once");
    }
    auditor.demand_checkpoints();
    if tree {
        numbered(transaction, auditor)?;
    }
    let mut entries = transaction.prepare(LogRows::ENTRIES)?;
    let mut nodes = transaction.prepare(if tree { LogRows::NODES } else { "SELECT 0, 0, x'' WHERE 0" })?;
    let mut checkpoints = transaction.prepare(if tree { Checkpoints::BY_SIZE } else { "SELECT 0, x'' WHERE 0" })?;
    let mut rows = LogRows {
        entries: entries.query([])?,
        nodes: nodes.query([])?,
        checkpoints: Checkpoints::start(checkpoints.query([])?)?,
    };
    let columns = Columns::load(transaction)?;
    let newest = has_newest.then(NewestEvents::default);
    let (read, newest) = thread::scope(|scope| {
        let (send, blocks) = mpsc::sync_channel(BLOCKS);
        let check = Entries { auditor, columns, tree, newest };
        let checked = scope.spawn(move || check.take(&blocks, |done| progress(done, all)));
        let read = rows.send(&send);
        drop(send);
        (read, checked.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked)))
    });
    read?;
    if rows.has_more_nodes()? {
        auditor.fault(Class::Content, None, "the stored nodes belong to more entries than the log has".into());
    }
    rows.checkpoints.beyond(auditor)?;
    if let Some(newest) = newest {
        newest.compare(transaction, auditor)?;
    }
    Ok(())
}

fn has_table(conn: &Connection, name: &str) -> Result<bool, rusqlite::Error> {
    conn.query_row("SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?1", [name], |row| row.get(0))
}

/// Remarks on interned names that no entry uses. Such a name is no evidence of a change, but a later entry of that name would get its
/// row.
fn unused_names(conn: &Connection, auditor: &mut Auditor, has_newest: bool) -> Result<(), AuditError> {
    // An index serves each search. Organisation 0 is the ledger itself; every other organisation has events only in its jobs.
    let job = match has_newest {
        true => "SELECT subject FROM job WHERE NOT EXISTS (SELECT 1 FROM newest WHERE newest.job = job.id)",
        false => "SELECT subject FROM job WHERE NOT EXISTS (SELECT 1 FROM event WHERE event.job = job.id)",
    };
    let names = [
        ("job", job),
        ("source", "SELECT uri FROM source WHERE NOT EXISTS (SELECT 1 FROM event WHERE event.source = source.id)"),
        ("org", "SELECT uuid FROM org WHERE id <> 0 AND NOT EXISTS (SELECT 1 FROM job WHERE job.org = org.id)"),
    ];
    for (table, sql) in names {
        if let Some(name) = conn.query_row(&format!("{sql} LIMIT 1"), [], |row| row.get::<_, String>(0)).optional()? {
            auditor.remark(format!("the table `{table}` of log.db names `{name}`, which no entry uses"));
        }
    }
    Ok(())
}
