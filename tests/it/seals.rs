//! The tree in `log.db`: each commit grows and signs it, and the ledger trusts no part that it cannot check.

use std::path::Path;

use jobledger::access::Role;
use jobledger::ledger::{Folder, continue_log, system_clock};
use jobledger::log;
use rusqlite::Connection;
use serde_json::json;

use crate::support::audit::{audit, checkpoints};
use crate::support::cli::{cli, on};
use crate::support::exports::{append_to, exported, import, small_ledger};
use crate::support::rows::{into_first_format, open};
use crate::support::{Client, TestServer, noted, problem, task_job};

/// Drops the triggers, as an insider with the file can.
fn as_an_insider(folder: &Path) -> Connection {
    let conn = open(&folder.join("log.db"));
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'trigger'";
    let names: Vec<String> =
        conn.prepare(sql).unwrap().query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    names.iter().for_each(|name| conn.execute_batch(&format!("DROP TRIGGER {name}")).unwrap());
    conn
}

/// A stopped ledger of some commits, and a worker.
fn ledger() -> (TestServer, Client) {
    let mut server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&task_job("a")).expect(201);
    for n in 0..9 {
        worker.append(&noted("a", &n.to_string())).expect(201);
    }
    server.stop();
    (server, worker)
}

#[test]
fn every_commit_is_covered_by_a_checkpoint_across_restarts() {
    let mut server = TestServer::start();
    let worker = server.client(Role::Worker);
    assert_eq!(audit(server.path()).1, 1, "the genesis event is signed too");
    let mut size = 1;
    for batch in [1_u64, 2, 3, 5, 251, 1, 7, 300] {
        let events: Vec<_> = (0..batch).map(|n| task_job(&format!("{size}-{n}"))).collect();
        worker.at(&server.url).append(&json!(events)).expect(201);
        size += batch;
        assert_eq!(audit(server.path()).1, size);
        // Refused: nothing of it is in the tree.
        let refused = json!([task_job(&format!("x-{size}")), noted("nobody", "x")]);
        problem(worker.at(&server.url).append(&refused), 404, "no-such-job");
        assert_eq!(audit(server.path()).1, size);
        if batch.is_multiple_of(3) {
            server.restart();
        }
    }
    assert_eq!(audit(server.path()).0.len(), 9, "one checkpoint a commit");
}

#[test]
fn a_log_of_the_first_format_gets_its_tree_at_the_next_start() {
    let (mut server, worker) = ledger();
    let path = server.path().join("log.db");
    let before = exported(server.path(), &[]);
    let conn = open(&path);
    into_first_format(&conn);
    let format = || -> i64 { conn.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap() };
    // Commands that only read take the old format as it is.
    assert_eq!(exported(server.path(), &[]), before);
    assert_eq!(format(), 1);
    server.restart();
    assert_eq!(format(), log::FORMAT);
    let (signed, newest) = audit(server.path());
    assert_eq!((signed.len(), newest), (1, 11));
    assert_eq!(worker.at(&server.url).append(&noted("a", "on")).expect(201).json()["position"], 11);
    assert_eq!(audit(server.path()).1, 12);
    assert!(exported(server.path(), &[]).starts_with(&before));
}

#[test]
fn a_log_of_the_first_format_without_its_key_gets_a_tree_and_no_checkpoint() {
    let (mut server, worker) = ledger();
    let (log, key) = (server.path().join("log.db"), Folder::new(server.path()).key());
    into_first_format(&open(&log));
    let secret = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    server.restart();
    assert_eq!(audit(server.path()).0, []);
    problem(worker.at(&server.url).append(&noted("a", "x")), 503, "read-only");
    // When the key is back, the ledger still does not sign the rows of the time without it.
    server.stop();
    std::fs::write(&key, secret).unwrap();
    server.restart();
    problem(worker.at(&server.url).append(&noted("a", "x")), 503, "read-only");
    server.stop();
    assert!(continue_log(&Folder::new(server.path()), &system_clock()).unwrap().is_some());
    server.restart();
    worker.at(&server.url).append(&noted("a", "x")).expect(201);
    assert_eq!(audit(server.path()).1, 13);
}

