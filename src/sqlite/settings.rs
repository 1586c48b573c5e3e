//! Settings that durability rests on.

use rusqlite::Connection;

use super::Error;

/// Refuses an SQLite that can lose committed data (3.7.0 to 3.51.2, when two connections write and checkpoint at once).
pub fn sqlite_is_sound() -> Result<(), Error> {
    if rusqlite::version_number() < 3_051_003 { Err(Error::Unsound(rusqlite::version())) } else { Ok(()) }
}

/// Sets a pragma and reads it back: one that was silently refused is an error here, not a loss later.
pub(crate) fn set(conn: &Connection, setting: &'static str, value: &str, expected: &str) -> Result<(), Error> {
    let doing = Error::doing("set up the connection");
    conn.execute_batch(&format!("PRAGMA {setting} = {value}")).map_err(doing)?;
    let found: rusqlite::types::Value = conn
        .pragma_query_value(None, setting, |row| row.get(0))
        .map_err(Error::doing("read a setting of the connection back"))?;
    let found = match found {
        rusqlite::types::Value::Integer(n) => n.to_string(),
        rusqlite::types::Value::Text(text) => text,
        other => format!("{other:?}"),
    };
    if found == expected { Ok(()) } else { Err(Error::Setting { setting, expected: expected.to_owned(), found }) }
}
