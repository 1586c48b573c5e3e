//! `jobledger tail`.

use std::net::TcpListener;

use serde_json::{Value, json};

use crate::support::cli::{Cli, Running, Serving, cli, on, token};
use crate::support::{Client, completed, noted, started, task_job};

fn tail(server: &Serving, token: &str, more: &[&str]) -> Cli {
    cli(["tail", "--url", &server.url, "--token", token]).args(more)
}

/// The position of the next event that a tail with `--json` prints.
#[track_caller]
fn next(tail: &Running) -> u64 {
    let event: Value = serde_json::from_str(&tail.line().expect("a line")).unwrap();
    event["position"].as_str().unwrap().parse().unwrap()
}

/// Whether the server has one open tail.
fn is_open(client: &Client) -> bool {
    client.get("/metrics").text().lines().any(|line| line == "jobledger_tails_open 1")
}

#[test]
fn a_tail_of_one_job_ends_with_the_job() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serving::start(dir.path());
    let token = token(dir.path(), "worker");
    let worker = server.client(&token);
    worker.append(&json!([task_job("a"), task_job("b")])).expect(201);
    let follow = tail(&server, &token, &["--job", "a", "--after", "0"]).start();
    let first = follow.line().unwrap();
    assert!(first.starts_with("1 20") && first.contains(" a job.created by worker {\"kind\":\"task\""), "{first}");
    worker.append(&json!([started("b"), started("a"), completed("a"), noted("a", "after the end")])).expect(201);
    assert!(follow.line().unwrap().contains(" a job.started by worker {}"));
    assert!(follow.line().unwrap().contains(" a job.completed by worker {}"));
    let done = follow.wait().expect(0);
    assert_eq!(done.stderr, "");
    // A tail of a job that has ended ends at once.
    let after = tail(&server, &token, &["--job", "a", "--json"]).run().expect(0);
    assert_eq!(after.stdout, "");
}

#[test]
fn a_faulty_address_is_refused_at_once() {
    for url in ["foo", "127.0.0.1:8347", "ftp://127.0.0.1", "http://"] {
        cli(["tail", "--url", url, "--token", "t"]).run().refused(2, &["--url", "`http://`"]);
    }
}

/// `jobledger tail | head -1`: when its output is closed, it ends.
#[test]
fn a_tail_whose_output_is_closed_ends() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serving::start(dir.path());
    let token = token(dir.path(), "worker");
    server.client(&token).append(&json!([task_job("a"), started("a")])).expect(201);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut tail = std::process::Command::new(env!("CARGO_BIN_EXE_jobledger"));
    let tail = tail.args(["tail", "--after", "0", "--url", &server.url, "--token", &token]).stdout(writer);
    assert_eq!(tail.status().unwrap().code(), Some(0));
}

/// An unused option may have any value. A token with a newline can never be sent.
#[test]
fn an_unused_address_is_not_checked_and_a_request_that_cannot_be_sent_is_not_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serving::start(dir.path());
    let url = server.url.clone();
    server.end("TERM").expect(0);
    let file = dir.path().join("event.json");
    std::fs::write(&file, task_job("a").to_string()).unwrap();
    on(dir.path(), "append", &["--url", "", file.to_str().unwrap()]).refused(2, &["--data or --url"]);
    let beside = cli(["append", "--data"]).arg(dir.path()).arg(&file).env("JOBLEDGER_URL", "localhost");
    beside.run().expect(0);
    cli(["append", "--url", "localhost", "--token", "t"]).arg(&file).run().refused(2, &["--url", "`http://`"]);
    cli(["tail", "--url", &url, "--token", "t\n"]).run().expect(2);
}

