//! The folders in which `serve` starts a new ledger, and those in which it refuses because there was one.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::Path;

use crate::support::cli::{Done, Serving, cli, on, token};
use crate::support::exports::{append_to, small_ledger};
use crate::support::noted;

/// Every file below the folder with its bytes, without the files that SQLite makes beside `access.db` when it reads the tokens.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if entry.path().is_dir() {
            files.extend(contents(&entry.path()).into_iter().map(|(below, bytes)| (format!("{name}/{below}"), bytes)));
        } else if !name.starts_with("access.db-") {
            files.insert(name, fs::read(entry.path()).unwrap_or_default());
        }
    }
    files
}

fn serve(folder: &Path, more: &[&str]) -> Done {
    on(folder, "serve", &[&["--listen", "127.0.0.1:0"], more].concat())
}

/// Checks that a start is refused with `words` and changes no file.
#[track_caller]
fn refuses(folder: &Path, more: &[&str], words: &[&str]) {
    let before = contents(folder);
    serve(folder, more).refused(2, words);
    assert_eq!(contents(folder).keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
    assert!(contents(folder) == before, "a file has changed");
}

fn remove(folder: &Path, names: &[&str]) {
    for name in names {
        let path = folder.join(name);
        let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    }
}

const LOG: [&str; 3] = ["log.db", "log.db-wal", "log.db-shm"];
const VIEWS: [&str; 3] = ["views.db", "views.db-wal", "views.db-shm"];

/// The name of the ledger, as its genesis event has it.
fn origin(folder: &Path) -> String {
    let key = on(folder, "key show", &[]).expect(0).stdout;
    key.split('+').next().unwrap().to_owned()
}

#[test]
fn a_folder_without_its_log_is_refused_if_any_file_of_a_ledger_remains() {
    let cases: [(&[&str], &[&str]); 5] = [
        (&[], &["`ledger.key`", "`views.db`", "`anchor/checkpoint`", "`access.db`"]),
        (&["anchor"], &["`ledger.key`"]),
        (&["ledger.key", "anchor"], &["`views.db`"]),
        (&["ledger.key", "views.db", "views.db-wal", "views.db-shm"], &["`anchor/checkpoint`"]),
        (&["views.db", "views.db-wal", "views.db-shm", "anchor", "access.db"], &["`ledger.key`"]),
    ];
    for (also, found) in cases {
        let dir = tempfile::tempdir().unwrap();
        let folder = small_ledger(dir.path());
        token(&folder, "worker");
        remove(&folder, &LOG);
        remove(&folder, also);
        remove(&folder, &["lock"]);
        let words = [found, &["has no log", "jobledger import", "--new-ledger"]].concat();
        refuses(&folder, &[], &words);
        refuses(&folder, &["--create"], &words);
        let append = cli(["append", "-", "--data"]).arg(&folder);
        append.run_with(noted("a", "x").to_string()).refused(2, found);
        assert!(!folder.join("log.db").exists() && !folder.join("lock").exists());
    }
}

#[test]
fn an_emptied_log_and_a_wal_without_a_log_are_no_new_ledger() {
    let dir = tempfile::tempdir().unwrap();
    let folder = small_ledger(dir.path());
    fs::write(folder.join("log.db"), []).unwrap();
    serve(&folder, &[]).refused(2, &["`ledger.key`", "has no log"]);
    // SQLite would delete the WAL of a file that is empty or missing.
    remove(&folder, &["ledger.key", "anchor"]);
    remove(&folder, &[&LOG[..], &VIEWS].concat());
    fs::write(folder.join("log.db-wal"), "the newest events").unwrap();
    refuses(&folder, &[], &["`log.db-wal`"]);
    fs::write(folder.join("log.db"), []).unwrap();
    refuses(&folder, &[], &["`log.db-wal`"]);
}

#[test]
fn a_log_that_is_a_link_to_nothing_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let volume = dir.path().join("volume");
    std::os::unix::fs::symlink(volume.join("log.db"), dir.path().join("log.db")).unwrap();
    fs::create_dir(&volume).unwrap();
    refuses(dir.path(), &["--create"], &["log.db", "is a link to a file that is not there"]);
    refuses(dir.path(), &["--new-ledger"], &["is a link to a file that is not there"]);
}

#[test]
fn an_anchor_in_another_folder_prevents_a_second_ledger() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, anchor) = (small_ledger(dir.path()), dir.path().join("elsewhere"));
    fs::rename(folder.join("anchor"), &anchor).unwrap();
    fs::remove_dir_all(&folder).unwrap();
    let at = ["--anchor", anchor.to_str().unwrap()];
    serve(&folder, &[&at[..], &["--create"]].concat()).refused(2, &["has no log", "elsewhere/checkpoint"]);
    let held = fs::read(anchor.join("checkpoint")).unwrap();
    let serve = cli(["serve", "--listen", "127.0.0.1:0", "--new-ledger"]).args(at).arg("--data").arg(&folder);
    let done = Serving::of(serve).end("TERM").expect(0);
    assert!(done.stderr.contains("checkpoint.before-"), "{}", done.stderr);
    let kept = contents(&anchor).into_iter().find(|(name, _)| name.starts_with("checkpoint.before-")).unwrap();
    assert!(kept.1 == held && fs::read(anchor.join("checkpoint")).unwrap() != held);
}