#[test]
fn a_log_that_differs_from_its_signature_is_read_only_until_recover_continues_it() {
    let node = "UPDATE node SET hash = zeroblob(32) WHERE level = 3 AND idx = 0";
    let flipped = "UPDATE checkpoint SET note = CAST(replace(CAST(note AS TEXT), char(10) || '11' || char(10), \
                   char(10) || '12' || char(10)) AS BLOB) WHERE size = 11";
    let damages = [
        ("a node", node, "the root"),
        ("a node that is gone", "DELETE FROM node WHERE level = 3 AND idx = 0", "lacks the node 0 of level 3"),
        ("a node too many", "INSERT INTO node VALUES (19, 0, 11, zeroblob(32))", "expected 19 nodes"),
        ("the newest node gone", "DELETE FROM node WHERE number = 18", "found 18"),
        ("a signature", flipped, "did not make"),
        ("no note", "UPDATE checkpoint SET note = x'ff' WHERE size = 11", "expected text"),
        ("no checkpoint", "DELETE FROM checkpoint", "no signed checkpoint"),
        ("the newest checkpoint gone", "DELETE FROM checkpoint WHERE size = 11", "is of 10 events"),
        ("the newest event gone", "DELETE FROM event WHERE position = 10", "found 19"),
    ];
    for (what, sql, why) in damages {
        let (mut server, worker) = ledger();
        as_an_insider(server.path()).execute_batch(sql).unwrap();
        server.restart();
        let worker = worker.at(&server.url);
        let refused = problem(worker.append(&noted("a", "x")), 503, "read-only");
        let said = refused["detail"].as_str().unwrap().to_owned();
        assert!(said.contains(why) && said.contains("jobledger recover"), "{what}: {said}");
        let ready = worker.get("/readyz").expect(503).json();
        assert!(ready["reasons"][0].as_str().unwrap().contains(why), "{what}: {ready}");
        // Reads go on.
        worker.get("/ledger/jobs/a").expect(200);
        server.stop();
        on(server.path(), "recover", &[]).expect(0);
        server.restart();
        worker.at(&server.url).append(&noted("a", "on")).expect(201);
    }
}

#[test]
fn a_checkpoint_that_does_not_read_back_as_the_newest_stops_writes() {
    let (mut server, worker) = ledger();
    let (signed, size) = audit(server.path());
    let conn = as_an_insider(server.path());
    // After the largest number SQLite chooses numbers at random, so the newest checkpoint stays the one of size 11.
    conn.execute_batch("UPDATE checkpoint SET number = 9223372036854775807 WHERE size = 11").unwrap();
    server.restart();
    let worker = worker.at(&server.url);
    for _ in 0..2 {
        problem(worker.append(&json!([noted("a", "x"), noted("a", "y")])), 503, "read-only");
    }
    assert_eq!(worker.head(), 10, "nothing of it is shown");
    assert_eq!(worker.get("/ledger/jobs/a").expect(200).json()["position"], 10);
    worker.get("/readyz").expect(503);
    assert_eq!(audit(server.path()), (signed, size));
    // The fault is gone, and the file is as it was.
    server.stop();
    conn.execute_batch("UPDATE checkpoint SET number = 11 WHERE size = 11").unwrap();
    server.restart();
    worker.at(&server.url).append(&noted("a", "x")).expect(201);
    assert_eq!(audit(server.path()).1, 12);
}

#[test]
fn a_trigger_that_was_planted_in_the_log_does_not_run_in_a_commit() {
    let (mut server, worker) = ledger();
    let planted = "CREATE TRIGGER planted AFTER INSERT ON event BEGIN UPDATE job SET kind = 'rule'; END;
        CREATE TRIGGER silent BEFORE INSERT ON event BEGIN SELECT RAISE(IGNORE); END";
    as_an_insider(server.path()).execute_batch(planted).unwrap();
    server.restart();
    let worker = worker.at(&server.url);
    assert_eq!(worker.append(&noted("a", "x")).expect(201).json()["position"], 11);
    assert_eq!(worker.get("/ledger/jobs/a").expect(200).json()["kind"], "task");
    assert_eq!(audit(server.path()).1, 12);
}

#[test]
fn a_node_that_another_writer_stored_is_never_signed() {
    let (mut server, worker) = ledger();
    server.restart();
    let worker = worker.at(&server.url);
    worker.append(&noted("a", "x")).expect(201);
    let conn = open(&server.path().join("log.db"));
    conn.execute_batch("INSERT INTO node VALUES (22, 0, 12, zeroblob(32))").unwrap();
    let refused = problem(worker.append(&noted("a", "x")), 503, "read-only");
    assert!(refused["detail"].as_str().unwrap().contains("node.number"), "{refused}");
    assert_eq!(worker.head(), 11);
}

