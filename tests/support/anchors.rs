//! Ledgers with an anchor, and what befalls them.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use serde_json::{Value, json};

use super::audit::checkpoints;
use super::cli::{Serving, cli, on};
use super::exports::{append_to, small_ledger};
use super::insider::{copy_files, open};
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

/// A worker of this server. Its token has a name of its own: one that is an actor in the log is taken for ever.
#[track_caller]
pub fn worker(server: &Serving, folder: &Path) -> Client {
    let name = format!("worker-{}", uuid::Uuid::new_v4());
    let token = on(folder, "token create", &["--name", &name, "--role", "worker"]).expect(0).stdout;
    server.client(token.trim_end())
}

/// What an anchor holds.
#[track_caller]
pub fn held(anchor: &Path) -> String {
    fs::read_to_string(anchor.join("checkpoint")).unwrap()
}

/// The newest checkpoint in the folder's log.
pub fn newest(folder: &Path) -> String {
    checkpoints(&Connection::open(folder.join("log.db")).unwrap()).pop().unwrap().1
}

/// A copy of the log as it is now.
#[track_caller]
pub fn copied(folder: &Path, name: &str) -> PathBuf {
    let copy = folder.with_file_name(name);
    on(folder, "backup", &[copy.to_str().unwrap()]).expect(0);
    copy.join("log.db")
}

/// Puts a copy of the log back, and nothing else.
pub fn put_back(folder: &Path, log: &Path) {
    for old in ["log.db-wal", "log.db-shm"] {
        let _ = fs::remove_file(folder.join(old));
    }
    fs::copy(log, folder.join("log.db")).unwrap();
}

/// A clone of the folder, key and all, but for its anchor.
pub fn clone(folder: &Path, name: &str) -> PathBuf {
    let clone = folder.with_file_name(name);
    fs::create_dir(&clone).unwrap();
    copy_files(folder, &clone);
    clone
}

/// Cuts the log's end off, nodes and checkpoints too, so that what is left of [`ledger`], 10 events, is in accordance with itself.
pub fn cut(folder: &Path) {
    let conn = open(folder);
    let cut = "DELETE FROM event WHERE position >= 10; DELETE FROM node WHERE number >= 18; \
               DELETE FROM checkpoint WHERE size > 10";
    conn.execute_batch(cut).unwrap();
}

/// A server on the folder takes no writes and says why, everywhere, with each of `words`; reads go on, and the anchor stays.
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

/// The server takes no writes, and says why with each of `words`.
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

/// Waits until the server is ready: its views may still be under way.
#[track_caller]
pub fn is_ready(client: &Client) {
    until("the server is ready", || client.get("/readyz").status == 200);
}

/// Whether the server is not ready, and says so in these words.
pub fn not_ready(client: &Client, words: &str) -> bool {
    let answer = client.get("/readyz");
    answer.status == 503 && answer.text().contains(words)
}

/// The server takes writes, and the anchor follows.
#[track_caller]
pub fn takes_writes(folder: &Path, anchor: &Path) {
    let server = serve(folder, anchor);
    let worker = worker(&server, folder);
    worker.append(&noted("a", "on")).expect(201);
    is_ready(&worker);
    server.end("TERM").expect(0);
    assert_eq!(held(anchor), newest(folder));
}

/// Continues the log; answers what its event says of the log before.
#[track_caller]
pub fn recovered(folder: &Path, anchor: &Path) -> Value {
    on(folder, "recover", &["--anchor", anchor.to_str().unwrap()]).expect(0);
    assert_eq!(held(anchor), newest(folder));
    let conn = Connection::open(folder.join("log.db")).unwrap();
    let sql = "SELECT data FROM event WHERE type = 'ledger.continued' ORDER BY position DESC LIMIT 1";
    let data: Vec<u8> = conn.query_row(sql, [], |row| row.get(0)).unwrap();
    serde_json::from_slice::<Value>(&data).unwrap()["previous"].take()
}

/// The notes that were kept beside the anchor when a log was continued.
pub fn kept(anchor: &Path) -> Vec<String> {
    let files = fs::read_dir(anchor).unwrap().map(|file| file.unwrap().path());
    let kept = files.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("checkpoint.before-"));
    kept.map(|path| fs::read_to_string(path).unwrap()).collect()
}

/// What `jobledger verify db` says of the folder and the anchor in it, when its first key is pinned.
#[track_caller]
pub fn verified(folder: &Path, more: &[&str]) -> (i32, Value) {
    let key = on(folder, "key show", &[]).expect(0).stdout;
    let done = cli(["verify", "db", "--json", "--vkey", key.lines().next().unwrap()]).arg(folder).args(more).run();
    let report = done.json_lines().pop().unwrap_or(json!(null));
    (done.code, report["report"].clone())
}
