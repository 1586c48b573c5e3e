//! An audit of `log.db`, and of the views made of it, as they lie on the disk. Reads in one transaction, beside a server or
//! without one, and changes nothing.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{panic, thread};

use rusqlite::{Connection, OptionalExtension, Row, Rows};

use super::checkpoints::{Checkpoints, numbered};
use super::columns::Columns;
use super::views::audit_views;
use super::{AuditError, Auditor, Class};
use crate::job::Position;
use crate::log::{self, Reader};
use crate::tree::{Hash, NodeId};

/// Entries between two tells of progress.
const TELL: u64 = 4096;

/// Audits the whole log in the file `log`, and beside it the views in the file `views`: reading every entry and replaying
/// every event take about as long, so each has a thread. Tells `progress` how much of how much of both is done.
pub fn audit_database(
    log: &Path,
    views: &Path,
    auditor: &mut Auditor,
    progress: impl Fn(u64, u64) + Sync,
) -> Result<(), AuditError> {
    let (read, replayed, all) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let tell = || {
        let [read, replayed, all] = [&read, &replayed, &all].map(|number| number.load(Ordering::Relaxed));
        progress(read + replayed, 2 * all);
    };
    let (entries, views) = thread::scope(|scope| {
        let views = scope.spawn(|| {
            audit_views(log, views, |position| {
                replayed.store(position, Ordering::Relaxed);
                tell();
            })
        });
        let entries = audit_log(log, auditor, |done, of| {
            read.store(done, Ordering::Relaxed);
            all.store(of, Ordering::Relaxed);
            tell();
        });
        (entries, views.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked)))
    });
    // Where both fail, it is the log that cannot be read.
    entries?;
    views?.tell(auditor);
    Ok(())
}

/// Takes the whole log in the file `path` into the audit; tells `progress` how many entries of how many were read.
fn audit_log(path: &Path, auditor: &mut Auditor, mut progress: impl FnMut(u64, u64)) -> Result<(), AuditError> {
    let conn = Reader::open(path)?;
    let transaction = conn.unchecked_transaction()?;
    let all = Reader::new(&transaction).head()?.get() + 1;
    structure(&transaction, auditor)?;
    unexplained(&transaction, auditor)?;
    let tree = has_table(&transaction, "node")? && has_table(&transaction, "checkpoint")?;
    if !tree {
        auditor.leaves_out("nodes and checkpoints, which a log of format 1 does not have: start a server on it once");
    }
    auditor.demand_checkpoints();
    if tree {
        numbered(&transaction, auditor)?;
    }
    let columns = Columns::load(&transaction)?;
    let mut entries = transaction.prepare(Columns::EVENTS)?;
    let mut entries = entries.query([])?;
    let mut nodes = transaction.prepare(match tree {
        true => "SELECT level, idx, hash FROM node ORDER BY number",
        false => "SELECT 0, 0, x'' WHERE 0",
    })?;
    let mut nodes = Nodes { rows: nodes.query([])?, bad: None, tree };
    let mut checkpoints = transaction.prepare(match tree {
        true => Checkpoints::BY_SIZE,
        false => "SELECT 0, x'' WHERE 0",
    })?;
    let mut checkpoints = Checkpoints::start(checkpoints.query([])?)?;
    while let Some(row) = entries.next()? {
        let position = Position::new(auditor.size());
        entry(auditor, &columns, position, row, &mut nodes)?;
        checkpoints.take(auditor)?;
        if auditor.size().is_multiple_of(TELL) || auditor.size() == all {
            progress(auditor.size(), all);
        }
    }
    nodes.end(auditor)?;
    checkpoints.beyond(auditor)?;
    Ok(())
}

fn entry(
    auditor: &mut Auditor,
    columns: &Columns,
    position: Position,
    row: &Row<'_>,
    nodes: &mut Nodes<'_>,
) -> Result<(), AuditError> {
    let bytes = |at| row.get_ref(at).map(|value| value.as_bytes_or_null().ok().flatten());
    let leaf = bytes(1)?.unwrap_or_default();
    let content = bytes(3)?.zip(bytes(2)?);
    let mut failed = Ok(());
    let read = auditor.entry(leaf, content, |id, hash| {
        if failed.is_ok() {
            failed = nodes.compare(id, hash);
        }
    });
    failed?;
    if let Some(what) = nodes.bad.take() {
        auditor.fault(Class::Content, Some(position), what);
    }
    if let Some(leaf) = read
        && let Some(what) = columns.compare(&leaf, row)?
    {
        auditor.fault(Class::Content, Some(position), what);
    }
    Ok(())
}

