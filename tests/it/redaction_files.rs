//! Redacted bytes in the files: while a reader holds the old state, after a process died, and in copies.

use std::path::PathBuf;

use jobledger::sqlite::READ_ONLY;
use rusqlite::Connection;
use serde_json::json;

use crate::support::cli::{Serving, cli, on, token};
use crate::support::exports::{append_to, exported, import};
use crate::support::redactions::{NAME, REDACTED_JOBS, files_with, lives, redacted, redactions};
use crate::support::rows::THIRD_FORMAT;
use crate::support::wait::until;
use crate::support::{Client, noted};

const NOWHERE: Vec<PathBuf> = Vec::new();

/// A reader of the folder's log that holds the present state.
fn reader(folder: &std::path::Path) -> Connection {
    let conn = Connection::open_with_flags(folder.join("log.db"), READ_ONLY).unwrap();
    conn.execute_batch("BEGIN").unwrap();
    conn.query_row("SELECT count(*) FROM event", [], |_| Ok(())).unwrap();
    conn
}

fn full(folder: &std::path::Path) -> (Serving, Client) {
    let server = Serving::start(folder);
    let admin = server.client(&token(folder, "admin"));
    admin.append(&json!(lives())).expect(201);
    (server, admin)
}

#[test]
fn a_redaction_is_pending_while_a_reader_holds_the_old_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let (server, admin) = full(dir.path());
    let held = reader(dir.path());
    let all = json!(redactions(0));
    let answer = admin.append(&all).expect(503);
    assert_eq!(answer.header("retry-after"), "1");
    let answer = answer.json();
    assert_eq!(answer["code"], "erasure-pending");
    assert!(answer["detail"].as_str().unwrap().contains("newest at position 28"), "{answer}");
    assert_ne!(files_with(dir.path(), NAME), NOWHERE);
    // Every answer shows the redaction, and other appends go on.
    assert_eq!(admin.get("/ledger/events/1").expect(200).json()["data"], "[redacted]");
    admin.append(&noted("t", "meanwhile")).expect(201);
    admin.get("/readyz").expect(200);
    drop(held);
    let again = admin.append(&all).expect(200).json();
    assert_eq!((&again["position"], &again["events"][0]["duplicate"]), (&json!(28), &json!(true)));
    assert_eq!(files_with(dir.path(), NAME), NOWHERE);
    server.end("TERM").expect(0);
}

#[test]
fn a_restarted_server_completes_a_pending_redaction_before_it_is_ready() {
    let dir = tempfile::tempdir().unwrap();
    let (server, admin) = full(dir.path());
    let held = reader(dir.path());
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| admin.try_append(&json!(redactions(0))));
        // The redaction is recorded, and the bytes cannot leave the file yet.
        until("the redactions are recorded", || admin.head() >= 28);
        server.end("KILL");
        assert!(asking.join().unwrap().is_err(), "it was never answered");
    });
    assert_ne!(files_with(dir.path(), NAME), NOWHERE);
    let server = Serving::start(dir.path());
    let admin = admin.at(&server.url);
    let said = admin.get("/readyz").expect(503).text();
    assert!(said.contains("erased before the start"), "{said}");
    drop(held);
    until("the server is ready", || admin.get("/readyz").status == 200);
    assert_eq!(files_with(dir.path(), NAME), NOWHERE);
    server.end("TERM").expect(0);
}

#[test]
fn a_redaction_is_pending_until_the_external_program_copies_the_wal_back() {
    let dir = tempfile::tempdir().unwrap();
    let (server, admin) = full(dir.path());
    server.end("TERM").expect(0);
    let server =
        Serving::of(cli(["serve", "--listen", "127.0.0.1:0", "--checkpoint", "external", "--data"]).arg(dir.path()));
    let admin = admin.at(&server.url);
    admin.append(&noted("t", "held in the WAL")).expect(201);
    let all = json!(redactions(0));
    admin.append(&all).expect(202);
    assert!(files_with(dir.path(), NAME).iter().all(|path| path.to_str().unwrap().contains("log.db")));
    assert_eq!(admin.append(&all).expect(202).json()["events"][0]["duplicate"], true);
    // The test copies the WAL back as the external program does.
    let conn = Connection::open(dir.path().join("log.db")).unwrap();
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    assert_eq!(files_with(dir.path(), NAME), NOWHERE);
    server.end("TERM").expect(0);
}

