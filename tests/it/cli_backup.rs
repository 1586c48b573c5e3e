//! `jobledger backup`: a consistent copy while the server writes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use jobledger::ledger::Folder;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

use crate::support::cli::{Done, Serving, cli, on, token};
use crate::support::exports::{exported, small_ledger};
use crate::support::{Client, noted, task_job, wait};

const WRITERS: usize = 4;

fn backup(folder: &Path, dest: &Path) -> Done {
    on(folder, "backup", &[dest.to_str().unwrap()])
}

/// Position → event id of everything in a log, whose file must be sound.
fn events_in(folder: &Path) -> BTreeMap<u64, String> {
    let conn = Connection::open_with_flags(folder.join("log.db"), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let sound: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
    let mut statement = conn.prepare("SELECT position, id FROM event").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)? as u64, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

/// Appends until `stop` is set. Adds each answered event to `answered`: position → event id.
fn write(worker: &Client, job: &str, answered: &Mutex<BTreeMap<u64, String>>, stop: &AtomicBool) {
    worker.append(&task_job(job)).expect(201);
    while !stop.load(Ordering::SeqCst) {
        let answer = worker.try_append(&json!([noted(job, "1"), noted(job, "2")]));
        let Some(answer) = answer.ok().filter(|answer| answer.status == 201) else {
            stop.store(true, Ordering::SeqCst);
            panic!("an append was not answered with 201");
        };
        let answer = answer.json();
        let mut answered = answered.lock().unwrap();
        for event in answer["events"].as_array().unwrap() {
            answered.insert(event["position"].as_u64().unwrap(), event["id"].as_str().unwrap().to_owned());
        }
    }
}

#[test]
fn a_backup_under_load_has_everything_answered_before_it_began_and_no_gap() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, dest) = (small_ledger(dir.path()), dir.path().join("backup"));
    let server = Serving::start(&folder);
    let worker = server.client(&token(&folder, "worker"));
    let (answered, stop) = (Mutex::new(BTreeMap::new()), AtomicBool::new(false));
    // Waits until the writers have so many answers. A writer that fails stops the other writers and this wait.
    let until = |count: usize| {
        wait::until("the writers are answered", || {
            answered.lock().unwrap().len() >= count || stop.load(Ordering::SeqCst)
        });
        answered.lock().unwrap().clone()
    };
    let (before, copied) = std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (worker, answered, stop) = (&worker, &answered, &stop);
            scope.spawn(move || write(worker, &format!("job-{writer}"), answered, stop));
        }
        let before = until(200);
        let copied = backup(&folder, &dest);
        let so_far = answered.lock().unwrap().len();
        until(so_far + 1);
        stop.store(true, Ordering::SeqCst);
        (before, copied)
    });
    assert!(before.len() >= 200);
    let copied = copied.expect(0).stdout;
    let events = events_in(&dest);
    let head = *events.keys().last().unwrap();
    assert_eq!(copied, format!("copied everything up to position {head}\n"));
    assert_eq!(events.keys().copied().collect::<Vec<_>>(), (0..=head).collect::<Vec<_>>());
    assert!(before.iter().all(|(position, id)| events.get(position) == Some(id)));
    let later = answered.into_inner().unwrap();
    let (upto, beyond): (Vec<_>, Vec<_>) = later.iter().partition(|(position, _)| **position <= head);
    assert!(upto.iter().all(|(position, id)| events.get(position) == Some(id)));
    assert!(!beyond.is_empty(), "the writers went on beyond the copy");
    // The backup has the first events of the ledger.
    assert!(exported(&folder, &[]).starts_with(&exported(&dest, &[])));
}

#[test]
fn a_backup_is_read_only_until_its_key_is_put_back() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, dest) = (small_ledger(dir.path()), dir.path().join("deep/backup"));
    let worker = token(&folder, "worker");
    backup(&folder, &dest).expect(0);
    assert_eq!(exported(&dest, &[]), exported(&folder, &[]));
    assert!(!dest.join("ledger.key").exists());
    // The backup has the tokens too.
    let server = Serving::start(&dest);
    let answer = server.client(&worker).append(&noted("a", "x")).expect(503);
    assert_eq!(answer.json()["code"], "read-only");
    server.end("TERM").expect(0);
    std::fs::copy(folder.join("ledger.key"), dest.join("ledger.key")).unwrap();
    let server = Serving::start(&dest);
    server.client(&worker).append(&noted("a", "x")).expect(201);
    drop(server);
    let keyless = dir.path().join("keyless");
    backup(&folder, &keyless).expect(0);
    on(&keyless, "recover", &[]).expect(0);
    let append = cli(["append", "-", "--data"]).arg(&keyless);
    append.run_with(noted("a", "x").to_string()).expect(0);
}

#[test]
fn a_backup_overwrites_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, dest) = (small_ledger(dir.path()), dir.path().join("backup"));
    backup(&folder, &dest).expect(0);
    let before: Value = on(&dest, "export", &[]).expect(0).stdout.into();
    backup(&folder, &dest).refused(1, &["backup", "holds a ledger already"]);
    backup(&folder, &folder).refused(1, &["holds a ledger already"]);
    assert_eq!(on(&dest, "export", &[]).expect(0).stdout, before);
    let tokens = dir.path().join("tokens");
    token(&tokens, "worker");
    backup(&folder, &tokens).refused(1, &["holds a ledger already"]);
    let nowhere = dir.path().join("nowhere");
    backup(&nowhere, &dir.path().join("new")).refused(2, &["nowhere"]);
    assert!(!nowhere.exists() && !dir.path().join("new").exists());
}

#[test]
fn a_backup_does_not_touch_the_files_of_one_that_runs() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, dest) = (small_ledger(dir.path()), dir.path().join("backup"));
    std::fs::create_dir(&dest).unwrap();
    std::fs::write(dest.join("log.db.partial"), "half").unwrap();
    let other = Folder::new(&dest).lock().unwrap();
    backup(&folder, &dest).refused(2, &["is in use"]);
    assert_eq!(std::fs::read_to_string(dest.join("log.db.partial")).unwrap(), "half");
    drop(other);
    backup(&folder, &dest).expect(0);
}

#[test]
fn a_backup_succeeds_over_the_files_of_an_interrupted_one() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, dest) = (small_ledger(dir.path()), dir.path().join("backup"));
    std::fs::create_dir(&dest).unwrap();
    std::fs::write(dest.join("log.db.partial"), "half").unwrap();
    backup(&folder, &dest).expect(0);
    assert_eq!(events_in(&dest).len(), 9);
    assert!(!dest.join("log.db.partial").exists());
}
