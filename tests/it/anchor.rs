//! The anchor: the newest checkpoint outside the database. The server compares the log with it at the start and while it runs.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use jobledger::access::Role;
use jobledger::ledger::Options;
use rusqlite::Connection;
use serde_json::json;

use crate::support::anchors::{
    clone, copied, cut, held, is_ready, ledger, newest, not_ready, put_back, refused, refuses, serve, takes_writes,
    verified, worker,
};
use crate::support::cli::{Serving, cli, on, token};
use crate::support::exports::append_to;
use crate::support::rows::into_first_format;
use crate::support::wait::until;
use crate::support::{Client, Gate, TestServer, noted, task_job};

fn sample(client: &Client, name: &str) -> Option<u64> {
    let text = client.get("/metrics").expect(200).text();
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

#[test]
fn the_anchor_follows_the_newest_checkpoint_and_has_it_when_the_server_ends() {
    let dir = tempfile::tempdir().unwrap();
    let (data, anchor) = (dir.path().join("data"), dir.path().join("anchor"));
    let server = serve(&data, &anchor);
    let worker = worker(&server, &data);
    let auditor = server.client(&token(&data, "auditor"));
    assert_eq!(held(&anchor), worker.get("/ledger/checkpoint").expect(200).text(), "from the first moment on");
    for batch in [json!([task_job("a")]), json!([noted("a", "1"), noted("a", "2")])] {
        worker.append(&batch).expect(201);
        let newest = worker.get("/ledger/checkpoint").expect(200).text();
        until("the anchor follows", || held(&anchor) == newest);
    }
    until("the metrics follow", || sample(&auditor, "jobledger_anchor_size") == Some(4));
    assert_eq!(sample(&auditor, "jobledger_anchor_lag_events"), Some(0));
    assert_eq!(sample(&auditor, "jobledger_anchor_failures_total"), Some(0));
    for n in 0..20 {
        worker.append(&noted("a", &n.to_string())).expect(201);
    }
    server.end("TERM").expect(0);
    assert!(held(&anchor).split('\n').nth(1) == Some("24") && held(&anchor) == newest(&data));
    assert!(!data.join("anchor").exists());
}

#[test]
fn the_folder_of_the_anchor_may_stand_in_the_environment_or_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let (data, events) = (dir.path().join("data"), task_job("a").to_string());
    let append = |from: &dyn Fn(crate::support::cli::Cli) -> crate::support::cli::Cli| {
        from(cli(["append", "-", "--create", "--data"]).arg(&data)).run_with(events.clone()).expect(0)
    };
    append(&|command| command.env("JOBLEDGER_ANCHOR", dir.path().join("one")));
    fs::write(dir.path().join("config"), format!("anchor = '{}'", dir.path().join("two").display())).unwrap();
    append(&|command| command.arg("--config").arg(dir.path().join("config")));
    append(&|command| command);
    for anchor in [dir.path().join("one"), dir.path().join("two"), data.join("anchor")] {
        assert_eq!(held(&anchor), newest(&data));
    }
    // `verify` takes the anchor's folder from the same variable.
    let verify = cli(["verify", "db", "--json", "--config"]).arg(dir.path().join("config")).arg(&data).run().expect(7);
    let path = verify.json_lines()[0]["report"]["anchor"]["path"].clone();
    assert!(path.as_str().unwrap().ends_with("two/checkpoint"), "{path}");
}

#[test]
fn an_older_log_that_was_copied_back_is_read_only() {
    let dir = tempfile::tempdir().unwrap();
    let data = ledger(dir.path());
    let (anchor, older) = (data.join("anchor"), copied(&data, "older"));
    append_to(&data, &noted("a", "newer"), &[]);
    put_back(&data, &older);
    refuses(&data, &anchor, &["12 events", "has 11", "older copy", "jobledger recover"]);
    let (code, report) = verified(&data, &[]);
    assert_eq!((code, &report["faults"][0]["class"]), (5, &json!("forked")), "{report}");
}