#[test]
fn a_new_ledger_in_an_old_folder_has_another_name_and_key_and_keeps_the_old_files() {
    let dir = tempfile::tempdir().unwrap();
    let folder = small_ledger(dir.path());
    let (name, worker) = (origin(&folder), token(&folder, "worker"));
    refuses(&folder, &["--new-ledger"], &["has a log", "leave the option out"]);
    let key = fs::read(folder.join("ledger.key")).unwrap();
    let held = fs::read(folder.join("anchor/checkpoint")).unwrap();
    remove(&folder, &LOG);
    let serve = || cli(["serve", "--listen", "127.0.0.1:0", "--new-ledger", "--data"]).arg(&folder);
    let server = Serving::of(serve());
    // The tokens are still good.
    server.client(&worker).append(&crate::support::task_job("a")).expect(201);
    let done = server.end("TERM").expect(0);
    let other = origin(&folder);
    assert_ne!(other, name);
    assert!(done.stderr.contains("new ledger") && done.stderr.contains(&other), "{}", done.stderr);
    let files = contents(&folder);
    let kept = |start: &str| files.iter().find(|(name, _)| name.starts_with(start)).map(|(_, bytes)| bytes.clone());
    assert_eq!(kept("ledger.key.before-"), Some(key));
    assert_eq!(kept("anchor/checkpoint.before-"), Some(held));
    assert!(kept("views.db.before-").is_some(), "{:?}", files.keys());
    let key = on(&folder, "key show", &[]).expect(0).stdout;
    cli(["verify", "db", "--vkey", key.trim_end()]).arg(&folder).run().expect(0);
    // The next start finds a log.
    serve().run().refused(2, &["has a log"]);
    Serving::start(&folder).end("TERM").expect(0);
}

#[test]
fn a_missing_folder_is_made_only_with_the_option_create() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("typo");
    for more in [&[][..], &["--new-ledger"]] {
        serve(&folder, more).refused(2, &["no folder", "typo", "--create"]);
    }
    let append = cli(["append", "-", "--data"]).arg(&folder);
    append.run_with(noted("a", "x").to_string()).refused(2, &["no folder", "--create"]);
    assert!(!folder.exists());
    let server = Serving::of(cli(["serve", "--create", "--listen", "127.0.0.1:0", "--data"]).arg(&folder));
    let done = server.end("TERM").expect(0);
    let key = on(&folder, "key show", &[]).expect(0).stdout;
    for word in ["new ledger", &origin(&folder), key.trim_end()] {
        assert!(done.stderr.contains(word), "expected {word:?} in: {}", done.stderr);
    }
    // The next start finds it, and says nothing of a new one.
    let server = Serving::of(cli(["serve", "--create", "--listen", "127.0.0.1:0", "--data"]).arg(&folder));
    let done = server.end("TERM").expect(0);
    assert!(!done.stderr.contains("new ledger"), "{}", done.stderr);
}

#[test]
fn a_ledger_starts_among_files_of_something_else_only_with_the_option_create() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("holiday.jpg"), "x").unwrap();
    refuses(dir.path(), &[], &["files of something else", "`holiday.jpg`", "--create"]);
    let append = cli(["append", "-", "--data"]).arg(dir.path());
    append.run_with(noted("a", "x").to_string()).refused(2, &["holiday.jpg"]);
    assert_eq!(contents(dir.path()).len(), 1);
    Serving::start(dir.path()).end("TERM").expect(0);
    // From then on it is a ledger's folder.
    Serving::of(cli(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(dir.path())).end("TERM").expect(0);
}

#[test]
fn an_empty_folder_a_folder_with_tokens_and_a_fresh_volume_take_a_new_ledger() {
    for prepare in [
        (|_| ()) as fn(&Path),
        |folder| drop(token(folder, "worker")),
        |folder| fs::create_dir(folder.join("lost+found")).unwrap(),
        // The files after a power loss during a start, before the first event was durable.
        |folder| fs::write(folder.join("ledger.key.new"), "half a k").unwrap(),
        |folder| fs::write(folder.join("log.db"), []).unwrap(),
    ] {
        let dir = tempfile::tempdir().unwrap();
        prepare(dir.path());
        let serve = cli(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(dir.path());
        let done = Serving::of(serve).end("TERM").expect(0);
        assert!(done.stderr.contains("new ledger"), "{}", done.stderr);
        append_to(dir.path(), &crate::support::task_job("a"), &[]);
    }
}

#[test]
fn a_start_on_a_taken_address_makes_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = dir.path().join("data");
    on(&folder, "serve", &["--create", "--listen", &address]).refused(2, &["cannot listen on", &address]);
    on(dir.path(), "serve", &["--listen", &address]).refused(2, &["cannot listen on", &address]);
    assert!(contents(dir.path()).is_empty());
}

#[test]
fn tokens_that_cannot_be_read_stop_a_start_before_it_makes_a_ledger() {
    let dir = tempfile::tempdir().unwrap();
    token(dir.path(), "worker");
    let access = rusqlite::Connection::open(dir.path().join("access.db")).unwrap();
    access.pragma_update(None, "user_version", 99).unwrap();
    drop(access);
    serve(dir.path(), &[]).refused(2, &["access.db has version 99"]);
    assert!(!dir.path().join("log.db").exists() && !dir.path().join("ledger.key").exists());
}
