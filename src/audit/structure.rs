//! Whether a database has the tables, keys and triggers that are documented, and no others. Checked before a row is read: a
//! view under the name of a table shows any rows that its author chose, and may never end.

use rusqlite::limits::Limit;
use rusqlite::{Connection, params};

use crate::sqlite::ErrorKind;

/// The longest row that is read, 64 MiB: twice the longest line of an export.
const MAX_ROW: i32 = 64 << 20;
/// Most objects that are looked at. This program makes fewer than 50.
const MAX_OBJECTS: i64 = 1000;
/// Steps of SQLite's machine between two looks at how many are left.
const TELL: i32 = 10_000;
/// Steps that every file is granted, and those for each of its bytes. A row takes some 50 bytes or more, and some 50 steps.
const STEPS: u64 = 50_000_000;
const STEPS_PER_BYTE: u64 = 16;

/// What a database holds beside its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Object {
    kind: String,
    name: String,
    table: String,
    sql: Option<String>,
}

/// What is wrong with a structure.
#[derive(Debug, Default)]
pub(super) struct Structure {
    /// What makes it unsafe to read on.
    pub faults: Vec<String>,
    /// What is worth knowing: the database refuses less than it should.
    pub remarks: Vec<String>,
}

/// Bounds every later read of `conn` by the size of its file: pages that lead back to themselves are no endless table.
pub(super) fn bound(conn: &mut Connection) -> Result<(), rusqlite::Error> {
    conn.set_limit(Limit::SQLITE_LIMIT_LENGTH, MAX_ROW)?;
    let bytes = |name| conn.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let size = bytes("page_count")?.max(0).saturating_mul(bytes("page_size")?);
    let mut left = (STEPS + STEPS_PER_BYTE.saturating_mul(size.unsigned_abs())) / u64::from(TELL.unsigned_abs());
    conn.progress_handler(
        TELL,
        Some(move || {
            left = left.saturating_sub(1);
            left == 0
        }),
    )
}

/// Whether a read ended because there was more than [`bound`] grants.
pub(super) fn is_beyond(error: &rusqlite::Error) -> bool {
    ErrorKind::of(error) == ErrorKind::Bounded
}

/// Compares the structure of `conn`, the database that messages call `file`, with the documented one, which `ours` has.
pub(super) fn structure(conn: &Connection, ours: &Connection, file: &str) -> Result<Structure, rusqlite::Error> {
    let (found, documented) = (objects(conn)?, objects(ours)?);
    let mut structure = Structure::default();
    let same = |one: &Object, other: &Object| (&one.kind, &one.name) == (&other.kind, &other.name);
    for object in found.iter().filter(|object| !documented.iter().any(|ours| same(object, ours))) {
        if !is_a_tools(object) {
            let what =
                format!("the {} `{}` in {file} is not one of those that are documented", kind(object), name(object));
            structure.faults.push(what);
        }
    }
    for object in &documented {
        match found.iter().find(|found| same(found, object)) {
            Some(found) if found == object => {}
            Some(found) if object.kind == "table" && has_the_same_columns(conn, ours, found)? => {
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
    // What SQLite makes by itself for a key has no text; what it is for is in the text of its table.
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

/// Whether it is a table, or the index of one, that SQLite's `ANALYZE` or Litestream keeps in a database.
fn is_a_tools(object: &Object) -> bool {
    let theirs = ["_litestream_", "sqlite_stat"].iter().any(|theirs| object.table.starts_with(theirs));
    let plain = |beginnings: &[&str]| {
        let sql = object.sql.as_deref().unwrap_or_default().to_ascii_uppercase();
        beginnings.iter().any(|beginning| sql.starts_with(beginning))
    };
    match object.kind.as_str() {
        "table" => theirs && object.name == object.table && plain(&["CREATE TABLE"]),
        "index" => theirs && plain(&["CREATE INDEX", "CREATE UNIQUE INDEX"]),
        _ => false,
    }
}

/// Whether the table has its documented columns, each of its type, stored and not computed.
fn has_the_same_columns(conn: &Connection, ours: &Connection, table: &Object) -> Result<bool, rusqlite::Error> {
    let plain = table.sql.as_deref().is_some_and(|sql| sql.starts_with("CREATE TABLE"));
    if !plain || table.name != table.table {
        return Ok(false);
    }
    type Column = (String, String, bool, i64, i64);
    let columns = |conn: &Connection| -> Result<Vec<Column>, rusqlite::Error> {
        let sql = "SELECT name, type, \"notnull\", pk, hidden FROM pragma_table_xinfo(?1) ORDER BY cid";
        let column = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?));
        conn.prepare(sql)?.query_map(params![table.name], column)?.collect()
    };
    Ok(columns(conn)? == columns(ours)?)
}

fn kind(object: &Object) -> &str {
    match object.kind.as_str() {
        known @ ("table" | "index" | "trigger" | "view") => known,
        _ => "object",
    }
}

/// As much of a name as a message shows.
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
