//! Damaged, foreign and missing files: the projector makes the views again, and the ledger does not touch a file that is not its log.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use jobledger::access::Role;
use jobledger::http::HttpOptions;
use jobledger::ledger::{Folder, FolderError, OpenError, Options};
use jobledger::log;
use jobledger::server::{Server, StartError};
use jobledger::sqlite::ErrorKind;
use rusqlite::Connection;
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use crate::support::answers::{Read, all_reads};
use crate::support::cli::{Serving, cli, on};
use crate::support::{
    Client, HandClock, TestServer, completed, event, noted, output, processed, result, role_job, rule_job, started,
    task_job,
};

const ROLES: &str = "67d7d053-3caf-430e-97ba-6d4933d3fd5b";
const JOBS: [&str; 4] = [ROLES, "task", "rule", "job-40"];

/// Jobs of all kinds, enough of them that the views have many pages.
fn fill(admin: &Client) {
    let mut events = vec![role_job(ROLES), task_job("task"), rule_job("rule", &["one", "two"])];
    events.extend([started(ROLES), started("task"), started("rule")]);
    events.extend((0..300).map(|n| task_job(&format!("job-{n}"))));
    events.extend([result(ROLES, "hoop_ro", "completed"), processed("task", 7), result("rule", "one", "completed")]);
    events.extend([output("task", &"x".repeat(9000)), noted("rule", "a remark"), completed(ROLES)]);
    admin.append(&json!(events)).expect(201);
}

/// A stopped ledger, and the answers that it gave.
fn answered() -> (TestServer, Client, Vec<Read>) {
    // The clock stands still, because `elapsed_ms` of a running job is part of the answers.
    let mut server = TestServer::start_with(HandClock::new().clock());
    let admin = server.client(Role::Admin);
    fill(&admin);
    let reads = all_reads(&admin, &JOBS);
    server.stop();
    (server, admin, reads)
}

/// Overwrites bytes in place: the file keeps its length.
fn scribble(path: &Path, from: usize, to: usize) {
    let mut bytes = fs::read(path).unwrap();
    let to = to.min(bytes.len());
    bytes[from..to].fill(0xa5);
    fs::write(path, bytes).unwrap();
}

/// Reads until every answer is `expected`. Until then a read may only say that the views are being made again.
fn comes_back(admin: &Client, expected: &[Read]) {
    loop {
        let reads = all_reads(admin, &JOBS);
        let wrong: Vec<_> = reads.iter().zip(expected).filter(|(read, expected)| read != expected).collect();
        if wrong.is_empty() {
            return;
        }
        for (read, _) in wrong {
            assert_eq!(read.1, 503, "{read:?}");
        }
    }
}

