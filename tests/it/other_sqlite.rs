//! `log.db` under the command line of an installed SQLite (3.40 and newer), which auditors have.

use std::path::Path;

use jobledger::access::Role;

use crate::support::shell::{lacking, said, shell};
use crate::support::{TestServer, noted, skipped, started, task_job};

#[track_caller]
fn sql(folder: &Path, sql: &str) -> Result<String, String> {
    std::fs::write(folder.join("statement.sql"), sql).unwrap();
    let output = shell(folder, "sqlite3 -bail -batch log.db < statement.sql");
    match output.status.success() {
        true => Ok(said(&output).trim_end().to_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

#[test]
fn another_sqlite_reads_and_writes_the_log_and_its_triggers_hold() {
    if let Some(tool) = lacking(&["sqlite3"]) {
        return skipped(tool);
    }
    let mut server = TestServer::start();
    let worker = server.client(Role::Worker);
    for event in [task_job("a"), started("a"), noted("a", "one")] {
        worker.append(&event).expect(201);
    }
    server.stop();
    let folder = server.path();
    assert_eq!(sql(folder, "PRAGMA integrity_check").unwrap(), "ok");
    let read = "SELECT position, typeof(leaf), length(salt), CAST(data AS TEXT) FROM event WHERE position = 3; \
                SELECT count(*), min(length(hash)) FROM node; SELECT group_concat(size) FROM checkpoint";
    assert_eq!(sql(folder, read).unwrap(), "3|blob|32|{\"text\":\"one\"}\n7|32\n1,2,3,4");
    // That SQLite runs the triggers: they refuse a wrong next row and every change.
    let columns = "org, job, prev, source, id, type, version, kind, recorded, leaf, salt, data";
    let copy = |position: u32, prev: u32| {
        format!(
            "INSERT INTO event (position, {columns}) SELECT {position}, org, job, {prev}, source, 'again', type, version, \
             kind, recorded, leaf, salt, data FROM event WHERE position = 3"
        )
    };
    assert!(sql(folder, &copy(9, 3)).unwrap_err().contains("follows the newest one"));
    for change in ["UPDATE event SET kind = 'rule'", "DELETE FROM event", "DELETE FROM node", "DELETE FROM checkpoint"]
    {
        assert!(sql(folder, change).unwrap_err().contains("never"), "{change}");
    }
    sql(folder, &copy(4, 3)).unwrap();
    assert_eq!(sql(folder, "SELECT max(position) FROM event").unwrap(), "4");
}
