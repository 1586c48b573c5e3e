//! `jobledger replay`: the life of a job, from the folder and from an export.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::cli::{Serving, cli, on, token};
use crate::support::exports::{OTHER, exported, import, small_ledger};
use crate::support::{ROLE_JOB, Recording};

/// The export of a recorded history, and a copy that was imported from it.
fn copy_of(dir: &Path, history: &str) -> (PathBuf, PathBuf) {
    let export = Recording::all().join(history).join("events.ndjson");
    let copy = dir.join(history);
    import(&copy, std::fs::read(&export).unwrap()).expect(0);
    (export, copy)
}

/// The documented route of a job.
fn route(kind: &str, job: &str) -> String {
    let prefix = match kind {
        "dbrole" => "/dbroles/jobs",
        "task" => "/api/v1/jobs",
        _ => "/authorization/rules/jobs",
    };
    format!("{prefix}/{job}")
}

/// Every job of an export, as (organisation, kind, id).
fn jobs(export: &str) -> Vec<(String, String, String)> {
    let mut jobs: Vec<(String, String, String)> = Vec::new();
    for line in export.lines().skip(1) {
        let line: Value = serde_json::from_str(line).unwrap();
        let leaf: Value = serde_json::from_str(line["leaf"].as_str().unwrap()).unwrap();
        let text = |name: &str| leaf[name].as_str().unwrap().to_owned();
        let job = (text("orgid"), text("jobkind"), text("subject"));
        if !jobs.contains(&job) {
            jobs.push(job);
        }
    }
    jobs
}

#[test]
fn each_step_of_a_replay_is_the_answer_of_the_documented_api_as_of_then() {
    let dir = tempfile::tempdir().unwrap();
    let mut count = 0;
    for history in
        ["dbrole.vault-failed", "dbrole.hook-boundary", "rule.out-of-order", "task.two-orgs", "task.cancelled-half-way"]
    {
        let (export, copy) = copy_of(dir.path(), history);
        let server = Serving::start(&copy);
        for (n, (org, kind, job)) in jobs(&std::fs::read_to_string(&export).unwrap()).into_iter().enumerate() {
            let name = format!("admin-{n}");
            let made = on(&copy, "token create", &["--name", &name, "--role", "admin", "--org", &org]).expect(0);
            let admin = server.client(made.stdout.trim_end());
            let args = ["--org", &org, "--json", &job];
            let steps = on(&copy, "replay", &args).expect(0);
            let from_file = cli(["replay", "--file"]).arg(&export).args(args).run().expect(0);
            assert_eq!(steps.stdout, from_file.stdout, "{history}");
            count += steps.stdout.lines().count();
            for (line, step) in steps.stdout.lines().zip(steps.json_lines()) {
                let position = step["position"].as_u64().unwrap();
                let then = admin.get(&format!("{}?as_of={position}", route(&kind, &job))).expect(200).text();
                // To the byte: the order of its keys is part of a documented answer.
                assert!(line.ends_with(&format!(",\"job\":{then}}}")), "{history} at {position}: {line}\n{then}");
            }
        }
    }
    assert!(count > 20, "{count} steps");
}

#[test]
fn the_text_of_a_replay_says_what_each_event_changed() {
    let dir = tempfile::tempdir().unwrap();
    let folder = small_ledger(dir.path());
    let told = on(&folder, "replay", &["a"]).expect(0).stdout;
    let headings: Vec<Vec<&str>> =
        told.lines().filter(|line| line.starts_with('#')).map(|line| line.split(' ').collect()).collect();
    let types: Vec<(&str, &str)> = headings.iter().map(|words| (words[0], words[2])).collect();
    let expected = [
        ("#1", "job.created"),
        ("#2", "job.started"),
        ("#4", "job.progress"),
        ("#5", "job.noted"),
        ("#7", "job.completed"),
        ("#8", "job.noted"),
    ];
    assert_eq!(types, expected);
    for change in [
        "    status: \"pending\" → \"running\"",
        "    records_processed: 1",
        "    total_records: 4",
        "    message: \"Größe: 10 €\"",
        "    status: \"running\" → \"completed\"",
    ] {
        assert!(told.lines().any(|line| line == change), "{change} is not in:\n{told}");
    }
    let role_job = on(&folder, "replay", &[&ROLE_JOB.to_uppercase(), "--org", OTHER]).expect(0).stdout;
    assert!(role_job.starts_with("#3 ") && role_job.contains("by gateway"), "{role_job}");
}

#[test]
fn a_moment_may_be_a_position_or_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let (export, copy) = copy_of(dir.path(), "task.sample");
    let export_text = std::fs::read_to_string(&export).unwrap();
    let (_, _, job) = jobs(&export_text).remove(0);
    let from_data = |more: &[&str]| on(&copy, "replay", &[&["--json", &job], more].concat());
    let from_file = |more: &[&str]| cli(["replay", "--json", &job, "--file"]).arg(&export).args(more).run();
    let steps = from_data(&[]).expect(0);
    for (line, step) in steps.stdout.lines().zip(steps.json_lines()) {
        let position = step["position"].to_string();
        let leaf = export_text.lines().nth(step["position"].as_u64().unwrap() as usize).unwrap();
        let recorded = leaf.split("recordedtime\\\":\\\"").nth(1).unwrap().split('\\').next().unwrap();
        for moment in [position.as_str(), recorded] {
            assert_eq!(from_data(&["--as-of", moment]).expect(0).stdout.trim_end(), line);
            assert_eq!(from_file(&["--as-of", moment]).expect(0).stdout.trim_end(), line);
        }
    }
    let text = on(&copy, "replay", &[&job, "--as-of", "1"]).expect(0).stdout;
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["status"], json!("pending"));
    for early in ["0", "2000-01-01T00:00:00Z"] {
        from_data(&["--as-of", early]).refused(1, &[&job]);
        from_file(&["--as-of", early]).refused(1, &[&job]);
    }
    from_data(&["--as-of", "99999"]).refused(1, &["--as-of"]);
    from_data(&["--as-of", "soon"]).refused(2, &["--as-of"]);
}

#[test]
fn a_replay_of_an_unknown_job_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let folder = small_ledger(dir.path());
    let file = dir.path().join("all.ndjson");
    std::fs::write(&file, exported(&folder, &[])).unwrap();
    on(&folder, "replay", &["nobody"]).refused(1, &["`nobody`"]);
    on(&folder, "replay", &[ROLE_JOB]).refused(1, &[ROLE_JOB]);
    cli(["replay", "nobody", "--file"]).arg(&file).run().refused(1, &["`nobody`"]);
    cli(["replay", ROLE_JOB, "--file"]).arg(&file).run().refused(1, &[ROLE_JOB]);
    on(&folder, "replay", &["a/b"]).refused(2, &["a/b"]);
    on(&dir.path().join("nowhere"), "replay", &["a"]).refused(2, &["nowhere"]);
    std::fs::write(&file, "hello\n").unwrap();
    cli(["replay", "a", "--file"]).arg(&file).run().refused(1, &["line 1"]);
    cli(["replay", "a", "--file", "no-such-file"]).run().refused(2, &["no-such-file"]);
}

#[test]
fn a_replay_runs_beside_a_server() {
    let dir = tempfile::tempdir().unwrap();
    let folder = small_ledger(dir.path());
    let server = Serving::start(&folder);
    server.client(&token(&folder, "worker")).append(&crate::support::noted("a", "live")).expect(201);
    assert_eq!(on(&folder, "replay", &["a", "--json"]).expect(0).json_lines().last().unwrap()["position"], 9);
}