#[test]
fn unusable_views_are_made_again_at_the_start() {
    let (mut server, admin, expected) = answered();
    let (other, _, _) = answered();
    let views = server.path().join("views.db");
    let foreign = fs::read(other.path().join("views.db")).unwrap();
    let sql = |statement: &str| Connection::open(&views).unwrap().execute_batch(statement).unwrap();
    let damages: [(&str, &dyn Fn()); 11] = [
        ("missing", &|| fs::remove_file(&views).unwrap()),
        ("empty", &|| fs::write(&views, b"").unwrap()),
        ("no database", &|| fs::write(&views, b"views, they said").unwrap()),
        ("cut", &|| {
            let bytes = fs::read(&views).unwrap();
            fs::write(&views, &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("its head overwritten", &|| scribble(&views, 0, 4096)),
        ("all but its head overwritten", &|| scribble(&views, 4096, usize::MAX)),
        ("of another ledger", &|| fs::write(&views, &foreign).unwrap()),
        ("of another shape", &|| sql("PRAGMA user_version = 99")),
        ("some other database", &|| {
            fs::remove_file(&views).unwrap();
            sql("CREATE TABLE t (a)");
        }),
        ("beyond the log", &|| sql("UPDATE position SET position = 1000000")),
        ("without a table", &|| sql("DROP TABLE note")),
    ];
    for (what, damage) in damages {
        damage();
        server.restart();
        eprintln!("views: {what}");
        comes_back(&admin.at(&server.url), &expected);
        server.stop();
    }
}

#[test]
fn leftovers_of_an_interrupted_rebuild_do_not_matter() {
    let (mut server, admin, expected) = answered();
    let leftovers = ["views.db.new", "views.db.remade"].map(|name| server.path().join(name));
    leftovers.iter().for_each(|path| fs::write(path, b"half of something").unwrap());
    fs::remove_file(server.path().join("views.db")).unwrap();
    server.restart();
    comes_back(&admin.at(&server.url), &expected);
    assert!(leftovers.iter().all(|path| !path.exists()));
}

#[test]
fn views_that_are_overwritten_while_they_are_used_come_back() {
    come_back_while_used(|views| scribble_in_place(views, 4096));
}

#[test]
fn views_that_are_cut_while_they_are_used_come_back() {
    come_back_while_used(|views| fs::OpenOptions::new().write(true).open(views).unwrap().set_len(4096).unwrap());
}

fn come_back_while_used(damage: impl Fn(&Path)) {
    let (mut server, admin, mut expected) = answered();
    server.restart();
    let admin = admin.at(&server.url);
    comes_back(&admin, &expected);
    let views = server.path().join("views.db");
    let inode = fs::metadata(&views).unwrap().ino();
    damage(&views);
    // New views of the log as it is then: a change makes every connection look at the file again.
    let append = || admin.append(&event("job.progress", "task", json!({"message": "still here"}))).expect(201);
    append();
    expected = loop {
        let reads = all_reads(&admin, &JOBS);
        if reads.iter().all(|read| read.1 != 503) {
            break reads;
        }
    };
    // The views give the same answers as the log alone.
    for (path, status, body) in
        expected.iter().filter(|read| JOBS.iter().any(|job| read.0.contains(&format!("/{job}"))))
    {
        let from_the_log = admin.get(&format!("{path}?as_of=313"));
        assert_eq!((from_the_log.status, from_the_log.text()), (*status, body.clone()), "{path}");
    }
    assert!(expected.iter().any(|read| read.2.contains("still here")));
    // And all of them do: what was made again is whole, in a file of its own.
    assert_ne!(fs::metadata(&views).unwrap().ino(), inode);
    server.restart();
    comes_back(&admin.at(&server.url), &expected);
}

/// Overwrites the file that the server has open, from `from` to its end, as another program might.
fn scribble_in_place(path: &Path, from: u64) {
    use std::io::{Seek, SeekFrom, Write};
    let mut file = fs::OpenOptions::new().write(true).open(path).unwrap();
    let len = file.metadata().unwrap().len();
    file.seek(SeekFrom::Start(from)).unwrap();
    file.write_all(&vec![0xa5; (len - from) as usize]).unwrap();
}

#[test]
fn views_that_are_deleted_while_they_are_used_come_back() {
    let (mut server, admin, expected) = answered();
    server.restart();
    let admin = admin.at(&server.url);
    for name in ["views.db", "views.db-wal", "views.db-shm"] {
        let _ = fs::remove_file(server.path().join(name));
    }
    // Several reads at once, so that some use a new connection.
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| comes_back(&admin, &expected));
        }
    });
    admin.append(&noted("task", "still here")).expect(201);
    assert!(admin.get("/ledger/jobs/task").expect(200).text().contains("still here"));
}

/// Why a server does not start on the folder.
fn start_error(path: impl Into<PathBuf>) -> StartError {
    let started = Server::open(Folder::new(path), Options::default(), HttpOptions::default(), watch::channel(false).1);
    started.err().expect("a refusal")
}

