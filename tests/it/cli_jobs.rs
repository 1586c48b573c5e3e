//! `jobledger jobs`, `show` and `whoami`: what a terminal shows of a running server.

use serde_json::{Value, json};

use crate::support::cli::{Cli, Serving, cli, on, token};
use crate::support::{completed, event, noted, processed, result, started, task_job};

fn ask(server: &Serving, token: &str, words: &[&str]) -> Cli {
    cli(words).args(["--url", &server.url, "--token", token])
}

/// A server with a pending, a running, a completed and a cancelled job, and a worker's token.
fn four_jobs(folder: &std::path::Path) -> (Serving, String) {
    let server = Serving::start(folder);
    let token = token(folder, "worker");
    let labelled = event(
        "job.created",
        "run",
        json!({"kind": "task", "spec": {"job_type": "account_sync", "total_records": 200}, "created_by": "ada",
               "labels": {"ticket": "OPS-7"}}),
    );
    let step = event("job.progress", "run", json!({"records_processed": 50, "current_step": "reading\nusers"}));
    let stop = event("job.cancelled", "off", json!({"reason": "wrong account"}));
    server
        .client(&token)
        .append(&json!([
            task_job("wait"),
            labelled,
            started("run"),
            step,
            task_job("done"),
            started("done"),
            processed("done", 3),
            completed("done"),
            task_job("off"),
            stop,
        ]))
        .expect(201);
    (server, token)
}

/// The first word of each line but the first, which names the columns.
fn first_words(table: &str) -> Vec<&str> {
    table.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect()
}

#[test]
fn the_list_shows_a_job_a_line_and_takes_every_filter_of_the_api() {
    let dir = tempfile::tempdir().unwrap();
    let (server, token) = four_jobs(dir.path());
    let all = ask(&server, &token, &["jobs"]).run().expect(0).stdout;
    assert_eq!(first_words(&all), ["off", "done", "run", "wait"]);
    let lines: Vec<&str> = all.lines().collect();
    assert!(lines[1].ends_with("cancelled by worker: wrong account"), "{all}");
    // A text with a line break stays in its line.
    assert!(
        lines[3].contains(" running ") && lines[3].contains(" 25% ") && lines[3].ends_with("reading\\nusers"),
        "{all}"
    );
    for (filter, ids) in [
        (&["--status", "running"][..], &["run"][..]),
        (&["--kind", "task", "--label", "ticket:OPS-7"], &["run"]),
        (&["--job-type", "account_sync", "--created-by", "ada"], &["run"]),
        (&["--cancelled-by", "worker"], &["off"]),
        (&["--id-prefix", "wa"], &["wait"]),
        (&["--created-after", "2000-01-01T00:00:00Z", "--ended-before", "2000-01-01T00:00:00Z"], &[]),
        (&["--created-before", "2100-01-01T00:00:00Z", "--ended-after", "2000-01-01T00:00:00Z"], &["off", "done"]),
        (&["--quiet-for", "1h"], &[]),
        (&["--order", "oldest", "--first", "2"], &["wait", "run"]),
    ] {
        let shown = ask(&server, &token, &["jobs", "--json"]).args(filter).run().expect(0).json_lines();
        assert_eq!(shown.iter().map(|job| &job["id"]).collect::<Vec<_>>(), ids, "{filter:?}");
    }
    let cut = ask(&server, &token, &["jobs", "--first", "1"]).run().expect(0).stdout;
    assert!(cut.ends_with("… and more; --first NUMBER shows more\n"), "{cut}");
    assert_eq!(ask(&server, &token, &["jobs", "--quiet-for", "1h"]).run().expect(0).stdout, "no job matches\n");
    ask(&server, &token, &["jobs", "--status", "lost"]).run().refused(2, &["--status"]);
}