#[test]
fn a_log_whose_end_was_cut_off_consistently_is_read_only() {
    let dir = tempfile::tempdir().unwrap();
    let data = ledger(dir.path());
    cut(&data);
    refuses(&data, &data.join("anchor"), &["11 events", "has 10", "cut off", "jobledger recover"]);
    assert_eq!(verified(&data, &[]).0, 5);
    // Without the anchor no check finds the cut.
    fs::remove_dir_all(data.join("anchor")).unwrap();
    let (code, report) = verified(&data, &[]);
    assert!(code == 0 && report["unchecked"][0].as_str().unwrap().contains("there is no anchor"), "{report}");
    takes_writes(&data, &data.join("anchor"));
}

#[test]
fn a_log_that_was_put_back_to_before_it_had_a_tree_is_not_signed_for() {
    let dir = tempfile::tempdir().unwrap();
    let data = ledger(dir.path());
    cut(&data);
    let log = Connection::open(data.join("log.db")).unwrap();
    into_first_format(&log);
    refuses(&data, &data.join("anchor"), &["11 events", "has 10", "no signed checkpoint"]);
    let signed: i64 = log.query_row("SELECT count(*) FROM checkpoint", [], |row| row.get(0)).unwrap();
    assert_eq!(signed, 0);
}

#[test]
fn a_clone_that_starts_behind_a_running_server_is_read_only() {
    let dir = tempfile::tempdir().unwrap();
    let (data, anchor) = (ledger(dir.path()), dir.path().join("shared"));
    let clone = clone(&data, "clone");
    let server = serve(&data, &anchor);
    let worker = worker(&server, &data);
    worker.append(&noted("a", "mine")).expect(201);
    let newest = worker.get("/ledger/checkpoint").expect(200).text();
    until("the anchor follows", || held(&anchor) == newest);
    refuses(&clone, &anchor, &["12 events", "has 11"]);
    worker.append(&noted("a", "on")).expect(201);
}

#[test]
fn a_server_whose_clone_signs_takes_no_more_writes() {
    let dir = tempfile::tempdir().unwrap();
    let (data, anchor) = (ledger(dir.path()), dir.path().join("shared"));
    let clone = clone(&data, "clone");
    let (server, other) = (serve(&data, &anchor), serve(&clone, &anchor));
    let (worker, cloned) = (worker(&server, &data), worker(&other, &clone));
    is_ready(&worker);
    cloned.append(&noted("a", "the clone's")).expect(201);
    until("the server sees that another process signs", || not_ready(&worker, "another process"));
    refused(&worker, &["another process", "12 events", "database has 11"]);
    worker.get("/ledger/jobs/a").expect(200);
    assert!(server.end("TERM").expect(0).stderr.contains("another process"));
    cloned.append(&noted("a", "and on")).expect(201);
    other.end("TERM").expect(0);
    assert_eq!(held(&anchor), newest(&clone));
    refuses(&data, &anchor, &["13 events", "has 11"]);
}

#[test]
fn an_append_that_waits_when_the_clone_is_seen_is_not_committed() {
    let dir = tempfile::tempdir().unwrap();
    let data = ledger(dir.path());
    let clone = clone(&data, "clone");
    let gate = Gate::default();
    let server = TestServer::open(&data, Options { clock: gate.clock(), ..Options::default() });
    let worker = server.client(Role::Worker);
    let auditor = server.client(Role::Auditor);
    let append = |text: &'static str| {
        let worker = worker.clone();
        std::thread::spawn(move || worker.append(&noted("a", text)))
    };
    gate.set(true);
    let begun = append("in a commit that has begun");
    gate.reached();
    let waits = append("behind it");
    let seen = catch_unwind(AssertUnwindSafe(|| {
        until("it waits", || sample(&auditor, "jobledger_queue_requests") == Some(1));
        append_to(&clone, &noted("a", "the clone's"), &["--anchor", data.join("anchor").to_str().unwrap()]);
        until("the clone is seen", || not_ready(&worker, "another process"));
    }));
    // Opened before anything can fail: a server whose writer waits does not stop.
    gate.set(false);
    seen.unwrap();
    begun.join().unwrap().expect(201);
    assert_eq!(waits.join().unwrap().expect(503).json()["code"], "read-only");
    assert_eq!(worker.head(), 11);
}

