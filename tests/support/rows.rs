//! Rows of `log.db` that a test writes by hand, and that a ledger would not write.

use std::borrow::Cow;
use std::path::Path;

use jobledger::tree::{Checkpoint, Frontier, Hash, Head, NodeId, SigningKey, leaf_hash};
use jobledger::wire::{Leaf, SALT_LEN, datadigest};
use rusqlite::{Connection, params};

/// A row of `event`.
#[derive(Clone)]
pub struct EventRow {
    pub position: i64,
    pub leaf: Vec<u8>,
    pub data: Option<Vec<u8>>,
    pub salt: Option<Vec<u8>>,
    pub org: i64,
    pub job: Option<i64>,
    pub prev: Option<i64>,
    pub source: i64,
    pub id: String,
    pub event_type: String,
    pub version: i64,
    pub kind: Option<String>,
    pub recorded: i64,
}

/// SQL that turns a log into one of format 3, which finds a job's events by the index of a key.
pub const THIRD_FORMAT: &str = "
    DROP TRIGGER IF EXISTS event_begins_job; DROP TRIGGER IF EXISTS event_continues_job; DROP TABLE newest; DROP INDEX event_milestone;
    CREATE UNIQUE INDEX event_prev ON event (job, prev);
    PRAGMA writable_schema = ON;
    UPDATE sqlite_schema SET name = 'sqlite_autoindex_event_2', sql = NULL WHERE name = 'event_prev';
    UPDATE sqlite_schema SET sql = replace(sql, '  UNIQUE (source, id),',
        '  UNIQUE (source, id),' || char(10) || '  UNIQUE (job, prev),') WHERE type = 'table' AND name = 'event';
    PRAGMA writable_schema = RESET;
    PRAGMA user_version = 3;";

/// Turns a log into one of format 1: drops what later formats added.
pub fn into_first_format(conn: &Connection) {
    conn.execute_batch(THIRD_FORMAT).unwrap();
    conn.execute_batch("DROP TABLE node; DROP TABLE checkpoint; DROP INDEX event_redaction; PRAGMA user_version = 1")
        .unwrap();
}

/// Has the table `newest` name the newest event of each job that is left, as an insider does after cutting events off.
pub const FOLLOW_THE_CUT: &str = "
    DELETE FROM newest;
    INSERT INTO newest SELECT job, max(position) FROM event WHERE job IS NOT NULL GROUP BY job;";

/// Opens a log that no server has open, with the setting that the ledger itself uses.
pub fn open(path: &Path) -> Connection {
    let conn = Connection::open(path).unwrap();
    conn.execute_batch("PRAGMA recursive_triggers = ON").unwrap();
    conn
}

/// Grows the tree by the rows that were written by hand and signs it with the folder's key, as an insider with that key can.
pub fn seal(conn: &Connection, folder: &Path) {
    let secret = std::fs::read_to_string(folder.join("ledger.key")).unwrap();
    let key = SigningKey::parse(secret.trim_end()).unwrap();
    let checkpoint = Checkpoint { origin: key.name().to_owned(), head: grow(conn) };
    let note = checkpoint.sign(&[&key]).unwrap();
    let size = checkpoint.head.size.get() as i64;
    conn.execute("INSERT INTO checkpoint (size, note) VALUES (?1, ?2)", params![size, note.as_bytes()]).unwrap();
}

/// Stores the missing nodes of the tree over all leaves. Returns the tree's size and root.
pub fn grow(conn: &Connection) -> Head {
    let mut edge = Frontier::EMPTY;
    let sql = "INSERT INTO node (number, level, idx, hash) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
    for leaf in leaves(conn) {
        let store = |node: NodeId, hash: Hash| {
            conn.execute(sql, params![node.number() as i64, node.level, node.index as i64, hash.as_bytes()]).map(drop)
        };
        edge.append(leaf_hash(&leaf), store).unwrap();
    }
    edge.head().unwrap()
}

/// Every leaf, in order.
pub fn leaves(conn: &Connection) -> Vec<Vec<u8>> {
    let mut statement = conn.prepare("SELECT leaf FROM event ORDER BY position").unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

impl EventRow {
    /// The row at `position`.
    pub fn at(conn: &Connection, position: i64) -> EventRow {
        let sql = "SELECT position, leaf, data, salt, org, job, prev, source, id, type, version, kind, recorded \
                   FROM event WHERE position = ?1";
        let row = conn.query_row(sql, [position], |row| {
            Ok(EventRow {
                position: row.get(0)?,
                leaf: row.get(1)?,
                data: row.get(2)?,
                salt: row.get(3)?,
                org: row.get(4)?,
                job: row.get(5)?,
                prev: row.get(6)?,
                source: row.get(7)?,
                id: row.get(8)?,
                event_type: row.get(9)?,
                version: row.get(10)?,
                kind: row.get(11)?,
                recorded: row.get(12)?,
            })
        });
        row.unwrap()
    }

    /// A valid row at the next position, for the job of the newest event: chain, leaf and digest are correct.
    pub fn next(conn: &Connection, event_type: &str, version: i64, data: &str) -> EventRow {
        let head = conn.query_row("SELECT max(position) FROM event", [], |row| row.get(0)).unwrap();
        let newest = EventRow::at(conn, head);
        let (position, salt) = (head + 1, [7; SALT_LEN]);
        let id = format!("forged-{position}");
        let leaf = Leaf {
            id: Cow::Borrowed(&id),
            event_type: Cow::Borrowed(event_type),
            dataschema: Cow::Owned(format!("/schema/events/{event_type}.v{version}.json")),
            position: Cow::Owned(position.to_string()),
            prev: Some(Cow::Owned(head.to_string())),
            datadigest: Cow::Owned(datadigest(&salt, data.as_bytes())),
            ..Leaf::parse(&newest.leaf).unwrap()
        };
        EventRow {
            position,
            leaf: leaf.to_bytes(),
            data: Some(data.into()),
            salt: Some(salt.into()),
            prev: Some(head),
            event_type: event_type.into(),
            version,
            id: id.clone(),
            ..newest
        }
    }

    /// Writes the row. `verb` is `INSERT`, or a form such as `INSERT OR REPLACE`.
    pub fn write(&self, conn: &Connection, verb: &str) -> Result<usize, rusqlite::Error> {
        let sql = format!(
            "{verb} INTO event (position, leaf, data, salt, org, job, prev, source, id, type, version, kind, recorded) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"
        );
        let row = self.clone();
        let bound = params![
            row.position,
            row.leaf,
            row.data,
            row.salt,
            row.org,
            row.job,
            row.prev,
            row.source,
            row.id,
            row.event_type,
            row.version,
            row.kind,
            row.recorded
        ];
        conn.execute(&sql, bound)
    }
}
