//! `access.db` of older versions: upgraded at the next open, with every token and session in it.

use std::path::Path;

use rusqlite::{Connection, params};
use sha2::{Digest, Sha256};

use crate::support::cli::on;
use crate::support::{Client, TestServer};

/// The schema of version 1.
const VERSION_1: &str = "
    CREATE TABLE token (
      id         INTEGER PRIMARY KEY,
      org        TEXT NOT NULL,
      name       TEXT NOT NULL,
      role       TEXT NOT NULL,
      hash       BLOB NOT NULL UNIQUE,
      created_at INTEGER NOT NULL,
      expires_at INTEGER,
      revoked_at INTEGER,
      used_at    INTEGER,
      UNIQUE (org, name)
    ) STRICT;
    CREATE TABLE session (
      hash       BLOB PRIMARY KEY,
      token      INTEGER NOT NULL REFERENCES token (id),
      expires_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    PRAGMA user_version = 1;
";
const NIL: &str = "00000000-0000-0000-0000-000000000000";
const YEAR_2100: i64 = 4_102_444_800_000_000;

fn sha256(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// Makes a file of version 1 with a valid token, a revoked one, and a session of each.
fn old_file(path: &Path) {
    let file = Connection::open(path).unwrap();
    file.execute_batch("PRAGMA journal_mode = WAL").unwrap();
    file.execute_batch(VERSION_1).unwrap();
    for (id, name, revoked) in [(7, "ann", None), (9, "bob", Some(1_700_000_000_000_000_i64))] {
        let token = "INSERT INTO token VALUES (?1, ?2, ?3, 'viewer', ?4, 1600000000000000, ?5, ?6, 1650000000000000)";
        let values = params![id, NIL, name, sha256(&format!("jl_{name}")), YEAR_2100, revoked];
        file.execute(token, values).unwrap();
        let session = "INSERT INTO session VALUES (?1, ?2, ?3)";
        file.execute(session, params![sha256(&format!("session\n{name}")), id, YEAR_2100]).unwrap();
    }
}

fn statuses(server: &TestServer) -> [u16; 4] {
    let token = |token| Client::new(&server.url, Some(token)).get("/ledger/jobs").status;
    let session = |cookie| server.anonymous().get_with("/ledger/jobs", &[("cookie", cookie)]).status;
    [token("jl_ann"), session("jobledger_session=ann"), token("jl_bob"), session("jobledger_session=bob")]
}

#[test]
fn tokens_and_sessions_of_version_1_stay_as_they_were() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("access.db");
    old_file(&path);
    let server = TestServer::on(dir.path(), jobledger::ledger::system_clock());
    assert_eq!(statuses(&server), [200, 200, 401, 401]);
    let listed = on(dir.path(), "token list", &["--json"]).expect(0).json_lines();
    assert_eq!(listed.len(), 2);
    assert_eq!(
        listed[1],
        serde_json::json!({
            "name": "bob", "role": "viewer", "org": NIL, "created": "2020-09-13T12:26:40Z", "expires": "2100-01-01T00:00:00Z",
            "revoked": "2023-11-14T22:13:20Z", "last_used": "2022-04-15T05:20:00Z", "sources": [], "name_reused": false,
            "rotated": null, "old_secret_until": null,
        })
    );
    // The features of version 2 work with the old tokens.
    on(dir.path(), "token rotate", &["--name", "ann", "--overlap", "0s"]).expect(0);
    on(dir.path(), "token create", &["--name", "bob", "--role", "viewer", "--reuse-name"]).expect(0);
    assert_eq!(statuses(&server), [401, 401, 401, 401]);
    let file = Connection::open(&path).unwrap();
    let version: i64 = file.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    let broken: Option<String> = file.query_row("PRAGMA foreign_key_check", [], |row| row.get(0)).ok();
    assert_eq!((version, broken), (2, None));
}

#[test]
fn an_upgraded_file_has_the_tables_of_a_new_one() {
    let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    old_file(&old.path().join("access.db"));
    let tables = |folder: &Path| {
        on(folder, "token list", &[]).expect(0);
        let file = Connection::open(folder.join("access.db")).unwrap();
        let mut statement = file.prepare("SELECT name, sql FROM sqlite_schema ORDER BY name").unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.collect::<Result<Vec<(String, Option<String>)>, _>>().unwrap()
    };
    assert_eq!(tables(old.path()), tables(new.path()));
}

#[test]
fn a_file_of_a_newer_version_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let file = Connection::open(dir.path().join("access.db")).unwrap();
    file.execute_batch("PRAGMA user_version = 3").unwrap();
    on(dir.path(), "token list", &[]).refused(2, &["version 3", "knows 2", "newer"]);
}
