//! `jobledger note` and `jobledger cancel`.

use serde_json::{Value, json};

use crate::support::cli::{Cli, Serving, cli, on, token};
use crate::support::{completed, started, task_job};

fn ask(server: &Serving, token: &str, words: &[&str]) -> Cli {
    cli(words).args(["--url", &server.url, "--token", token])
}

/// A server with jobs of these names, which run, and a worker's token.
fn running(folder: &std::path::Path, jobs: &[&str]) -> (Serving, String) {
    let server = Serving::start(folder);
    let token = token(folder, "worker");
    let events: Vec<Value> = jobs.iter().flat_map(|job| [task_job(job), started(job)]).collect();
    server.client(&token).append(&json!(events)).expect(201);
    (server, token)
}

/// The type, actor, source and data of each event of a job from `after` on.
fn events(server: &Serving, token: &str, job: &str, after: u64) -> Vec<Value> {
    let page = server.client(token).get(&format!("/ledger/jobs/{job}/events?after={after}")).expect(200).json();
    let said = |event: &Value| json!([event["type"], event["actor"], event["source"], event["data"]]);
    page["events"].as_array().unwrap().iter().map(said).collect()
}

#[test]
fn a_note_is_recorded_for_the_actor_of_the_token() {
    let dir = tempfile::tempdir().unwrap();
    let (server, token) = running(dir.path(), &["a"]);
    let said = ask(&server, &token, &["note", "a", "asked\nthe vendor"]).run().expect(0).stdout;
    assert_eq!(said, "a has the note, at position 3\n");
    let told = ask(&server, &token, &["note", "a", "again", "--source", "/desk", "--json"]).run().expect(0);
    assert_eq!(told.json_lines(), [json!({"job": "a", "position": 4})]);
    assert_eq!(
        events(&server, &token, "a", 2),
        [
            json!(["job.noted", "worker", "/cli", {"text": "asked\nthe vendor"}]),
            json!(["job.noted", "worker", "/desk", {"text": "again"}]),
        ]
    );
    ask(&server, &token, &["note", "lost", "x"]).run().refused(1, &["lost"]);
    let viewer = crate::support::cli::token(dir.path(), "viewer");
    ask(&server, &viewer, &["note", "a", "x"]).run().refused(1, &["403", "worker or admin"]);
}

#[test]
fn jobs_are_cancelled_by_name_with_a_line_each() {
    let dir = tempfile::tempdir().unwrap();
    let (server, token) = running(dir.path(), &["a", "b", "c"]);
    server.client(&token).append(&completed("b")).expect(201);
    let cancel = |words: &[&str]| ask(&server, &token, &["cancel"]).args(words).run();
    assert_eq!(cancel(&["a", "--reason", "wrong account"]).expect(0).stdout, "a cancelled, at position 8\n");
    let done = cancel(&["a", "b", "c", "lost"]).expect(1);
    let lines: Vec<&str> = done.stdout.lines().collect();
    assert_eq!(lines[0], "a was cancelled before, at position 8");
    assert!(lines[1].starts_with("b not cancelled: ") && lines[1].contains("409"), "{}", done.stdout);
    assert_eq!(lines[2], "c cancelled, at position 9");
    assert!(lines[3].starts_with("lost not cancelled: "), "{}", done.stdout);
    assert!(done.stderr.contains("2 of 4 jobs could not be cancelled"), "{}", done.stderr);
    assert_eq!(
        events(&server, &token, "a", 7),
        [json!(["job.cancelled", "worker", "/cli", {"reason": "wrong account"}])]
    );
    let told = cancel(&["b", "c", "--json"]).expect(1).json_lines();
    assert_eq!(told[0]["state"], "completed");
    assert_eq!(told[1], json!({"job": "c", "cancelled": true, "before": true, "position": 9}));
}

#[test]
fn jobs_are_cancelled_by_filter_only_when_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let (server, token) = running(dir.path(), &["a-1", "a-2", "b-1", "a-3"]);
    server.client(&token).append(&json!([completed("a-3"), task_job("a-4")])).expect(201);
    let cancel = |words: &[&str]| ask(&server, &token, &["cancel"]).args(words).run();
    // Without a terminal the command asks nothing, and does nothing.
    cancel(&["--id-prefix", "a-"]).refused(1, &["3 jobs would be cancelled", "--yes"]);
    assert_eq!(server.client(&token).head(), 10);
    let done = cancel(&["--id-prefix", "a-", "--yes", "--reason", "stop"]).expect(0).stdout;
    assert_eq!(done, "a-4 cancelled, at position 11\na-1 cancelled, at position 12\na-2 cancelled, at position 13\n");
    assert_eq!(cancel(&["--id-prefix", "a-", "--yes"]).expect(0).stdout, "no pending or running job matches\n");
    cancel(&[]).refused(2, &["jobs, or filters"]);
    cancel(&["b-1", "--kind", "task"]).refused(2, &["found both"]);
    cancel(&["--status", "completed", "--yes"]).refused(2, &["--status", "pending or running"]);
    assert_eq!(server.client(&token).head(), 13);
}

#[test]
fn a_token_that_may_not_append_stops_at_the_first_job() {
    let dir = tempfile::tempdir().unwrap();
    let (server, _) = running(dir.path(), &["a", "b"]);
    let viewer = token(dir.path(), "viewer");
    let done = ask(&server, &viewer, &["cancel", "a", "b"]).run();
    assert_eq!(done.stdout, "");
    done.refused(1, &["403", "worker or admin"]);
    let bound = ["--name", "bound", "--role", "worker", "--source", "/desk"];
    let bound = on(dir.path(), "token create", &bound).expect(0).stdout.trim_end().to_owned();
    ask(&server, &bound, &["cancel", "a"]).run().refused(1, &["source-not-yours"]);
    ask(&server, &bound, &["cancel", "a"]).env("JOBLEDGER_SOURCE", "/desk").run().expect(0);
}