#[test]
fn a_log_from_before_redactions_existed_starts_without_the_deleted_bytes_in_its_pages() {
    let dir = tempfile::tempdir().unwrap();
    let (server, admin) = full(dir.path());
    admin.append(&json!(redactions(0))).expect(201);
    server.end("TERM").expect(0);
    let export = exported(dir.path(), &[]);
    let conn = Connection::open(dir.path().join("log.db")).unwrap();
    let rows =
        format!("CREATE TABLE t AS SELECT '{NAME}' || value FROM json_each('[1,2,3,4,5,6,7,8,9]'); DROP TABLE t;");
    conn.execute_batch(THIRD_FORMAT).unwrap();
    conn.execute_batch("PRAGMA secure_delete = OFF; DROP INDEX event_redaction; PRAGMA user_version = 2;").unwrap();
    conn.execute_batch(&rows).unwrap();
    drop(conn);
    assert_eq!(files_with(dir.path(), NAME), [dir.path().join("log.db")]);
    let server = Serving::start(dir.path());
    admin.at(&server.url).append(&redacted("t", 8)).expect(409);
    server.end("TERM").expect(0);
    assert_eq!(files_with(dir.path(), NAME), NOWHERE);
    assert_eq!(exported(dir.path(), &[]), export);
}

#[test]
fn an_export_with_redacted_events_restores_exactly_and_replays() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("original");
    append_to(&folder, &json!(lives()), &[]);
    let before = exported(&folder, &[]);
    append_to(&folder, &json!(redactions(0)), &[]);
    assert_eq!(files_with(&folder, NAME), NOWHERE, "also without a server");
    let export = exported(&folder, &[]);
    assert!(!export.contains(NAME));
    let copy = dir.path().join("copy");
    import(&copy, &export).expect(0);
    assert_eq!(exported(&copy, &[]), export);
    // Importing the same export again, or the older export with the data, does not bring the data back.
    import(&copy, &export).expect(0);
    // An import that continues an older copy redacts it like the original.
    let older = dir.path().join("older");
    import(&older, &before).expect(0);
    assert_ne!(files_with(&older, NAME), NOWHERE);
    import(&older, &export).expect(0);
    assert_eq!(exported(&older, &[]), export);
    assert_eq!(files_with(&older, NAME), NOWHERE);
    let file = dir.path().join("export.ndjson");
    std::fs::write(&file, &export).unwrap();
    for job in REDACTED_JOBS {
        let log = cli(["replay", job, "--json", "--data"]).arg(&folder).run().expect(0).stdout;
        assert_eq!(cli(["replay", job, "--json", "--file"]).arg(&file).run().expect(0).stdout, log);
        assert!(!log.contains(NAME) && log.contains("[redacted]"), "{job}: {log}");
        assert_eq!(on(&copy, "replay", &[job, "--json"]).expect(0).stdout, log);
    }
}

#[test]
fn an_export_that_lacks_data_without_a_redaction_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("original");
    append_to(&folder, &json!(lives()), &[]);
    append_to(&folder, &json!([redacted("t", 8), redacted("t", 1)]), &[]);
    let export = exported(&folder, &[]);
    let lines: Vec<&str> = export.lines().collect();
    let without = |line: usize| {
        lines.iter().enumerate().filter(|(n, _)| *n != line).map(|(_, line)| format!("{line}\n")).collect::<String>()
    };
    let copy = dir.path().join("copy");
    // The last redaction is cut off.
    import(&copy, without(16)).refused(1, &["line 2", "the data of event 1 is missing without a recorded redaction"]);
    // Another event lost its data too.
    let (leaf, _) = lines[3].split_once(",\"salt\":").unwrap();
    let lost = export.replace(lines[3], &format!("{leaf},\"salt\":null,\"data\":null}}"));
    import(&copy, lost).refused(1, &["line 4", "the data of event 3 is missing"]);
    // The residue holds more than it may, so its digest does not match either.
    let told = export.replace(r#""residue":{"text":"[redacted]"}"#, &format!(r#""residue":{{"text":"{NAME}"}}"#));
    assert_ne!(told, export);
    import(&copy, told).refused(1, &["line 9", "missing without a recorded redaction"]);
    assert!(!copy.join("log.db").exists());
}
