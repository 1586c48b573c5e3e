//! Tests of the machine itself: the bytes that it keeps, loses and tears, as SQLite sees them.

use std::path::Path;

use machine::{Machine, Synchronous};
use rusqlite::Connection;

fn open(folder: &Path) -> Connection {
    let conn = Connection::open(folder.join("log.db")).unwrap();
    conn.execute_batch(
        "PRAGMA journal_mode = WAL; CREATE TABLE IF NOT EXISTS t (n INTEGER NOT NULL, filler BLOB NOT NULL)",
    )
    .unwrap();
    conn
}

/// Writes row after row, each in a commit of its own, until the power is cut. Returns how many commits succeeded.
fn write(conn: &Connection, rows: i64) -> i64 {
    let insert = |n| conn.execute("INSERT INTO t VALUES (?1, zeroblob(3000))", [n]);
    (0..rows).take_while(|n| insert(*n).is_ok()).count() as i64
}

/// Cuts the power and starts the machine again. Returns how many rows the table then has; a row after a gap does not count.
fn rows(machine: &Machine, folder: &Path) -> i64 {
    machine.restart();
    let conn = open(folder);
    let count =
        conn.query_row("SELECT count(*) FROM t WHERE n < (SELECT count(*) FROM t)", [], |row| row.get(0)).unwrap();
    let sound: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
    count
}

/// For each of some seeds: how many commits succeeded, and how many rows the table has after the power loss.
fn losses(pragma: &str, synchronous: Synchronous) -> Vec<(i64, i64)> {
    let one = |seed| {
        let dir = tempfile::tempdir().unwrap();
        let machine = Machine::start(dir.path(), seed, synchronous);
        let conn = open(dir.path());
        conn.execute_batch(pragma).unwrap();
        machine.cut_power_within(100);
        let returned = write(&conn, 20);
        drop(conn);
        (returned, rows(&machine, dir.path()))
    };
    (0..60).map(one).collect()
}

#[test]
fn the_disk_keeps_synced_bytes_and_may_keep_others() {
    let losses = losses("PRAGMA synchronous = FULL", Synchronous::AsAsked);
    // The disk may have the commit in which the power was cut, or not.
    assert!(losses.iter().all(|(returned, rows)| (*returned..=*returned + 1).contains(rows)), "{losses:?}");
    for more in [0, 1] {
        assert!(losses.iter().any(|(returned, rows)| *rows == returned + more), "{losses:?}");
    }
}

#[test]
fn the_disk_sometimes_loses_bytes_that_were_not_synced() {
    // SQLite asks for NORMAL itself, or the machine turns FULL into NORMAL. Both lose the same commits.
    let asked = losses("PRAGMA synchronous = NORMAL", Synchronous::AsAsked);
    assert_eq!(asked, losses("PRAGMA synchronous = FULL", Synchronous::Normal));
    assert!(asked.iter().any(|(returned, rows)| rows < returned), "{asked:?}");
    assert!(asked.iter().any(|(returned, rows)| rows >= returned), "{asked:?}");
}

#[test]
fn the_machine_reports_synchronous_full_when_it_runs_with_normal() {
    let dir = tempfile::tempdir().unwrap();
    let _machine = Machine::start(dir.path(), 0, Synchronous::Normal);
    let conn = open(dir.path());
    conn.execute_batch("PRAGMA synchronous = FULL").unwrap();
    let found: rusqlite::types::Value = conn.pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap();
    assert_eq!(found, rusqlite::types::Value::Text("2".into()));
}

#[test]
fn without_power_every_call_fails_and_after_a_restart_the_log_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let machine = Machine::start(dir.path(), 0, Synchronous::AsAsked);
    let conn = open(dir.path());
    machine.cut_power_within(1);
    assert!(machine.has_power(), "until something is written");
    write(&conn, 2);
    assert!(!machine.has_power());
    assert!(conn.query_row("SELECT count(*) FROM t", [], |_| Ok(())).is_err());
    assert!(Connection::open(dir.path().join("log.db")).is_err());
    assert!(dir.path().join("log.db").exists(), "who asks the real folder");
    machine.restart();
    assert!(conn.query_row("SELECT count(*) FROM t", [], |_| Ok(())).is_err(), "from before the power loss");
    open(dir.path()).query_row("SELECT count(*) FROM t", [], |_| Ok(())).unwrap();
}