#[test]
fn a_copy_has_its_tree_and_goes_on_under_the_checkpoint_of_its_new_name() {
    let dir = tempfile::tempdir().unwrap();
    let (original, copy, backup) = (small_ledger(dir.path()), dir.path().join("copy"), dir.path().join("backup"));
    let newest = audit(&original).0.pop().unwrap().1;
    import(&copy, exported(&original, &[])).expect(0);
    on(&original, "backup", &[backup.to_str().unwrap()]).expect(0);
    assert_eq!(audit(&copy), (vec![], 0), "an import says nothing that the log itself did not say");
    assert_eq!(audit(&backup), audit(&original));
    for (folder, known) in [(&copy, None), (&backup, Some(newest))] {
        on(folder, "recover", &[]).expect(0);
        let continued = exported(folder, &["--after", "8"]);
        let continued: serde_json::Value = serde_json::from_str(&continued).unwrap();
        assert_eq!(continued["data"]["previous"]["checkpoint"], json!(known));
        let (signed, size) = audit(folder);
        assert_eq!(size, 10);
        let origin = continued["data"]["origin"].as_str().unwrap();
        assert!(signed.last().unwrap().1.starts_with(&format!("{origin}\n10\n")));
        append_to(folder, &noted("a", "on"), &[]);
        assert_eq!(audit(folder).1, 11);
    }
    // An import that continues an older copy.
    let older = dir.path().join("older");
    import(&older, exported(&original, &[])).expect(0);
    import(&older, exported(&copy, &[])).expect(0);
    assert_eq!(audit(&older), (vec![], 0));
}

#[test]
fn a_new_key_signs_beside_the_previous_one_until_its_file_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let folder = small_ledger(dir.path());
    let shown = |folder: &Path| -> Vec<String> {
        on(folder, "key show", &[]).expect(0).stdout.lines().map(str::to_owned).collect()
    };
    let old = shown(&folder).pop().unwrap();
    let told = on(&folder, "key rotate", &[]).expect(0).stdout;
    let new = shown(&folder)[0].clone();
    assert!(told.contains("at position 9") && told.contains(&new), "{told}");
    assert_eq!(shown(&folder), [new.clone(), old.clone()]);
    let signers = |folder: &Path| -> Vec<usize> {
        let conn = Connection::open(folder.join("log.db")).unwrap();
        checkpoints(&conn).iter().map(|(_, note)| note.lines().skip(4).count()).collect()
    };
    let before = signers(&folder).len() - 1;
    append_to(&folder, &noted("a", "both"), &[]);
    let (signed, size) = audit(&folder);
    assert_eq!((size, &signers(&folder)[before..]), (11, &[2, 2][..]));
    // A verifier with either key accepts a checkpoint that both keys signed.
    for key in [&old, &new] {
        let known = [key.parse().unwrap()];
        assert!(signed[before..].iter().all(|(_, note)| jobledger::tree::open_note(note, &known).is_ok()));
    }
    on(&folder, "key rotate", &[]).refused(1, &["ledger.key.previous", "delete"]);
    // The overlap ends when the file of the previous key is removed.
    std::fs::remove_file(folder.join("ledger.key.previous")).unwrap();
    append_to(&folder, &noted("a", "the new one"), &[]);
    assert_eq!(signers(&folder).last(), Some(&1));
    let newest = audit(&folder).0.pop().unwrap().1;
    assert!(jobledger::tree::open_note(&newest, &[new.parse().unwrap()]).is_ok());
    assert!(jobledger::tree::open_note(&newest, &[old.parse().unwrap()]).is_err());
    // The old key does not open the ledger again.
    let copy = dir.path().join("copy");
    import(&copy, exported(&folder, &[])).expect(0);
    assert_eq!(shown(&copy), [new, old]);
    let wrong = cli(["append", "-", "--data"]).arg(&copy);
    wrong.run_with(noted("a", "x").to_string()).refused(1, &["read-only"]);
    on(&copy, "key rotate", &[]).refused(1, &["read-only"]);
}

#[test]
fn the_next_start_completes_a_rotation_that_ended_after_its_event() {
    let dir = tempfile::tempdir().unwrap();
    let folder = small_ledger(dir.path());
    on(&folder, "key rotate", &[]).expect(0);
    // As a crash between the commit and the renaming leaves it.
    std::fs::rename(folder.join("ledger.key"), folder.join("ledger.key.new")).unwrap();
    std::fs::rename(folder.join("ledger.key.previous"), folder.join("ledger.key")).unwrap();
    append_to(&folder, &noted("a", "on"), &[]);
    assert!(folder.join("ledger.key.previous").exists() && !folder.join("ledger.key.new").exists());
    let newest = audit(&folder).0.pop().unwrap().1;
    assert_eq!(newest.lines().skip(4).count(), 2);
}
