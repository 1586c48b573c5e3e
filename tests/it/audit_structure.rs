//! `jobledger verify db` of a database whose structure is not the documented one: a fault, found before a row is read.

use std::path::Path;

use rusqlite::Connection;
use serde_json::json;

use crate::support::cli::{Done, cli, on};
use crate::support::insider::log;

fn change(file: &Path, sql: &str) {
    let conn = Connection::open(file).unwrap();
    conn.execute_batch("PRAGMA foreign_keys = OFF").and_then(|()| conn.execute_batch(sql)).unwrap();
}

/// A view that never ends, with these columns, each a number.
fn endless(name: &str, columns: &str) -> String {
    let columns: Vec<String> = columns.split(", ").map(|column| format!("i AS {column}")).collect();
    format!(
        "CREATE VIEW {name} AS WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n) SELECT {} FROM n;",
        columns.join(", ")
    )
}

const EVENT: &str = "position, org, job, prev, source, id, type, version, kind, recorded, leaf, salt, data";

#[track_caller]
fn names(done: Done, word: &str) {
    let report = &done.json_lines()[0]["report"];
    let faults = report["faults"].as_array().unwrap();
    assert!(faults.iter().all(|fault| fault["class"] == "content"), "{report}");
    let told = faults.iter().any(|fault| fault["what"].as_str().unwrap().contains(word));
    assert!(told, "{word}: {report}");
}

#[test]
fn an_undocumented_object_in_the_log_is_a_fault_and_nothing_is_read() {
    let log = log();
    let endless_event = format!("DROP TABLE event; {}", endless("event", EVENT));
    let endless_node = format!("DROP TABLE node; {}", endless("node", "number, level, idx, hash"));
    let endless_checkpoint = format!("DROP TABLE checkpoint; {}", endless("checkpoint", "number, size, note"));
    for (sql, word) in [
        (endless_event.as_str(), "`event`"),
        (&endless_node, "`node`"),
        (&endless_checkpoint, "`checkpoint`"),
        ("ALTER TABLE event RENAME TO hidden; CREATE VIEW event AS SELECT * FROM hidden", "`hidden`"),
        ("CREATE VIEW extra AS SELECT 1", "view `extra`"),
        ("CREATE TRIGGER evil BEFORE INSERT ON event BEGIN SELECT RAISE(IGNORE); END", "trigger `evil`"),
        ("CREATE TRIGGER _litestream_evil BEFORE INSERT ON event BEGIN SELECT 1; END", "trigger `_litestream_evil`"),
        ("CREATE VIEW _litestream_seq AS SELECT 1", "view `_litestream_seq`"),
        (
            "DROP TRIGGER event_stays; CREATE TRIGGER event_stays BEFORE DELETE ON event BEGIN SELECT 1; END",
            "trigger `event_stays`",
        ),
        ("ALTER TABLE event ADD COLUMN extra TEXT", "table `event`"),
        ("ALTER TABLE job ADD COLUMN extra TEXT AS (subject)", "table `job`"),
        ("ALTER TABLE node RENAME COLUMN hash TO digest", "table `node`"),
        ("CREATE TABLE extra (x)", "table `extra`"),
        ("CREATE TABLE \"ev\u{1b}[2K\" (x)", "is not documented"),
        ("CREATE INDEX extra ON event (type)", "index `extra`"),
        ("DROP TABLE source", "table `source` is missing"),
    ] {
        let copy = log.copy(|folder| change(&folder.join("log.db"), sql));
        for since in [&[][..], &[&*log.newest]] {
            let done = log.verify(copy.path(), since).expect(3);
            let report = done.json_lines()[0]["report"].clone();
            assert_eq!(report["events"], 0, "{sql}: {report}");
            assert!(report["unchecked"].to_string().contains("any entry"), "{sql}: {report}");
            names(done, word);
        }
        // Other commands that read a log do not believe a view either.
        if sql.contains("VIEW event") {
            on(copy.path(), "export", &[]).expect(2);
            on(copy.path(), "replay", &["a"]).expect(2);
        }
    }
}

#[test]
fn tables_of_sqlite_and_litestream_are_no_fault() {
    let log = log();
    let copy = log.copy(|folder| {
        let planted = "CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER); \
                       CREATE TABLE _litestream_lock (id INTEGER); ANALYZE";
        change(&folder.join("log.db"), planted);
        change(&folder.join("views.db"), "ANALYZE");
    });
    let report = log.verify(copy.path(), &[]).expect(0).json_lines()[0]["report"].clone();
    assert_eq!((&report["remarks"], &report["events"]), (&json!([]), &json!(7)));
}

#[test]
fn an_undocumented_object_in_the_views_is_a_fault_too() {
    let log = log();
    let endless_job = format!("DROP TABLE note; {}", endless("note", "job, seq, text, by, at"));
    let endless_position = format!("DROP TABLE position; {}", endless("position", "position, leaf_hash"));
    for (sql, word) in [
        (endless_job.as_str(), "`note`"),
        (&endless_position, "`position`"),
        ("CREATE TRIGGER evil AFTER INSERT ON job BEGIN DELETE FROM job; END", "trigger `evil`"),
        ("ALTER TABLE job ADD COLUMN extra TEXT", "table `job`"),
    ] {
        let copy = log.copy(|folder| change(&folder.join("views.db"), sql));
        let done = log.verify(copy.path(), &[]).expect(3);
        assert_eq!(done.json_lines()[0]["report"]["events"], 7, "the log itself is read");
        assert!(done.stdout.contains("views.db"), "{}", done.stdout);
        names(done, word);
    }
}

#[test]
fn a_name_that_a_terminal_would_obey_is_written_out() {
    let log = log();
    let copy = log.copy(|folder| change(&folder.join("log.db"), "CREATE TABLE \"e\u{1b}[2K\u{9b}\u{202e}\" (x)"));
    let told = cli(["verify", "db"]).arg(copy.path()).run().expect(3).stdout;
    assert!(told.contains("e\\u001b[2K\\u009b\\u202e"), "{told}");
    assert!(!told.chars().any(|c| c != '\n' && c.is_control()), "{told:?}");
}

#[test]
fn the_folder_may_be_named_by_the_environment() {
    let log = log();
    let verify = |more: &[&str]| cli(["verify", "db", "--vkey", &log.key]).args(more).env("JOBLEDGER_DATA", log.data());
    verify(&[]).run().expect(0);
    verify(&["nowhere"]).run().expect(2);
    cli(["verify", "db"]).run().expect(1);
}