#[test]
fn a_clone_that_recorded_other_events_is_read_only() {
    let dir = tempfile::tempdir().unwrap();
    let data = ledger(dir.path());
    let clone = clone(&data, "clone");
    append_to(&data, &noted("a", "one way"), &[]);
    append_to(&clone, &noted("a", "the other"), &[]);
    append_to(&clone, &noted("a", "and on"), &[]);
    refuses(&clone, &data.join("anchor"), &["12 events", "a copy of this ledger", "jobledger recover"]);
    let anchor = data.join("anchor");
    assert_eq!(verified(&clone, &[]).0, 0, "with its own anchor");
    assert_eq!(verified(&clone, &["--anchor", anchor.to_str().unwrap()]).0, 5);
}

#[test]
fn an_anchor_that_holds_no_checkpoint_of_this_log_makes_it_read_only() {
    let dir = tempfile::tempdir().unwrap();
    let data = ledger(dir.path());
    let other = dir.path().join("other");
    append_to(&other, &task_job("b"), &[]);
    let anchor = data.join("anchor");
    let (own, foreign) = (held(&anchor), held(&other.join("anchor")));
    let forged = own.replace("\n11\n", "\n10\n");
    let with = |bytes: &[u8]| fs::write(anchor.join("checkpoint"), bytes).unwrap();
    let notes: [(&[u8], &[&str], i32); 5] = [
        (foreign.as_bytes(), &["does not hold a checkpoint of this log", "--anchor"], 5),
        (forged.as_bytes(), &["does not hold a checkpoint of this log", "did not make"], 4),
        // A file that is no signed note is no evidence.
        (b"", &["does not hold a checkpoint of this log"], 2),
        (b"\xff\xfe", &["does not hold a checkpoint", "text"], 2),
        (&[b'x'; 100_000], &["does not hold a checkpoint of this log"], 2),
    ];
    for (note, words, code) in notes {
        with(note);
        refuses(&data, &anchor, words);
        assert_eq!(verified(&data, &[]).0, code, "{words:?}");
    }
    with(own.as_bytes());
    takes_writes(&data, &anchor);
}

#[test]
fn a_log_is_read_only_if_its_anchor_cannot_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let data = ledger(dir.path());
    let file = data.join("anchor/checkpoint");
    let own = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    refuses(&data, &data.join("anchor"), &["cannot be read"]);
    // `recover` does not leave an unreadable anchor behind either.
    on(&data, "recover", &[]).refused(2, &["cannot read the anchor"]);
    fs::remove_dir(&file).unwrap();
    fs::write(&file, own).unwrap();
    takes_writes(&data, &data.join("anchor"));
}

#[test]
fn a_missing_anchor_proves_nothing_and_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let data = ledger(dir.path());
    fs::remove_dir_all(data.join("anchor")).unwrap();
    let server = Serving::start(&data);
    assert_eq!(held(&data.join("anchor")), newest(&data));
    // Also while the server runs.
    fs::remove_dir_all(data.join("anchor")).unwrap();
    let there = || data.join("anchor/checkpoint").exists();
    until("the anchor is written again", there);
    assert_eq!(held(&data.join("anchor")), newest(&data));
    let told = server.end("TERM").expect(0).stderr;
    assert!(told.contains("has no anchor") && told.contains("the anchor's file is missing"), "{told}");
    takes_writes(&data, &data.join("anchor"));
}