#[test]
fn a_tail_shows_the_events_that_its_options_select() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serving::start(dir.path());
    let token = token(dir.path(), "worker");
    let worker = server.client(&token);
    let role_job = crate::support::role_job("67d7d053-3caf-430e-97ba-6d4933d3fd5b");
    worker.append(&json!([task_job("a"), started("a"), role_job, noted("a", "x")])).expect(201);
    worker.append(&completed("a")).expect(201);
    for (more, positions) in [
        (&["--after", "0"][..], &[1, 2, 3, 4, 5][..]),
        (&["--after", "3"], &[4, 5]),
        (&["--after", "0", "--kind", "dbrole"], &[3]),
        (&["--after", "0", "--type", "job.noted", "--type", "job.started"], &[2, 4]),
    ] {
        let follow = tail(&server, &token, more).arg("--json").start();
        for position in positions {
            assert_eq!(next(&follow), *position, "{more:?}");
        }
    }
    let shown = tail(&server, &token, &["--after", "0", "--json", "--job", "a"]).run().expect(0);
    let page = worker.get("/ledger/jobs/a/events").json();
    assert_eq!(Value::Array(shown.json_lines()), page["events"]);
}

#[test]
fn a_tail_goes_on_without_gap_or_repeat_after_the_server_was_killed() {
    let dir = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let server = Serving::on(dir.path(), &free);
    let token = token(dir.path(), "worker");
    server.client(&token).append(&json!([task_job("a"), started("a")])).expect(201);
    let follow = tail(&server, &token, &["--after", "0", "--json"]).start();
    for position in [1, 2] {
        assert_eq!(next(&follow), position);
    }
    server.end("KILL").expect(128 + 9);
    let mut head = 2;
    for _ in 0..3 {
        let server = Serving::on(dir.path(), &free);
        server.client(&token).append(&json!([noted("a", "1"), noted("a", "2")])).expect(201);
        head += 2;
        assert_eq!((next(&follow), next(&follow)), (head - 1, head));
        server.end("KILL").expect(128 + 9);
    }
}

#[test]
fn a_tail_from_the_head_has_no_gap_if_the_server_is_killed_before_the_first_event() {
    let dir = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let server = Serving::on(dir.path(), &free);
    let token = token(dir.path(), "admin");
    let admin = server.client(&token);
    admin.append(&task_job("a")).expect(201);
    let mut follow = tail(&server, &token, &["--json"]).start();
    follow.until(|| is_open(&admin));
    server.end("KILL").expect(128 + 9);
    // The server is back and has more events before the tail connects again.
    let _server = Serving::on(dir.path(), &free);
    admin.append(&started("a")).expect(201);
    assert_eq!(next(&follow), 2);
}

#[test]
fn a_tail_ahead_of_the_ledger_says_so_and_follows_from_the_head() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serving::start(dir.path());
    let token = token(dir.path(), "admin");
    let admin = server.client(&token);
    admin.append(&task_job("a")).expect(201);
    let follow = tail(&server, &token, &["--json", "--after", "999"]).start();
    // Appends go on until the tail, which the server has sent to the head, shows one of them.
    let (mut head, mut shown) = (1, None);
    while shown.is_none() {
        admin.append(&noted("a", "x")).expect(201);
        head += 1;
        shown = follow.line_if_any();
    }
    let mut seen: u64 =
        serde_json::from_str::<Value>(&shown.unwrap()).unwrap()["position"].as_str().unwrap().parse().unwrap();
    while seen < head {
        let position = next(&follow);
        assert_eq!(position, seen + 1);
        seen = position;
    }
    on(dir.path(), "token revoke", &["--name", "admin"]).expect(0);
    let done = follow.wait().expect(1);
    assert!(done.stderr.contains("restored from an older copy"), "{}", done.stderr);
}

#[test]
fn a_token_that_is_not_or_no_longer_valid_ends_the_tail() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serving::start(dir.path());
    let token = token(dir.path(), "viewer");
    tail(&server, "jl_guessed", &[]).run().refused(1, &["401"]);
    let follow = tail(&server, &token, &["--after", "0", "--json"]).start();
    server.client(&crate::support::cli::token(dir.path(), "worker")).append(&task_job("a")).expect(201);
    assert_eq!(next(&follow), 1);
    on(dir.path(), "token revoke", &["--name", "viewer"]).expect(0);
    follow.wait().refused(1, &["401"]);
    tail(&server, &token, &["--job", "a/b"]).run().refused(2, &["--job"]);
}
