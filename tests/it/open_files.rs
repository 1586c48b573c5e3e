//! Files that are removed or replaced while the server has them open. The server then answers no append with success, because the event
//! would be lost.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::cli::{Serving, on, token};
use crate::support::exports::small_ledger;
use crate::support::stalls::Stalls;
use crate::support::wait::until;
use crate::support::{Client, event, noted, problem, task_job};

/// The time after the change from which no append may succeed, on a machine that delays no thread.
const LIMIT: Duration = Duration::from_millis(250);
/// Longest wait for the first refusal: a server that goes on fails the test.
const PATIENCE: Duration = Duration::from_secs(30);

fn remove(folder: &Path, names: &[&str]) {
    names.iter().for_each(|name| fs::remove_file(folder.join(name)).unwrap());
}

/// Copies older files over those of a folder, in place, as `cp` does.
fn put_over(folder: &Path, older: &Path) {
    for name in ["log.db", "log.db-wal", "log.db-shm"] {
        if older.join(name).exists() {
            fs::copy(older.join(name), folder.join(name)).unwrap();
        }
    }
}

/// Appends until an append is refused. Fails if an append that was sent too late succeeds.
fn append_until_refused(worker: &Client, since: Instant, stalls: &Stalls) {
    for n in 0.. {
        let sent = since.elapsed();
        let answer = worker.append(&noted("a", &format!("{n}")));
        if answer.status == 503 {
            return;
        }
        answer.expect(201);
        let limit = LIMIT + stalls.allowance();
        assert!(sent < limit, "an append was taken {sent:?} after the files were gone, and the limit is {limit:?}");
        assert!(since.elapsed() < PATIENCE);
    }
}

/// Runs `act` on a folder whose server has just accepted appends, and checks that the server then refuses them.
fn expect_refusals_after(name: &str, act: impl FnOnce(&Path, &Path)) {
    let dir = tempfile::tempdir().unwrap();
    let folder = small_ledger(dir.path());
    let (worker, older) = (token(&folder, "worker"), dir.path().join("older"));
    // What the server has by then is in the file; what comes after the copy is not in the copy.
    Serving::start(&folder).end("TERM").expect(0);
    let server = Serving::start(&folder);
    let worker = server.client(&worker);
    worker.append(&noted("a", "before the copy")).expect(201);
    fs::create_dir(&older).unwrap();
    crate::support::insider::copy_files(&folder, &older);
    worker.append(&json!((0..50).map(|n| noted("a", &format!("{n}"))).collect::<Vec<_>>())).expect(201);
    until("the views follow", || worker.get("/readyz").status == 200);
    let stalls = Stalls::watch();
    act(&folder, &older);
    append_until_refused(&worker, Instant::now(), &stalls);
    let refused = problem(worker.append(&noted("a", "x")), 503, "read-only");
    let ready = worker.get("/readyz").expect(503).text();
    for word in ["while the server has it open", "start it again"] {
        assert!(refused.to_string().contains(word) && ready.contains(word), "{name}: {refused} {ready}");
    }
    let done = server.end("TERM").expect(0);
    assert!(done.stderr.contains("takes no more writes"), "{name}: {}", done.stderr);
}

#[test]
fn no_append_succeeds_after_a_file_is_removed() {
    expect_refusals_after("all of the log", |folder, _| remove(folder, &["log.db", "log.db-wal", "log.db-shm"]));
    for name in ["log.db", "log.db-wal", "log.db-shm", "access.db", "lock", "ledger.key"] {
        expect_refusals_after(name, |folder, _| remove(folder, &[name]));
    }
}

#[test]
fn no_append_succeeds_after_the_folder_is_removed_or_moved() {
    expect_refusals_after("rm -rf", |folder, _| fs::remove_dir_all(folder).unwrap());
    expect_refusals_after("mv", |folder, _| fs::rename(folder, folder.with_file_name("moved")).unwrap());
    expect_refusals_after("mv, and another in its place", |folder, older| {
        fs::rename(folder, folder.with_file_name("moved")).unwrap();
        fs::rename(older, folder).unwrap();
    });
}

