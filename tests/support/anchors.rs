//! Ledgers with an anchor: copied, cut, put back, continued, and served.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use serde_json::{Value, json};

use super::audit::checkpoints;
use super::cli::{Serving, cli, on};
use super::exports::{append_to, small_ledger};
use super::insider::{copy_files, open};
use super::rows::FOLLOW_THE_CUT;
use super::wait::until;
use super::{Client, noted};

/// A ledger of 11 events in `dir`, with its anchor in its folder; the last two events were commits of their own.
pub fn ledger(dir: &Path) -> PathBuf {
    let folder = small_ledger(dir);
    append_to(&folder, &noted("a", "nine"), &[]);
    append_to(&folder, &noted("a", "ten"), &[]);
    folder
}

/// `jobledger serve` with its anchor in `anchor`.
#[track_caller]
pub fn serve(folder: &Path, anchor: &Path) -> Serving {
    Serving::of(cli(["serve", "--create", "--listen", "127.0.0.1:0", "--data"]).arg(folder).arg("--anchor").arg(anchor))
}

/// A client of this server with a fresh worker's token. Each token has a new name, because the log keeps an actor's name for ever.
#[track_caller]
pub fn worker(server: &Serving, folder: &Path) -> Client {
    let name = format!("worker-{}", uuid::Uuid::new_v4());
    let token = on(folder, "token create", &["--name", &name, "--role", "worker"]).expect(0).stdout;
    server.client(token.trim_end())
}

/// The checkpoint in an anchor.
#[track_caller]
pub fn held(anchor: &Path) -> String {
    fs::read_to_string(anchor.join("checkpoint")).unwrap()
}

/// The newest checkpoint in the folder's log.
pub fn newest(folder: &Path) -> String {
    checkpoints(&Connection::open(folder.join("log.db")).unwrap()).pop().unwrap().1
}

/// Makes a backup of the folder in the folder `name` beside it. Returns the path of the backup's log.
#[track_caller]
pub fn copied(folder: &Path, name: &str) -> PathBuf {
    let copy = folder.with_file_name(name);
    on(folder, "backup", &[copy.to_str().unwrap()]).expect(0);
    copy.join("log.db")
}

/// Replaces the folder's log and WAL by the copy `log`. The anchor and the other files stay.
pub fn put_back(folder: &Path, log: &Path) {
    for old in ["log.db-wal", "log.db-shm"] {
        let _ = fs::remove_file(folder.join(old));
    }
    fs::copy(log, folder.join("log.db")).unwrap();
}

/// A copy of the folder with its key, without its anchor.
pub fn clone(folder: &Path, name: &str) -> PathBuf {
    let clone = folder.with_file_name(name);
    fs::create_dir(&clone).unwrap();
    copy_files(folder, &clone);
    clone
}

/// Cuts the newest event off the log of [`ledger`], with its nodes and checkpoints. The 10 events that stay are a consistent log.
pub fn cut(folder: &Path) {
    let conn = open(folder);
    let cut = "DELETE FROM event WHERE position >= 10; DELETE FROM node WHERE number >= 18; \
               DELETE FROM checkpoint WHERE size > 10";
    conn.execute_batch(cut).unwrap();
    conn.execute_batch(FOLLOW_THE_CUT).unwrap();
}

/// Checks that a server on the folder refuses writes and gives each of `words` as the reason, in answers and on stderr. Reads must
/// succeed, commands that write must fail, and the anchor must stay unchanged.
#[track_caller]
pub fn refuses(folder: &Path, anchor: &Path, words: &[&str]) {
    let before = fs::read(anchor.join("checkpoint")).ok();
    let server = serve(folder, anchor);
    let worker = worker(&server, folder);
    refused(&worker, words);
    worker.get("/ledger/jobs/a").expect(200);
    let told = server.end("TERM").expect(0).stderr;
    assert!(words.iter().all(|word| told.contains(word)), "{told}");
    let anchor = anchor.to_str().unwrap();
    let append = cli(["append", "-", "--anchor", anchor, "--data"]).arg(folder);
    append.run_with(noted("a", "x").to_string()).refused(1, words);
    on(folder, "key rotate", &["--anchor", anchor]).refused(1, &["read-only"]);
    assert_eq!(fs::read(Path::new(anchor).join("checkpoint")).ok(), before);
}

/// Checks that the server refuses an append, and that the answer and `/readyz` give each of `words` as the reason.
#[track_caller]
pub fn refused(worker: &Client, words: &[&str]) {
    let answer = worker.append(&noted("a", "x")).expect(503).json();
    assert_eq!(answer["code"], "read-only");
    let ready = worker.get("/readyz").expect(503).json();
    assert_eq!(ready["code"], "read-only");
    for word in words {
        assert!(answer["detail"].as_str().unwrap().contains(word), "{word}: {answer}");
        assert!(ready["reasons"][0].as_str().unwrap().contains(word), "{word}: {ready}");
    }
}

/// Waits until the server is ready: the projector may still be behind the log.
#[track_caller]
pub fn is_ready(client: &Client) {
    until("the server is ready", || client.get("/readyz").status == 200);
}

/// Whether the server is not ready, and gives `words` as the reason.
pub fn not_ready(client: &Client, words: &str) -> bool {
    let answer = client.get("/readyz");
    answer.status == 503 && answer.text().contains(words)
}

/// Checks that a server on the folder accepts an append, and that the anchor then has the newest checkpoint.
#[track_caller]
pub fn takes_writes(folder: &Path, anchor: &Path) {
    let server = serve(folder, anchor);
    let worker = worker(&server, folder);
    worker.append(&noted("a", "on")).expect(201);
    is_ready(&worker);
    server.end("TERM").expect(0);
    assert_eq!(held(anchor), newest(folder));
}

/// Runs `jobledger recover`. Returns what the event `ledger.continued` says of the log before.
#[track_caller]
pub fn recovered(folder: &Path, anchor: &Path) -> Value {
    on(folder, "recover", &["--anchor", anchor.to_str().unwrap()]).expect(0);
    assert_eq!(held(anchor), newest(folder));
    let conn = Connection::open(folder.join("log.db")).unwrap();
    let sql = "SELECT data FROM event WHERE type = 'ledger.continued' ORDER BY position DESC LIMIT 1";
    let data: Vec<u8> = conn.query_row(sql, [], |row| row.get(0)).unwrap();
    serde_json::from_slice::<Value>(&data).unwrap()["previous"].take()
}

/// The older checkpoints that `recover` kept beside the anchor.
pub fn kept(anchor: &Path) -> Vec<String> {
    let files = fs::read_dir(anchor).unwrap().map(|file| file.unwrap().path());
    let kept = files.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("checkpoint.before-"));
    kept.map(|path| fs::read_to_string(path).unwrap()).collect()
}

/// The exit code and the report of `jobledger verify db`, with the first key of `key show` pinned.
#[track_caller]
pub fn verified(folder: &Path, more: &[&str]) -> (i32, Value) {
    let key = on(folder, "key show", &[]).expect(0).stdout;
    let done = cli(["verify", "db", "--json", "--vkey", key.lines().next().unwrap()]).arg(folder).args(more).run();
    let report = done.json_lines().pop().unwrap_or(json!(null));
    (done.code, report["report"].clone())
}
