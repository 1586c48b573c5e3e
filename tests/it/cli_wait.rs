//! `jobledger wait`: ends when jobs have ended.

use std::net::TcpListener;

use serde_json::json;

use crate::support::cli::{Cli, Serving, cli, token};
use crate::support::{Client, completed, event, role_job, started, task_job};

fn wait(server: &Serving, token: &str, words: &[&str]) -> Cli {
    cli(["wait", "--url", &server.url, "--token", token]).args(words)
}

fn failed(job: &str) -> serde_json::Value {
    event("job.failed", job, json!({"message": "no"}))
}

fn cancelled(job: &str) -> serde_json::Value {
    event("job.cancelled", job, json!({}))
}

/// Whether the server has one open tail.
fn is_followed(client: &Client) -> bool {
    client.get("/metrics").text().lines().any(|line| line == "jobledger_tails_open 1")
}

#[test]
fn a_job_that_has_ended_is_not_missed_and_the_exit_code_says_how_it_ended() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serving::start(dir.path());
    let token = token(dir.path(), "worker");
    let jobs = ["good", "bad", "off", "open"].map(|job| json!([task_job(job), started(job)]));
    jobs.iter().for_each(|events| drop(server.client(&token).append(events).expect(201)));
    server.client(&token).append(&json!([completed("good"), failed("bad"), cancelled("off")])).expect(201);
    let soon = ["--timeout", "300ms"];
    for (words, code, said) in [
        (&["good"][..], 0, "good completed\n"),
        (&["bad"], 3, "bad failed\n"),
        (&["off"], 4, "off cancelled\n"),
        (&["open"], 5, ""),
        // The first that applies, in the order 5, 3, 4, 0.
        (&["good", "off"], 4, "good completed\noff cancelled\n"),
        (&["good", "off", "bad"], 3, "good completed\noff cancelled\nbad failed\n"),
        (&["bad", "open"], 5, "bad failed\n"),
        // With `completed` the first job that cannot complete ends the command.
        (&["bad", "open", "--for", "completed"], 3, "bad failed\n"),
        (&["open", "--for", "state=running"], 0, "open running\n"),
        (&["good", "bad", "--for", "state=running"], 0, "good completed\nbad failed\n"),
        (&["bad", "--for", "state=failed"], 0, "bad failed\n"),
        (&["good", "--for", "state=failed"], 1, "good completed\n"),
        (&["off", "--for", "state=failed"], 4, "off cancelled\n"),
    ] {
        let done = wait(&server, &token, words).args(soon).run();
        assert_eq!((done.code, done.stdout.as_str()), (code, said), "{words:?}: {}", done.stderr);
    }
    wait(&server, &token, &["open", "--timeout", "100ms"]).run().refused(5, &["1 of 1 job not there yet"]);
    wait(&server, &token, &["lost"]).run().refused(1, &["lost", "no-such-job"]);
    wait(&server, &token, &["good", "--for", "done"]).run().refused(2, &["--for", "`completed`"]);
    let told = wait(&server, &token, &["bad", "--json"]).run().expect(3).json_lines();
    assert_eq!(told, [json!({"job": "bad", "status": "failed", "position": 10})]);
}

#[test]
fn jobs_are_followed_by_one_stream_until_they_end() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serving::start(dir.path());
    let token = token(dir.path(), "admin");
    let admin = server.client(&token);
    admin.append(&json!([task_job("a"), started("a"), task_job("b"), task_job("c"), started("c")])).expect(201);
    let mut waiting = wait(&server, &token, &["a", "b"]).start();
    waiting.until(|| is_followed(&admin));
    admin.append(&json!([completed("c"), completed("a")])).expect(201);
    assert_eq!(waiting.line().unwrap(), "a completed");
    admin.append(&json!([started("b"), failed("b")])).expect(201);
    assert_eq!(waiting.line().unwrap(), "b failed");
    waiting.wait().refused(3, &["1 job failed"]);
}

/// Jobs of two organisations may have the same id.
#[test]
fn an_auditor_waits_for_the_job_of_one_organisation() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serving::start(dir.path());
    let other = "5f0c6d53-3caf-430e-97ba-6d4933d3fd5b";
    let made = ["--name", "theirs", "--role", "admin", "--org", other];
    let theirs = crate::support::cli::on(dir.path(), "token create", &made).expect(0).stdout.trim_end().to_owned();
    let ours = token(dir.path(), "admin");
    let auditor = token(dir.path(), "auditor");
    for token in [&ours, &theirs] {
        server.client(token).append(&json!([task_job("a"), started("a")])).expect(201);
    }
    let mut waiting = wait(&server, &auditor, &["a", "--org", other]).start();
    waiting.until(|| is_followed(&server.client(&ours)));
    server.client(&ours).append(&completed("a")).expect(201);
    server.client(&theirs).append(&failed("a")).expect(201);
    waiting.wait().expect(3);
}

#[test]
fn a_restart_of_the_server_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let server = Serving::on(dir.path(), &free);
    let token = token(dir.path(), "admin");
    let admin = server.client(&token);
    let role = "67d7d053-3caf-430e-97ba-6d4933d3fd5b";
    admin.append(&json!([task_job("a"), started("a"), role_job(role)])).expect(201);
    let mut waiting = wait(&server, &token, &["a", role, "--timeout", "10m"]).start();
    waiting.until(|| is_followed(&admin));
    server.end("KILL").expect(128 + 9);
    // The server is back and has more events before the command connects again.
    let server = Serving::on(dir.path(), &free);
    server.client(&token).append(&json!([completed("a"), started(role), cancelled(role)])).expect(201);
    let done = waiting.wait().expect(4);
    assert_eq!(done.stdout, format!("a completed\n{role} cancelled\n"));
}

#[test]
fn a_server_that_is_not_there_is_waited_for_until_the_time_is_over() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let nowhere = cli(["wait", "a", "--token", "t", "--timeout", "300ms", "--url"]).arg(format!("http://{free}"));
    nowhere.run().refused(5, &["trying again", "1 of 1 job"]);
}