#[test]
fn no_append_succeeds_after_older_files_replace_the_open_ones() {
    expect_refusals_after("all, in place", put_over);
    expect_refusals_after("all, renamed", |folder, older| {
        for file in fs::read_dir(older).unwrap().map(Result::unwrap) {
            fs::rename(file.path(), folder.join(file.file_name())).unwrap();
        }
    });
    expect_refusals_after("the log alone, emptied", |folder, _| fs::write(folder.join("log.db"), []).unwrap());
    expect_refusals_after("the WAL alone, emptied", |folder, _| fs::write(folder.join("log.db-wal"), []).unwrap());
    expect_refusals_after("the WAL alone, in place", |folder, older| {
        fs::copy(older.join("log.db-wal"), folder.join("log.db-wal")).unwrap();
    });
    expect_refusals_after("another database, in place", |folder, _| {
        fs::copy(folder.join("access.db"), folder.join("log.db")).unwrap();
    });
}

#[test]
fn no_append_succeeds_after_a_backup_is_copied_over_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let folder = small_ledger(dir.path());
    let (worker, older) = (token(&folder, "worker"), dir.path().join("older"));
    on(&folder, "backup", &[older.to_str().unwrap()]).expect(0);
    let server = Serving::start(&folder);
    let batch = json!((0..200).map(|n| noted("a", &format!("{n}"))).collect::<Vec<_>>());
    server.client(&worker).append(&batch).expect(201);
    server.end("TERM").expect(0);
    let server = Serving::start(&folder);
    let worker = server.client(&worker);
    worker.append(&noted("a", "in the WAL")).expect(201);
    let stalls = Stalls::watch();
    put_over(&folder, &older);
    append_until_refused(&worker, Instant::now(), &stalls);
    worker.get("/readyz").expect(503);
    server.end("TERM").expect(0);
}

#[test]
fn the_previous_key_file_may_be_removed_while_the_server_runs() {
    let dir = tempfile::tempdir().unwrap();
    let folder = small_ledger(dir.path());
    on(&folder, "key rotate", &[]).expect(0);
    let server = Serving::start(&folder);
    let worker = server.client(&token(&folder, "worker"));
    remove(&folder, &["ledger.key.previous"]);
    let since = Instant::now();
    while since.elapsed() < 2 * LIMIT {
        worker.append(&noted("a", "on")).expect(201);
    }
    worker.get("/readyz").expect(200);
}

#[test]
fn a_wal_that_sqlite_resets_stops_no_append() {
    let dir = tempfile::tempdir().unwrap();
    let folder = small_ledger(dir.path());
    let admin = token(&folder, "admin");
    let server = Serving::start(&folder);
    let admin = server.client(&admin);
    admin.append(&json!([task_job("wal"), noted("wal", "x"), event("job.cancelled", "wal", json!({}))])).expect(201);
    let since = Instant::now();
    for n in 0.. {
        // The redaction truncates the WAL over a connection of its own; another process copies the WAL into the log.
        if n == 3 {
            let text = admin.get("/ledger/jobs/wal/events?type=job.noted").expect(200).json();
            let position: u64 = text["events"][0]["position"].as_str().unwrap().parse().unwrap();
            let redacted = json!({"position": position, "reason": "asked for"});
            admin.append(&event("job.redacted", "wal", redacted)).expect(201);
        }
        if n % 20 == 10 {
            let other = rusqlite::Connection::open(folder.join("log.db")).unwrap();
            other.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(())).unwrap();
        }
        admin.append(&noted("a", &format!("on {n}"))).expect(201);
        if since.elapsed() > 3 * LIMIT && n > 40 {
            break;
        }
    }
    admin.get("/readyz").expect(200);
}
