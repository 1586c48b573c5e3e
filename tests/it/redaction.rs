//! A redaction removes the data from every file and every answer, and changes nothing else.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::answers::{Read, all_reads, single_reads};
use crate::support::cli::{Serving, cli, on, token};
use crate::support::exports::exported;
use crate::support::redactions::{NAME, REDACTED_JOBS, files_with, lives, redacted, redactions};
use crate::support::{Client, Stream, noted, task_job};

/// Everything that a client can read of the log and its jobs, now and as of each position.
fn everything(client: &Client, head: u64) -> Vec<Read> {
    let mut reads = all_reads(client, &REDACTED_JOBS);
    for position in (1..=14).chain([head]) {
        reads.extend(single_reads(client, &REDACTED_JOBS, &format!("?as_of={position}")));
    }
    let diffs = REDACTED_JOBS.map(|job| format!("/ledger/jobs/{job}/diff?from=0&to={head}"));
    let events = (1..=head).map(|position| format!("/ledger/events/{position}"));
    let pages = ["/ledger/events?limit=100", "/ledger/events?limit=1000", "/ledger/jobs/t/events"].map(String::from);
    for path in diffs.into_iter().chain(events).chain(pages) {
        reads.push(crate::support::answers::read(client, path));
    }
    let exported = client.get_with("/ledger/events", &[("accept", "application/x-ndjson")]);
    reads.push(("ndjson".into(), exported.status, exported.text()));
    reads
}

/// The data that a tail after `after` sends, up to the event `last`.
fn tailed(client: &Client, after: u64, last: u64) -> String {
    let mut tail = client.tail(&format!("/ledger/events?after={after}"), &[]);
    let mut text = String::new();
    loop {
        let frame = tail.event();
        text.push_str(&frame.data);
        if frame.id == Some(last) {
            return text;
        }
    }
}

/// The numbers, words and ids that a job shows, without the texts that a redaction removes.
fn shape(read: &Read) -> Value {
    fn texts(value: &mut Value) {
        match value {
            Value::String(text) if text.contains(NAME) || text.starts_with("[redacted]") => *value = json!("…"),
            Value::Array(values) => values.iter_mut().for_each(texts),
            Value::Object(members) => members.values_mut().for_each(texts),
            _ => {}
        }
    }
    let mut value: Value = serde_json::from_str(&read.2).unwrap_or_default();
    // Members whose names the producer chose, and members that change with a redaction.
    for member in ["labels", "redactions", "position", "spec", "actions"] {
        value.as_object_mut().map(|members| members.remove(member));
    }
    texts(&mut value);
    value
}

#[track_caller]
fn same(now: &[Read], before: &[Read]) {
    let differs = now.iter().zip(before).find(|(now, before)| now != before);
    assert_eq!(differs, None);
    assert_eq!(now.len(), before.len());
}

/// A ledger in which every event of [`lives`] is redacted, and the answers from before the redactions.
struct RedactedLedger {
    dir: tempfile::TempDir,
    server: Serving,
    admin: Client,
    /// The jobs' reads from before the redactions, as of the head at that time.
    before: Vec<Read>,
    /// The receipt of each event, from before the redactions.
    receipts: Vec<String>,
    key: String,
    /// An open tail: the server keeps the frames of recent events for all tails while one is open.
    _watcher: Stream,
}

impl RedactedLedger {
    fn folder(&self) -> PathBuf {
        self.dir.path().join("ledger")
    }

    fn new() -> RedactedLedger {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("ledger");
        let server = Serving::start(&folder);
        let admin = server.client(&token(&folder, "admin"));
        admin.append(&json!(lives())).expect(201);
        // Other jobs, so that rows move between pages of the database, and so that a whole sheet of rendered events is cached.
        for n in 0..40 {
            admin
                .append(&json!([task_job(&format!("j{n}")), noted(&format!("j{n}"), &"x".repeat(50 * n))]))
                .expect(201);
        }
        // The tail fills the ring of frames, and each read fills the caches.
        let head = admin.head();
        let mut watcher = admin.tail("/ledger/events", &[]);
        admin.append(&noted("t", NAME)).expect(201);
        assert!(watcher.event().data.contains(NAME));
        assert!(tailed(&admin, 0, head).contains(NAME) && tailed(&admin, head, head + 1).contains(NAME));
        assert!(everything(&admin, 14).iter().any(|(.., body)| body.contains(NAME)));
        let before = single_reads(&admin, &REDACTED_JOBS, &format!("?as_of={head}"));
        let receipts = (1..=14).map(|n| admin.get(&format!("/ledger/events/{n}/proof")).expect(200).text()).collect();
        let key = on(&folder, "key show", &[]).expect(0).stdout.trim_end().to_owned();
        let mut all = redactions(0);
        all.push(redacted("t", head + 1));
        let answer = admin.append(&json!(all)).expect(201).json();
        assert_eq!(answer["events"].as_array().unwrap().len(), 15);
        RedactedLedger { dir, server, admin, before, receipts, key, _watcher: watcher }
    }
}