#[test]
fn an_older_anchor_of_this_log_is_brought_forward() {
    let dir = tempfile::tempdir().unwrap();
    let data = ledger(dir.path());
    let anchor = data.join("anchor");
    let keep = |note: &str| fs::write(anchor.join("checkpoint"), note).unwrap();
    let older = held(&anchor);
    append_to(&data, &noted("a", "newer"), &[]);
    keep(&older);
    takes_writes(&data, &anchor);
    // Signed by a key that has been replaced since.
    on(&data, "key rotate", &[]).expect(0);
    assert_eq!(held(&anchor), newest(&data));
    assert_eq!(held(&anchor).lines().skip(4).count(), 2, "both keys");
    fs::remove_file(data.join("ledger.key.previous")).unwrap();
    append_to(&data, &noted("a", "signed by the new key alone"), &[]);
    assert_eq!(held(&anchor).lines().skip(4).count(), 1);
    keep(&older);
    takes_writes(&data, &anchor);
    // Of the name that the log had before it was continued.
    fs::remove_file(data.join("ledger.key")).unwrap();
    on(&data, "recover", &[]).expect(0);
    keep(&older);
    takes_writes(&data, &anchor);
    assert_eq!(verified(&data, &[]).1["anchor"]["size"], 18);
}

#[test]
fn an_anchor_is_no_substitute_for_a_checkpoint_that_the_log_lost() {
    let dir = tempfile::tempdir().unwrap();
    let data = ledger(dir.path());
    let anchor = data.join("anchor");
    // The anchor has the 10 events that are left.
    let tenth = clone(&data, "tenth");
    cut(&tenth);
    fs::write(anchor.join("checkpoint"), newest(&tenth)).unwrap();
    cut(&data);
    assert_eq!(verified(&data, &[]).0, 0);
    let log = Connection::open(data.join("log.db")).unwrap();
    log.execute_batch("DELETE FROM checkpoint WHERE size = 10").unwrap();
    assert_eq!(verified(&data, &[]).0, 4);
    assert_eq!(verified(&data, &["--anchor", anchor.to_str().unwrap()]).0, 4);
    refuses(&data, &anchor, &["is of 9 events", "jobledger recover"]);
}

#[test]
fn a_server_that_was_killed_starts_again_cleanly() {
    let dir = tempfile::tempdir().unwrap();
    let data = ledger(dir.path());
    for round in 0..5 {
        let server = Serving::start(&data);
        let worker = worker(&server, &data);
        is_ready(&worker);
        for n in 0..=round {
            worker.append(&noted("a", &n.to_string())).expect(201);
        }
        server.end("KILL");
    }
    assert_eq!(verified(&data, &[]).0, 0);
    takes_writes(&data, &data.join("anchor"));
}

/// Puts a file in the place of the anchor's folder, so that no user can read or write an anchor there, not even root.
fn take_away(anchor: &Path) {
    fs::rename(anchor, anchor.with_file_name("away")).unwrap();
    fs::write(anchor, "").unwrap();
}

#[test]
fn appends_go_on_if_the_anchor_cannot_be_written_and_readiness_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let (data, anchor) = (ledger(dir.path()), dir.path().join("volume"));
    let server = serve(&data, &anchor);
    let worker = worker(&server, &data);
    let auditor = server.client(&token(&data, "auditor"));
    is_ready(&worker);
    take_away(&anchor);
    worker.append(&noted("a", "x")).expect(201);
    until("it is counted", || sample(&auditor, "jobledger_anchor_failures_total") > Some(0));
    assert_eq!(sample(&auditor, "jobledger_anchor_lag_events"), Some(1));
    until("it is not ready", || not_ready(&worker, "s behind; the log says why"));
    worker.append(&noted("a", "y")).expect(201);
    fs::remove_file(&anchor).unwrap();
    fs::rename(anchor.with_file_name("away"), &anchor).unwrap();
    is_ready(&worker);
    assert_eq!(held(&anchor), worker.get("/ledger/checkpoint").expect(200).text());
    let told = server.end("TERM").expect(0).stderr;
    assert_eq!(told.matches("the anchor is not brought forward").count(), 1, "{told}");
}

#[test]
fn no_anchor_is_made_in_place_of_a_missing_volume() {
    let dir = tempfile::tempdir().unwrap();
    let (data, anchor) = (ledger(dir.path()), dir.path().join("volume/anchor"));
    let server = serve(&data, &anchor);
    let worker = worker(&server, &data);
    worker.append(&noted("a", "x")).expect(201);
    assert!(not_ready(&worker, "not written since the start"));
    assert!(!dir.path().join("volume").exists());
    fs::create_dir(dir.path().join("volume")).unwrap();
    is_ready(&worker);
}
