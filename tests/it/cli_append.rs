//! `jobledger append`: into a folder, and into a running server.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::cli::{Cli, Serving, cli, on, token};
use crate::support::{completed, event, noted, started, task_job};

/// A folder and a server to append to. The tests expect the same of both.
struct Both {
    dir: tempfile::TempDir,
    server: Serving,
    token: String,
}

impl Both {
    fn new() -> Both {
        let dir = tempfile::tempdir().unwrap();
        let server = Serving::start(&dir.path().join("served"));
        let token = token(&dir.path().join("served"), "worker");
        Both { dir, server, token }
    }

    /// The same command for both.
    fn append(&self, files: &[&Path]) -> [Cli; 2] {
        let append = || cli(["append", "--json"]).args(files);
        let local = append().args(["--create", "--data"]).arg(self.dir.path().join("local"));
        [local, append().args(["--url", &self.server.url, "--token", &self.token])]
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

fn lines(events: &[Value]) -> String {
    events.iter().map(|event| format!("{event}\n")).collect()
}

#[test]
fn files_of_every_form_and_stdin_are_appended_in_order() {
    let both = Both::new();
    let single = both.file("single.json", &format!("{:#}", task_job("a")));
    let many = both.file("many.ndjson", &lines(&[started("a"), noted("a", "é")]));
    let array = both.file("array.json", &format!("\n {:#}\n", json!([task_job("b"), started("b")])));
    let files = [single.as_path(), &many, Path::new("-"), &array];
    let stdin = format!("{}{}[]{}", completed("a"), json!([noted("a", "1"), noted("a", "2")]), noted("a", "3"));
    for append in both.append(&files) {
        let counts = append.run_with(stdin.clone()).expect(0).json_lines();
        assert_eq!(counts, [json!({"appended": 9, "known": 0, "position": 9})]);
    }
    let client = both.server.client(&both.token);
    let events = client.get("/ledger/events").json();
    let seen: Vec<_> = events["events"].as_array().unwrap().iter().map(|event| &event["type"]).collect();
    let noted = "job.noted";
    let types =
        ["job.created", "job.started", noted, "job.completed", noted, noted, noted, "job.created", "job.started"];
    assert_eq!(seen, types);
    // The second run appends nothing, and its text says so.
    for append in both.append(&files) {
        let counts = append.run_with(stdin.clone()).expect(0).json_lines();
        assert_eq!(counts, [json!({"appended": 0, "known": 9, "position": 9})]);
    }
    let told = cli(["append", "--url", &both.server.url, "--token", &both.token]).arg(&single).run().expect(0);
    assert_eq!(told.stdout, "appended 0 events, 1 was there before; newest position 1\n");
}

#[test]
fn a_refusal_names_the_file_and_the_event() {
    let both = Both::new();
    let good = both.file("good.ndjson", &lines(&[task_job("a"), started("a"), completed("a")]));
    for (name, second, words) in [
        ("late", event("job.progress", "a", json!({"progress": 1})), &["completed", "job.progress"][..]),
        ("unknown", event("job.noted", "nobody", json!({"text": "x"})), &["nobody"]),
        ("invalid", event("job.noted", "a", json!({"text": 7})), &["/data/text"]),
        ("odd", json!({"specversion": "1.0"}), &["`/id`"]),
    ] {
        let bad = both.file(&format!("{name}.ndjson"), &lines(&[noted("a", "first"), second]));
        for append in both.append(&[&good, &bad]) {
            append.run().refused(1, &[&[bad.to_str().unwrap(), "event 2"], words].concat());
        }
    }
    let reused = both.file("reused.ndjson", &lines(&[json!({"specversion": "1.0", "id": "1", "source": "w", "type": "job.noted", "subject": "a", "data": {"text": "x"}})]));
    for append in both.append(&[&reused]) {
        append.run().expect(0);
    }
    let text = std::fs::read_to_string(&reused).unwrap().replace("\"x\"", "\"y\"");
    let reused = both.file("reused.ndjson", &text);
    for append in both.append(&[&reused]) {
        append.run().refused(1, &[reused.to_str().unwrap(), "event 1"]);
    }
    // The log has no event of a refused batch, and has three events and the one whose id was used again.
    let head = both.server.client(&both.token).get("/ledger/events").json()["head"].clone();
    assert_eq!(head, 4);
}

#[test]
fn append_refuses_text_that_is_not_json_and_cannot_run_on_a_file_that_it_cannot_read() {
    let both = Both::new();
    for (name, text) in
        [("half.json", "{\"specversion\":"), ("text.json", "hello"), ("broken.json", "[{}"), ("after.json", "[] x")]
    {
        let file = both.file(name, text);
        for append in both.append(&[&file]) {
            append.run().refused(1, &[file.to_str().unwrap(), "JSON"]);
        }
    }
    let number = both.file("number.json", "7");
    let missing = both.dir.path().join("missing.ndjson");
    for (refused, could_not) in both.append(&[&number]).into_iter().zip(both.append(&[&missing])) {
        refused.run().refused(1, &["number.json", "event 1"]);
        could_not.run().refused(2, &["missing.ndjson"]);
    }
    let empty = both.file("empty.ndjson", "\n\n");
    for append in both.append(&[&empty]) {
        assert_eq!(append.run().expect(0).json_lines(), [json!({"appended": 0, "known": 0, "position": 0})]);
    }
}

#[test]
fn many_events_are_sent_in_batches_that_are_each_recorded_whole_or_not() {
    let both = Both::new();
    let mut events = vec![task_job("a")];
    events.extend((1..2500).map(|n| noted("a", &format!("{n}"))));
    let good = both.file("good.ndjson", &lines(&events));
    events[1700] = event("job.noted", "a", json!({}));
    let bad = both.file("bad.json", &json!(events).to_string());
    for append in both.append(&[&bad]) {
        append.run().refused(1, &["bad.json", "after 1000 events", "event 701 of the batch"]);
    }
    // The first batch was appended, and the second was not. After a correction of the file the rest is appended.
    for append in both.append(&[&good]) {
        let counts = append.run().expect(0).json_lines();
        assert_eq!(counts, [json!({"appended": 1500, "known": 1000, "position": 2500})]);
    }
}

#[test]
fn large_events_go_in_requests_that_the_server_takes() {
    let both = Both::new();
    let chunk = "x".repeat(1024 * 1024);
    let mut events = vec![task_job("a"), started("a")];
    events.extend((0..20).map(|_| event("job.hook_output", "a", json!({"output": chunk}))));
    let file = both.file("large.ndjson", &lines(&events));
    for append in both.append(&[&file]) {
        assert_eq!(append.run().expect(0).json_lines()[0]["appended"], 22);
    }
    let output = both.server.client(&both.token).get("/ledger/jobs/a/output").expect(200);
    assert_eq!(output.body.len(), 20 * chunk.len());
}

#[test]
fn append_refuses_a_token_that_may_not_append() {
    let both = Both::new();
    let file = both.file("good.ndjson", &lines(&[task_job("a")]));
    let viewer = token(&both.dir.path().join("served"), "viewer");
    let append = |token: &str| cli(["append", "--url", &both.server.url, "--token", token]).arg(&file).run();
    append("jl_guessed").refused(1, &["401"]);
    append(&viewer).refused(1, &["403"]);
    // The command refuses a folder that a server has open.
    let folder = both.dir.path().join("served");
    on(&folder, "append", &[file.to_str().unwrap()]).refused(2, &["is in use"]);
}

#[test]
fn append_into_a_folder_records_the_organisation_and_the_actor() {
    let dir = tempfile::tempdir().unwrap();
    let org = "37eebc20-d8df-416b-8ac2-01b6eb456318";
    let append = |more: &[&str]| {
        let told = cli(["append", "-", "--data"]).arg(dir.path()).args(more);
        told.run_with(task_job("a").to_string())
    };
    append(&["--org", org, "--actor", "sync-7"]).expect(0);
    append(&[]).expect(0);
    // The name `ledger` is reserved, and an actor has the form of a token's name.
    for actor in ["ledger", "Ledger", "", "a b", &"n".repeat(65)] {
        append(&["--actor", actor]).refused(2, &["--actor"]);
    }
    let lines = on(dir.path(), "export", &["--after", "0"]).expect(0).json_lines();
    let leaf = |n: usize| serde_json::from_str::<Value>(lines[n]["leaf"].as_str().unwrap()).unwrap();
    assert_eq!((&leaf(0)["actor"], &leaf(0)["orgid"]), (&json!("sync-7"), &json!(org)));
    assert_eq!((&leaf(1)["actor"], lines.len()), (&json!("local"), 2));
}
