//! An insider who changes `log.db`: a closed log, and connections without the triggers.

use std::fs;
use std::path::{Path, PathBuf};

use jobledger::access::Role;
use jobledger::tree::Head;
use rusqlite::Connection;
use tempfile::TempDir;

use super::cli::{Done, cli, on};
use super::rows::grow;
use super::{TestServer, completed, noted, started, task_job};

/// A closed log of two jobs: `a` at 1, 2, 4 and 6, `b` at 3 and 5, with one checkpoint for each event.
pub struct Log {
    pub folder: TempDir,
    /// The log's verifier key, which the tests pin.
    pub key: String,
    /// The file of the checkpoint of 4 events, which an auditor kept.
    pub kept: PathBuf,
    /// The file of the checkpoint of all 7 events, which an auditor kept.
    pub newest: PathBuf,
}

pub fn log() -> Log {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("log");
    let mut server = TestServer::open(&data, jobledger::ledger::Options::default());
    let worker = server.client(Role::Worker);
    for event in [task_job("a"), started("a"), task_job("b"), noted("a", "one"), noted("b", "two"), completed("a")] {
        worker.append(&event).expect(201);
        // This read waits for the views, so they hold the newest event when the server stops.
        worker.get("/ledger/jobs/a").expect(200);
    }
    server.stop();
    let key = on(&data, "key show", &[]).expect(0).stdout.trim().to_owned();
    let conn = Connection::open(data.join("log.db")).unwrap();
    let keep = |size: i64| {
        let sql = "SELECT note FROM checkpoint WHERE size = ?1";
        let note: Vec<u8> = conn.query_row(sql, [size], |row| row.get(0)).unwrap();
        let path = folder.path().join(format!("{size}.checkpoint"));
        fs::write(&path, note).unwrap();
        path
    };
    Log { key, kept: keep(4), newest: keep(7), folder }
}

impl Log {
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// A copy of the log's folder, after `change`.
    pub fn copy(&self, change: impl FnOnce(&Path)) -> TempDir {
        let copy = copied(&self.data());
        change(copy.path());
        copy
    }

    /// A copy of the log's folder, in which `sql` changed `log.db` without the triggers.
    pub fn changed(&self, sql: &str) -> TempDir {
        self.copy(|folder| open(folder).execute_batch(sql).unwrap())
    }

    pub fn verify(&self, folder: &Path, more: &[&Path]) -> Done {
        let command = cli(["verify", "db", "--json", "--vkey", &self.key]).arg(folder);
        more.iter().fold(command, |command, path| command.arg("--since").arg(path)).run()
    }
}

/// A copy of a folder's files.
pub fn copied(folder: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    copy_files(folder, copy.path());
    copy
}

/// Copies the files of a folder into another folder, without subfolders.
pub fn copy_files(from: &Path, to: &Path) {
    for file in fs::read_dir(from).unwrap().map(Result::unwrap) {
        if file.file_type().unwrap().is_file() {
            fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
}

/// Opens a copy's log without its triggers.
pub fn open(folder: &Path) -> Connection {
    let conn = Connection::open(folder.join("log.db")).unwrap();
    let names: Vec<String> = {
        let mut statement = conn.prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    for name in names {
        conn.execute_batch(&format!("DROP TRIGGER {name}")).unwrap();
    }
    conn
}

/// Makes the nodes again from the leaves, as an insider who knows the format does. Returns the tree's size and root.
pub fn regrow(conn: &Connection) -> Head {
    conn.execute_batch("DELETE FROM node").unwrap();
    grow(conn)
}

/// SQL that replaces the text `from` in a column of the event at `position`.
pub fn replaced(column: &str, from: &str, to: &str, position: u32) -> String {
    format!(
        "UPDATE event SET {column} = CAST(replace(CAST({column} AS TEXT), '{from}', '{to}') AS BLOB) WHERE position = {position}"
    )
}
