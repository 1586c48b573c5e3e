//! Whether a database has the documented tables, keys and triggers, and no others. The audit checks this before it reads a row:
//! a view under the name of a table shows any rows that its author chose, and may never end.

use rusqlite::limits::Limit;
use rusqlite::{Connection, params};

use crate::sqlite::ErrorKind;

/// The longest row that the audit reads, 64 MiB: twice the longest line of an export.
const MAX_ROW: i32 = 64 << 20;
/// Most objects that the audit compares. This program makes fewer than 50.
const MAX_OBJECTS: i64 = 1000;
/// Steps of SQLite's virtual machine between two checks of the limit.
const STEPS_A_CHECK: i32 = 10_000;
/// Steps that the reads of even the smallest file may take. A row takes some 50 bytes or more, and some 50 steps.
const STEPS: u64 = 50_000_000;
/// Further steps that the reads may take for each byte of the file.
const STEPS_PER_BYTE: u64 = 16;

/// A table, index, trigger or view, as `sqlite_schema` describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Object {
    kind: String,
    name: String,
    table: String,
    sql: Option<String>,
}

/// The differences between a database and the documented one.
#[derive(Debug, Default)]
pub(super) struct Structure {
    /// Differences after which the audit must not read rows.
    pub faults: Vec<String>,
    /// Harmless differences: the database only refuses fewer writes than the documented one.
    pub remarks: Vec<String>,
}

/// Bounds all later reads of `conn` by the size of its file. Without the bound, forged pages that lead back to themselves would read
/// as an endless table.
pub(super) fn bound(conn: &mut Connection) -> Result<(), rusqlite::Error> {
    conn.set_limit(Limit::SQLITE_LIMIT_LENGTH, MAX_ROW)?;
    let bytes = |name| conn.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let size = bytes("page_count")?.max(0).saturating_mul(bytes("page_size")?);
    let mut left =
        (STEPS + STEPS_PER_BYTE.saturating_mul(size.unsigned_abs())) / u64::from(STEPS_A_CHECK.unsigned_abs());
    conn.progress_handler(
        STEPS_A_CHECK,
        Some(move || {
            left = left.saturating_sub(1);
            left == 0
        }),
    )
}

/// Whether a read ended at the limits that [`bound`] sets.
pub(super) fn is_beyond(error: &rusqlite::Error) -> bool {
    ErrorKind::of(error) == ErrorKind::Bounded
}

/// Compares the structure of `conn` with the structure of `documented`, a database that this program made. Messages call the database
/// of `conn` `file`.
pub(super) fn structure(conn: &Connection, documented: &Connection, file: &str) -> Result<Structure, rusqlite::Error> {
    let (found, expected) = (objects(conn)?, objects(documented)?);
    let mut structure = Structure::default();
    let same = |one: &Object, other: &Object| (&one.kind, &one.name) == (&other.kind, &other.name);
    for object in found.iter().filter(|object| !expected.iter().any(|expected| same(object, expected))) {
        if !is_of_a_tool(object) {
            let what = format!("the {} `{}` in {file} is not documented", kind(object), name(object));
            structure.faults.push(what);
        }
    }
    for object in &expected {
        match found.iter().find(|found| same(found, object)) {
            Some(found) if found == object => {}
            Some(found) if object.kind == "table" && has_the_same_columns(conn, documented, found)? => {
                structure.remarks.push(format!("`{}` in {file} is not as this program makes it", object.name));
            }
            Some(_) => {
                let what = format!("the {} `{}` in {file} is not the documented one", kind(object), object.name);
                structure.faults.push(what);
            }
            None if object.kind == "table" => {
                structure.faults.push(format!("the table `{}` is missing in {file}", object.name));
            }
            None => structure.remarks.push(format!("`{}` is missing in {file}", object.name)),
        }
    }
    Ok(structure)
}

fn objects(conn: &Connection) -> Result<Vec<Object>, rusqlite::Error> {
    // SQLite makes an index for each key. Such an index has no SQL text; the text of its table has the key.
    let sql = "SELECT type, name, tbl_name, sql FROM sqlite_schema \
               WHERE NOT (type = 'index' AND sql IS NULL AND name LIKE 'sqlite\\_autoindex\\_%' ESCAPE '\\') \
               ORDER BY name LIMIT ?1";
    let object = |row: &rusqlite::Row<'_>| {
        let text = |at| {
            Ok::<_, rusqlite::Error>(
                String::from_utf8_lossy(row.get_ref(at)?.as_bytes().unwrap_or_default()).into_owned(),
            )
        };
        let sql =
            row.get_ref(3)?.as_bytes_or_null().ok().flatten().map(|sql| String::from_utf8_lossy(sql).into_owned());
        Ok(Object { kind: text(0)?, name: text(1)?, table: text(2)?, sql })
    };
    conn.prepare(sql)?.query_map([MAX_OBJECTS], object)?.collect()
}

/// Whether SQLite's `ANALYZE` or Litestream keeps this table or index in a database.
fn is_of_a_tool(object: &Object) -> bool {
    let reserved = ["_litestream_", "sqlite_stat"].iter().any(|prefix| object.table.starts_with(prefix));
    let plain = |beginnings: &[&str]| {
        let sql = object.sql.as_deref().unwrap_or_default().to_ascii_uppercase();
        beginnings.iter().any(|beginning| sql.starts_with(beginning))
    };
    match object.kind.as_str() {
        "table" => reserved && object.name == object.table && plain(&["CREATE TABLE"]),
        "index" => reserved && plain(&["CREATE INDEX", "CREATE UNIQUE INDEX"]),
        _ => false,
    }
}

/// Whether the table has exactly the documented columns and types, and computes no column.
fn has_the_same_columns(conn: &Connection, documented: &Connection, table: &Object) -> Result<bool, rusqlite::Error> {
    let plain = table.sql.as_deref().is_some_and(|sql| sql.starts_with("CREATE TABLE"));
    if !plain || table.name != table.table {
        return Ok(false);
    }
    let columns = |conn: &Connection| -> Result<Vec<String>, rusqlite::Error> {
        let sql = "SELECT json_array(name, type, \"notnull\", pk, hidden) FROM pragma_table_xinfo(?1) ORDER BY cid";
        conn.prepare(sql)?.query_map(params![table.name], |row| row.get(0))?.collect()
    };
    Ok(columns(conn)? == columns(documented)?)
}

/// The kind for a message. A forged database may have any text in its place.
fn kind(object: &Object) -> &str {
    match object.kind.as_str() {
        known @ ("table" | "index" | "trigger" | "view") => known,
        _ => "object",
    }
}

/// The first 100 characters of a name.
fn name(object: &Object) -> String {
    object.name.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(sql: &str) -> rusqlite::Error {
        let mut conn = Connection::open_in_memory().unwrap();
        bound(&mut conn).unwrap();
        conn.query_row(sql, [], |_| Ok(())).unwrap_err()
    }

    #[test]
    fn a_read_ends_where_a_file_of_its_size_would() {
        let endless = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";
        assert!(is_beyond(&read(endless)));
        assert!(is_beyond(&read("SELECT zeroblob(64 << 20) || 'x'")));
        assert!(!is_beyond(&read("SELECT 1 WHERE 0")));
    }
}