fn log_error(error: StartError) -> log::Error {
    match error {
        StartError::Ledger(OpenError::Log(error)) => error,
        other => panic!("{other:?}"),
    }
}

fn hash(path: &Path) -> Vec<u8> {
    Sha256::digest(fs::read(path).unwrap()).to_vec()
}

#[test]
fn a_log_of_a_newer_format_is_not_touched() {
    let (mut server, admin, expected) = answered();
    let path = server.path().join("log.db");
    let newer = log::NODE_FORMAT + 1;
    let mark = |format: i64| Connection::open(&path).unwrap().pragma_update(None, "user_version", format).unwrap();
    mark(newer);
    let before = hash(&path);
    let error = log_error(start_error(server.path()));
    assert!(matches!(error, log::Error::Newer { found, known: log::NODE_FORMAT, .. } if found == newer), "{error:?}");
    let text = error.to_string();
    let says = [&format!("format {newer}"), "use the newer jobledger", "log.db"];
    assert!(says.iter().all(|part| text.contains(part)), "{text}");
    assert_eq!(hash(&path), before);
    // Under the program that knows it, everything is there.
    mark(log::FORMAT);
    server.restart();
    comes_back(&admin.at(&server.url), &expected);
}

#[test]
fn the_ledger_does_not_touch_a_file_that_is_not_a_log() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log.db");
    Connection::open(&log).unwrap().execute_batch("CREATE TABLE t (a); INSERT INTO t VALUES (1)").unwrap();
    let before = hash(&log);
    let error = log_error(start_error(dir.path()));
    assert!(matches!(&error, log::Error::NotALog(path) if *path == log), "{error:?}");
    assert_eq!(hash(&log), before);

    fs::write(&log, "no database at all, and long enough to be looked at. ".repeat(100)).unwrap();
    let before = hash(&log);
    let error = log_error(start_error(dir.path()));
    assert!(error.is(ErrorKind::Damaged) && error.to_string().contains("log.db"), "{error:?}");
    assert_eq!(hash(&log), before);
    // The ledger made no file beside it either.
    assert!(!dir.path().join("ledger.key").exists() && !dir.path().join("views.db").exists());
}

#[test]
fn a_second_server_on_the_folder_does_not_start() {
    let mut server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&task_job("a")).expect(201);
    match start_error(server.path()) {
        StartError::Ledger(OpenError::Folder(FolderError::InUse(path))) => assert_eq!(path, server.path()),
        other => panic!("{other:?}"),
    }
    worker.append(&noted("a", "2")).expect(201);
    // The folder is free as soon as the first has stopped.
    server.restart();
    assert_eq!(worker.at(&server.url).positions(""), [1, 2]);
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), b"").unwrap();
    // No user can make a folder below a file, not even root.
    let below = dir.path().join("file").join("data");
    match start_error(&below) {
        StartError::Ledger(OpenError::Folder(error @ FolderError::Unwritable { .. })) => {
            assert!(error.to_string().contains(&below.display().to_string()), "{error}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn damaged_tokens_and_webhooks_are_refused_with_what_to_do_next() {
    let dir = tempfile::tempdir().unwrap();
    drop(Serving::start(dir.path()));
    on(dir.path(), "token create", &["--name", "admin", "--role", "admin"]).expect(0);
    on(dir.path(), "webhook add", &["https://receiver.example/"]).expect(0);
    for (file, list, next) in [
        ("webhooks.db", "webhook list", "add the webhooks again"),
        ("access.db", "token list", "then make the tokens again"),
    ] {
        let whole = fs::read(dir.path().join(file)).unwrap();
        scribble(&dir.path().join(file), 0, 4096);
        let told = [file, "is damaged; stop the server", "from a backup", next];
        on(dir.path(), list, &[]).refused(2, &told);
        cli(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(dir.path()).run().refused(2, &told);
        fs::write(dir.path().join(file), whole).unwrap();
    }
    drop(Serving::start(dir.path()));
}
