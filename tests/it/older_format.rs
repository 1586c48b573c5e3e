//! A log of format 3, as an earlier version wrote it. Its files in `tests/golden/format-3` are never edited. Commands read the log as
//! it is, and the next start of a server upgrades it in place.

use std::fs;
use std::path::{Path, PathBuf};

use jobledger::log;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::cli::{Serving, cli, on, token};
use crate::support::exports::exported;
use crate::support::noted;

/// A copy of the golden folder: 5 jobs, the longest with 42 events, one event redacted.
fn copy() -> tempfile::TempDir {
    let golden = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/format-3"));
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("anchor")).unwrap();
    for name in ["log.db", "ledger.key", "anchor/checkpoint"] {
        fs::copy(golden.join(name), dir.path().join(name)).unwrap();
    }
    dir
}

fn golden_export() -> String {
    fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/format-3/export.ndjson")).unwrap()
}

/// Reads a pragma of the log in `folder`.
fn pragma<T: rusqlite::types::FromSql>(folder: &Path, name: &str) -> T {
    let conn = Connection::open(folder.join("log.db")).unwrap();
    conn.pragma_query_value(None, name, |row| row.get(0)).unwrap()
}

/// A job's events as `replay` shows them, and how many `export --job` writes.
fn read_offline(folder: &Path, job: &str) -> (String, usize) {
    let shown = on(folder, "replay", &[job]).expect(0).stdout;
    (shown, on(folder, "export", &["--job", job]).expect(0).stdout.lines().count())
}

#[test]
fn commands_read_it_as_it_is() {
    let dir = copy();
    assert!(exported(dir.path(), &[]) == golden_export());
    for (job, events) in [("job-0", 11), ("job-4", 40)] {
        assert_eq!(read_offline(dir.path(), job).1, events);
    }
    cli(["verify", "db"]).arg(dir.path()).run().expect(7);
    assert_eq!(pragma::<i64>(dir.path(), "user_version"), 3);
}

#[test]
fn a_server_upgrades_it_in_place_and_reads_and_appends_as_before() {
    let dir = copy();
    let before = (read_offline(dir.path(), "job-0"), read_offline(dir.path(), "job-4"));
    let size = fs::metadata(dir.path().join("log.db")).unwrap().len();
    let admin = token(dir.path(), "admin");
    let server = Serving::start(dir.path());
    let client = server.client(&admin);
    assert_eq!(
        client.get("/ledger/jobs/job-4/events?limit=1000").expect(200).json()["events"].as_array().unwrap().len(),
        40
    );
    // A page in the middle, whose first and last events are no milestones.
    let page = client.get("/ledger/jobs/job-4/events?after=60&limit=9").expect(200).json();
    let positions: Vec<&str> =
        page["events"].as_array().unwrap().iter().map(|event| event["position"].as_str().unwrap()).collect();
    assert!(
        positions.len() == 9 && positions.is_sorted_by_key(|position| position.parse::<u64>().unwrap()),
        "{positions:?}"
    );
    client.append(&noted("job-4", "after the upgrade")).expect(201);
    server.end("TERM").expect(0);
    assert_eq!(pragma::<i64>(dir.path(), "user_version"), log::FORMAT);
    assert_eq!(pragma::<String>(dir.path(), "integrity_check"), "ok");
    assert!(fs::metadata(dir.path().join("log.db")).unwrap().len() < size + size / 4, "no table was written anew");
    cli(["verify", "db"]).arg(dir.path()).run().expect(7);
    assert!(exported(dir.path(), &[]).starts_with(&golden_export()));
    assert_eq!(read_offline(dir.path(), "job-0"), before.0);
    assert_eq!(read_offline(dir.path(), "job-4").1, before.1.1 + 1);
}

#[test]
fn an_upgraded_log_has_the_structure_of_a_new_one() {
    let dir = copy();
    Serving::start(dir.path()).end("TERM").expect(0);
    let new = log::empty_log(log::FORMAT).unwrap();
    let schema = |conn: &Connection| -> Vec<Value> {
        let sql = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name";
        let mut statement = conn.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| {
            let text = |at: usize| row.get::<_, Option<String>>(at).unwrap();
            Ok(json!([text(0), text(1), text(2), text(3)]))
        });
        rows.unwrap().map(Result::unwrap).collect()
    };
    assert_eq!(schema(&Connection::open(dir.path().join("log.db")).unwrap()), schema(&new));
}