#[test]
fn a_list_of_more_than_a_page_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serving::start(dir.path());
    let token = token(dir.path(), "worker");
    for batch in 0..2 {
        let jobs: Vec<Value> = (0..600).map(|n| task_job(&format!("job-{:04}", batch * 600 + n))).collect();
        server.client(&token).append(&json!(jobs)).expect(201);
    }
    let shown = ask(&server, &token, &["jobs", "--order", "oldest", "--first", "5000", "--json"]).run().expect(0);
    let ids: Vec<String> = shown.json_lines().iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids, (0..1200).map(|n| format!("job-{n:04}")).collect::<Vec<_>>());
}

#[test]
fn one_job_is_shown_now_and_as_it_stood() {
    let dir = tempfile::tempdir().unwrap();
    let (server, token) = four_jobs(dir.path());
    let client = server.client(&token);
    client
        .append(&json!([noted("run", "one\nline"), result("run", "u-1", "completed"), result("run", "u-2", "failed")]))
        .expect(201);
    let now = ask(&server, &token, &["show", "run"]).run().expect(0).stdout;
    for line in [
        "run  task  running",
        "  progress   25%, 50 of 200 records",
        "  step       reading\\nusers",
        "  labels     ticket:OPS-7",
        "  items      2: 1 completed, 1 failed",
    ] {
        assert!(now.lines().any(|found| found == line), "{line:?} is not in:\n{now}");
    }
    assert!(now.contains(" by worker: one\\nline") && now.contains(" for ada\n"), "{now}");
    let failed_first = now.find("u-2  failed").unwrap() < now.find("u-1  completed").unwrap();
    assert!(failed_first, "{now}");
    let then = ask(&server, &token, &["show", "run", "--as-of", "3"]).run().expect(0).stdout;
    assert!(then.contains("  progress   0%, 200 records to process\n") && !then.contains("note"), "{then}");
    let off = ask(&server, &token, &["show", "off"]).run().expect(0).stdout;
    assert!(off.contains(" by worker: wrong account\n"), "{off}");
    let json = ask(&server, &token, &["show", "run", "--as-of", "3", "--json"]).run().expect(0).stdout;
    assert_eq!(json, client.get("/ledger/jobs/run?as_of=3").text());
    ask(&server, &token, &["show", "lost"]).run().refused(1, &["no-such-job"]);
    ask(&server, &token, &["show", "run", "--as-of", "999"]).run().refused(1, &["beyond-head"]);
}

/// `/ledger/jobs/counts` is a route of its own.
#[test]
fn a_job_called_counts_is_a_job_too() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serving::start(dir.path());
    let token = token(dir.path(), "worker");
    server.client(&token).append(&task_job("counts")).expect(201);
    let shown = ask(&server, &token, &["show", "counts"]).run().expect(0).stdout;
    assert!(shown.starts_with("counts  task  pending\n"), "{shown}");
}

#[test]
fn a_token_is_told_what_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serving::start(dir.path());
    let made = ["--name", "eve", "--role", "worker", "--source", "/workers/8", "--expires", "2125-01-01T00:00:00Z"];
    let token = on(dir.path(), "token create", &made).expect(0).stdout.trim_end().to_owned();
    let org = jobledger::job::OrgId::default().to_string();
    let said = ask(&server, &token, &["whoami"]).run().expect(0).stdout;
    let url = &server.url;
    assert_eq!(
        said,
        format!(
            "eve, role worker, organisation {org}, until 2125-01-01T00:00:00Z, for the sources /workers/8 at {url}\n"
        )
    );
    let told = ask(&server, &token, &["whoami", "--json"]).run().expect(0).json_lines().remove(0);
    let expected = json!({"name": "eve", "role": "worker", "org_id": org, "expires_at": "2125-01-01T00:00:00Z",
                          "sources": ["/workers/8"]});
    assert_eq!(told, expected);
    ask(&server, "jl_wrong", &["whoami"]).run().refused(1, &["401"]);
    server.client(&token).get("/session?x=1").expect(400);
}
