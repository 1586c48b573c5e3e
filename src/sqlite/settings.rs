//! The version and the settings of SQLite that durability rests on.

use std::thread::sleep;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rusqlite::types::Value;

use super::{Error, ErrorKind};

/// Pause before the next try to change the journal mode.
const PAUSE: Duration = Duration::from_millis(2);

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

/// Sets up a connection to a small file that several processes share: a WAL, each commit synced, and waits of at most `patience` for
/// a lock, now and later.
pub(crate) fn share(conn: &Connection, patience: Duration) -> Result<(), rusqlite::Error> {
    use_wal(conn, patience)?;
    conn.execute_batch("PRAGMA synchronous = FULL")
}

/// Gives the file a WAL, if it has none, and makes the connection wait for a lock for at most `patience`, now and later.
///
/// SQLite itself does not wait when it changes the journal mode: it returns SQLITE_BUSY at once while another connection uses the
/// file. So this function tries again until `patience` is over.
pub(crate) fn use_wal(conn: &Connection, patience: Duration) -> Result<(), rusqlite::Error> {
    conn.busy_timeout(Duration::ZERO)?;
    let until = Instant::now() + patience;
    loop {
        match conn.execute_batch("PRAGMA journal_mode = WAL") {
            Err(error) if ErrorKind::of(&error) == ErrorKind::Locked && Instant::now() < until => sleep(PAUSE),
            done => break done?,
        }
    }
    conn.busy_timeout(patience)
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

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn threads_that_open_a_new_file_at_once_all_get_it() {
        let folder = tempfile::tempdir().unwrap();
        let at_once = Barrier::new(6);
        // A thread that ends early would leave the others at the barrier.
        let open = |n: usize| {
            at_once.wait();
            Connection::open(folder.path().join(format!("{n}.db")))
                .and_then(|conn| share(&conn, Duration::from_secs(60)))
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..6).map(|_| scope.spawn(|| (0..200).map(open).collect::<Vec<_>>())).collect();
            for opened in threads {
                let failed: Vec<_> = opened.join().unwrap().into_iter().filter_map(Result::err).collect();
                assert!(failed.is_empty(), "{failed:?}");
            }
        });
    }
}