/// Stored nodes, in the order in which they become complete.
struct Nodes<'s> {
    rows: Rows<'s>,
    /// What was wrong with the nodes of the entry that was taken last.
    bad: Option<String>,
    tree: bool,
}

impl Nodes<'_> {
    fn compare(&mut self, id: NodeId, hash: Hash) -> Result<(), rusqlite::Error> {
        if !self.tree {
            return Ok(());
        }
        let name = || format!("node {} of level {}", id.index, id.level);
        let wrong = match self.rows.next()? {
            None => Some(format!("{} is missing", name())),
            Some(row) => {
                let (level, index): (i64, i64) = (row.get(0)?, row.get(1)?);
                let stored = row.get_ref(2)?.as_bytes().unwrap_or_default() == hash.as_bytes();
                if (level, index) != (i64::from(id.level), id.index as i64) {
                    Some(format!("expected {}, found node {index} of level {level}", name()))
                } else if stored {
                    None
                } else {
                    Some(format!("{} is not the hash of what it covers: the entry or the node was changed", name()))
                }
            }
        };
        self.bad = self.bad.take().or(wrong);
        Ok(())
    }

    fn end(&mut self, auditor: &mut Auditor) -> Result<(), rusqlite::Error> {
        if self.tree && self.rows.next()?.is_some() {
            auditor.fault(Class::Content, None, "there are nodes of more entries than there are".into());
        }
        Ok(())
    }
}

fn has_table(conn: &Connection, name: &str) -> Result<bool, rusqlite::Error> {
    conn.query_row("SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?1", [name], |row| row.get(0))
}

/// What the database itself refuses: tables, keys and triggers as this program makes them. What is missing is told, but is no
/// proof of a change.
fn structure(conn: &Connection, auditor: &mut Auditor) -> Result<(), AuditError> {
    let objects = |conn: &Connection| -> Result<Vec<(String, String)>, rusqlite::Error> {
        // What SQLite counts for itself, and where Litestream notes how far it came, are nobody's of ours.
        let sql = "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
                   AND name NOT IN ('_litestream_seq', '_litestream_lock') ORDER BY name";
        conn.prepare(sql)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    };
    let (found, ours) = (objects(conn)?, objects(&log::empty_log()?)?);
    for (name, _) in found.iter().filter(|(name, _)| !ours.iter().any(|(ours, _)| ours == name)) {
        auditor.remark(format!("`{name}` in log.db is not this program's"));
    }
    for (name, sql) in ours {
        match found.iter().find(|(found, _)| *found == name) {
            Some((_, found)) if *found == sql => {}
            Some(_) => auditor.remark(format!("`{name}` in log.db is not as this program makes it")),
            None => auditor.remark(format!("`{name}` is missing in log.db")),
        }
    }
    Ok(())
}

/// Names that no entry brought. They say nothing yet, and will contradict the entries of whoever is named so later.
fn unexplained(conn: &Connection, auditor: &mut Auditor) -> Result<(), AuditError> {
    // Each is looked for by an index. An organisation's events are of its jobs; 0 is the ledger itself.
    let names = [
        ("job", "SELECT subject FROM job WHERE NOT EXISTS (SELECT 1 FROM event WHERE event.job = job.id)"),
        ("source", "SELECT uri FROM source WHERE NOT EXISTS (SELECT 1 FROM event WHERE event.source = source.id)"),
        ("org", "SELECT uuid FROM org WHERE id <> 0 AND NOT EXISTS (SELECT 1 FROM job WHERE job.org = org.id)"),
    ];
    for (table, sql) in names {
        if let Some(name) = conn.query_row(&format!("{sql} LIMIT 1"), [], |row| row.get::<_, String>(0)).optional()? {
            auditor.remark(format!("the table `{table}` of log.db names `{name}`, of which there is no entry"));
        }
    }
    Ok(())
}