#[test]
fn redacted_data_is_in_no_byte_of_any_file_and_in_no_answer() {
    let redacted = RedactedLedger::new();
    let (folder, admin) = (redacted.folder(), &redacted.admin);
    assert_eq!(files_with(&folder, NAME), Vec::<PathBuf>::new(), "while the server runs");
    let head = admin.head();
    let reads = everything(admin, head);
    for (path, status, body) in &reads {
        assert!(!body.contains(NAME), "{path}: {body}");
        assert_ne!(*status, 500, "{path}");
    }
    // One tail reads from the log, and one from the ring of frames.
    assert!(!tailed(admin, 0, head).contains(NAME) && !tailed(admin, 94, head).contains(NAME));
    let event = admin.get("/ledger/events/1").expect(200).json();
    assert_eq!(event["data"], "[redacted]");
    // Copies that are made after the redaction lack the data too.
    let export = exported(&folder, &[]);
    assert!(!export.contains(NAME) && export.lines().nth(1).unwrap().ends_with(r#","salt":null,"data":null}"#));
    let backup = redacted.dir.path().join("backup");
    on(&folder, "backup", &[backup.to_str().unwrap()]).expect(0);
    assert_eq!(files_with(&backup, NAME), Vec::<PathBuf>::new());
    // Views that are rebuilt in the running server, at a restart, and from nothing give the same bytes.
    let (url, token) = (redacted.server.url.clone(), admin.token.clone().unwrap());
    cli(["rebuild", "--url", &url, "--token", &token]).run().expect(0);
    same(&everything(admin, head), &reads);
    assert_eq!(files_with(&folder, NAME), Vec::<PathBuf>::new());
    redacted.server.end("TERM").expect(0);
    assert_eq!(files_with(&folder, NAME), Vec::<PathBuf>::new(), "after the server ended");
    for change in ["nothing", "views.db"] {
        let _ = std::fs::remove_file(folder.join(change));
        let again = Serving::start(&folder);
        same(&everything(&redacted.admin.at(&again.url), head), &reads);
        assert_eq!(files_with(&folder, NAME), Vec::<PathBuf>::new());
        again.end("TERM").expect(0);
    }
}

#[test]
fn a_redaction_keeps_numbers_states_and_ids_and_shows_its_actor() {
    let redacted = RedactedLedger::new();
    let after = single_reads(&redacted.admin, &REDACTED_JOBS, "?as_of=94");
    assert_eq!(after.len(), redacted.before.len());
    for (before, after) in redacted.before.iter().zip(&after) {
        assert_eq!((before.1, shape(before)), (after.1, shape(after)), "{}", before.0);
    }
    let job = redacted.admin.get("/ledger/jobs/t").expect(200).json();
    assert_eq!((&job["message"], &job["current_step"]), (&json!("[redacted]"), &json!("[redacted]")));
    assert_eq!((&job["records_processed"], &job["total_records"]), (&json!(49), &json!(50)));
    assert_eq!(job["labels"], json!({"redacted-1": "[redacted]", "redacted-2": "[redacted]"}));
    assert_eq!(job["hook"], json!({"output": "[redacted][redacted]", "exit_code": 3, "execution_time_sec": 4}));
    let redactions = job["redactions"].as_array().unwrap();
    assert_eq!(redactions.len(), 9);
    assert_eq!(redactions[0]["position"], 1);
    assert_eq!(redactions[0]["reason"], "asked for by the person");
    assert!(redactions[0]["by"].is_string() && redactions[0]["at"].is_string());
    // A job without a redaction has no member `redactions`, and neither has a read as of an earlier moment.
    assert_eq!(redacted.admin.get("/ledger/jobs/j1").expect(200).json().get("redactions"), None);
    let then = redacted.admin.get("/ledger/jobs/t?as_of=7").expect(200).json();
    assert_eq!((then.get("redactions"), &then["message"]), (None, &json!("[redacted]")));
    let rule = redacted.admin.get("/ledger/jobs/r").expect(200).json();
    let kept = json!({"id": "[redacted]", "type": "grant", "permissions": ["read"], "version": 3, "enabled": true, "matchParams": null});
    assert_eq!(rule["spec"]["actions"][0], json!({"id": "one", "type": "update", "priority": 7, "rule": kept}));
    assert_eq!(rule["cancelled"]["reason"], "[redacted]");
    redacted.server.end("TERM").expect(0);
}

#[test]
fn proofs_from_before_and_the_whole_log_verify() {
    let RedactedLedger { dir, server, receipts, key, .. } = RedactedLedger::new();
    let folder = dir.path().join("ledger");
    for receipt in &receipts {
        let path = dir.path().join("receipt");
        std::fs::write(&path, receipt).unwrap();
        cli(["verify", "receipt"]).arg(&path).args(["--vkey", &key]).run().expect(0);
    }
    server.end("TERM").expect(0);
    let done = cli(["verify", "db"]).arg(&folder).args(["--vkey", &key]).run().expect(0);
    assert!(done.stdout.contains("the data of 15 events, each by a recorded redaction"), "{}", done.stdout);
    assert!(done.stdout.contains("administrators"), "what a log cannot tell is said: {}", done.stdout);
    let export = dir.path().join("export.ndjson");
    std::fs::write(&export, exported(&folder, &[])).unwrap();
    cli(["verify", "export"]).arg(&export).args(["--vkey", &key]).run().expect(7);
}
