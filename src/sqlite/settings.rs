//! The version and the settings of SQLite that durability rests on.

use rusqlite::Connection;
use rusqlite::types::Value;

use super::Error;

/// Refuses an SQLite that can lose committed data: 3.7.0 to 3.51.2 can, when two connections write and copy back at once.
pub fn sqlite_is_sound() -> Result<(), Error> {
    match rusqlite::version_number() < 3_051_003 {
        true => Err(Error::without_cause(format!(
            "use SQLite {}, which can lose committed data; 3.51.3 or newer is needed",
            rusqlite::version()
        ))),
        false => Ok(()),
    }
}

/// Sets a pragma and reads it back: a pragma that SQLite silently refused is an error now, not lost data later.
pub(crate) fn set(conn: &Connection, setting: &'static str, value: &str, expected: &str) -> Result<(), Error> {
    let doing = Error::doing("set up the connection");
    conn.execute_batch(&format!("PRAGMA {setting} = {value}")).map_err(doing)?;
    let found = conn
        .pragma_query_value(None, setting, |row| row.get(0))
        .map_err(Error::doing("read a setting of the connection back"))?;
    let found = match found {
        Value::Integer(n) => n.to_string(),
        Value::Text(text) => text,
        other => format!("{other:?}"),
    };
    match found == expected {
        true => Ok(()),
        false => Err(Error::without_cause(format!(
            "set SQLite's `{setting}`: expected {expected}, found {found}; is the folder on a network drive?"
        ))),
    }
}
