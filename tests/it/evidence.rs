//! Evidence bundles from HTTP and from the command: the same bytes, only for readers of the job, accepted by both verifiers.

use std::fs;
use std::path::Path;

use jobledger::access::Role;
use jobledger::wire::Leaf;
use serde_json::{Value, json};
use tar::Archive;

use crate::support::answers::admin_of;
use crate::support::bundles::{Bundle, both, verify};
use crate::support::cli::{cli, on};
use crate::support::exports::OTHER;
use crate::support::redactions::{NAME, REDACTED_JOBS, lives, redactions};
use crate::support::{Client, TestServer, completed, event, noted, output, started, task_job};

const HOSTILE: &str =
    "<script>alert('x')</script> \u{1b}[31mred\u{1b}[0m \u{202e}gnp.exe </pre> & \"quotes\" \u{2028} é\u{0}";

/// A ledger with a completed job, an open one, a cancelled one, and one with hostile texts.
pub fn ledger() -> (TestServer, Client) {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let cancelled = |job: &str| event("job.cancelled", job, json!({"reason": "no longer needed"}));
    let mut events = vec![task_job("finished"), task_job("open"), started("finished"), started("open")];
    events.extend([
        noted("finished", "n"),
        completed("finished"),
        task_job("gone"),
        cancelled("gone"),
        noted("finished", "m"),
    ]);
    let labels =
        json!({"kind": "task", "spec": {"job_type": "full_sync"}, "labels": {"ticket": "<img src=x onerror=y>"}});
    events.extend([event("job.created", "hostile", labels), started("hostile")]);
    events.extend([output("hostile", HOSTILE), output("hostile", &"<b>".repeat(20_000)), noted("hostile", HOSTILE)]);
    worker.append(&json!(events)).expect(201);
    (server, worker)
}

pub fn key(folder: &Path) -> String {
    on(folder, "key show", &[]).expect(0).stdout.lines().next().unwrap().to_owned()
}

/// The report of `verify bundle` over a bundle that is verified.
fn report(bundle: &[u8], key: &str) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("evidence.tar");
    fs::write(&path, bundle).unwrap();
    assert_eq!(both(&path, None), 7);
    assert_eq!(both(&path, Some(key)), 0);
    assert_eq!(both(&Bundle::read(bundle).unpack(folder.path()), Some(key)), 0);
    verify(&path, &["--vkey", key]).json_lines()[0]["report"].clone()
}

#[test]
fn a_bundle_is_the_same_by_every_way_and_both_verifiers_accept_it() {
    let (server, worker) = ledger();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("evidence.tar");
    let token = worker.token.clone().unwrap();
    let key = key(server.path());
    for (job, ended, events) in [
        ("finished", json!("job.completed"), 5),
        ("open", json!(null), 2),
        ("gone", json!("job.cancelled"), 2),
        ("hostile", json!(null), 5),
    ] {
        let answer = worker.get(&format!("/ledger/jobs/{job}/evidence")).expect(200);
        assert_eq!(answer.header("content-type"), "application/x-tar");
        assert_eq!(answer.header("content-disposition"), format!("attachment; filename=\"evidence-{job}.tar\""));
        assert_eq!(answer.header("content-length"), answer.body.len().to_string());
        let written = ["evidence", job, "-o", file.to_str().unwrap()];
        cli(written).arg("--data").arg(server.path()).run().expect(0);
        assert!(fs::read(&file).unwrap() == answer.body, "{job}: by --data");
        cli(written).args(["--url", &server.url, "--token", &token]).run().expect(0);
        assert!(fs::read(&file).unwrap() == answer.body, "{job}: by --url");

        let report = report(&answer.body, &key);
        let found = &report["job"];
        assert_eq!((&found["id"], &found["events"], &found["ended"]["type"]), (&json!(job), &json!(events), &ended));
        let unchecked = report["unchecked"].to_string();
        assert!(unchecked.contains(if ended.is_null() { "whether the job went on" } else { "remarks and redactions" }));

        let bundle = Bundle::read(&answer.body);
        assert_eq!(bundle.text("job.json"), worker.get(&format!("/ledger/jobs/{job}")).expect(200).text());
        assert_eq!(bundle.text("checkpoint"), worker.get("/ledger/checkpoint").expect(200).text());
        for line in bundle.text("leaves.ndjson").lines() {
            let position = Leaf::parse_strict(line.as_bytes()).unwrap().position().unwrap();
            assert_eq!(line, worker.get(&format!("/ledger/events/{position}/leaf")).expect(200).text());
            let proof = worker.get(&format!("/ledger/events/{position}/proof")).expect(200).text();
            assert_eq!(bundle.text(&format!("proofs/{position}.tlog-proof")), proof);
        }
    }
}

#[test]
fn the_bytes_of_a_bundle_do_not_depend_on_when_and_where_it_was_made() {
    let (server, worker) = ledger();
    let tar = worker.get("/ledger/jobs/finished/evidence").expect(200).body;
    let recorded = worker.get("/ledger/events/9").expect(200).json()["recordedtime"].as_str().unwrap().to_owned();
    let time = recorded.parse::<jobledger::job::Time>().unwrap().micros() / 1_000_000;
    let mut names = Vec::new();
    for entry in Archive::new(tar.as_slice()).entries().unwrap() {
        let entry = entry.unwrap();
        let header = entry.header();
        assert_eq!((header.uid().unwrap(), header.gid().unwrap(), header.mode().unwrap()), (0, 0, 0o644));
        assert_eq!(header.mtime().unwrap(), time as u64, "when the job's newest event was recorded");
        assert!(header.username().unwrap().unwrap_or("").is_empty());
        names.push(String::from_utf8(entry.path_bytes().into_owned()).unwrap());
    }
    // Sorted, the proofs by their number.
    let key = |name: &String| {
        let number = name.rsplit('/').next().and_then(|last| last.strip_suffix(".tlog-proof")?.parse::<u64>().ok());
        (if number.is_some() { name[..name.rfind('/').unwrap()].to_owned() } else { name.clone() }, number)
    };
    let mut sorted = names.clone();
    sorted.sort_by_key(key);
    assert_eq!(names, sorted);
    assert!(tar == worker.get("/ledger/jobs/finished/evidence").expect(200).body);
    drop(server);
}

#[test]
fn only_readers_of_the_job_get_its_bundle() {
    let (server, worker) = ledger();
    let other = admin_of(&server, OTHER);
    other.append(&task_job("theirs")).expect(201);
    let path = "/ledger/jobs/theirs/evidence";
    worker.get(path).expect(404);
    other.get("/ledger/jobs/finished/evidence").expect(404);
    let auditor = server.client(Role::Auditor);
    auditor.get(path).expect(404);
    let named = auditor.get(&format!("{path}?org={OTHER}")).expect(200);
    assert!(named.body == other.get(path).expect(200).body);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("theirs.tar");
    cli(["evidence", "theirs", "--org", OTHER, "--data"]).arg(server.path()).arg("-o").arg(&file).run().expect(0);
    assert!(fs::read(&file).unwrap() == named.body);
    cli(["evidence", "nobody", "--data"])
        .arg(server.path())
        .arg("-o")
        .arg(folder.path().join("n.tar"))
        .run()
        .refused(1, &["no job"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "a refusal leaves nothing behind");
    for query in ["as_of=1", "since=0", "since=x", "since=1000", "unknown=1"] {
        worker.get(&format!("/ledger/jobs/finished/evidence?{query}")).expect(400);
    }
    let many = "since=1&".repeat(17);
    worker.get(&format!("/ledger/jobs/finished/evidence?{many}")).expect(400);
    // The bundle has no data of other jobs.
    let text = String::from_utf8_lossy(&worker.get("/ledger/jobs/finished/evidence").expect(200).body).into_owned();
    assert!(!text.contains("theirs") && !text.contains("hostile"));
}

#[test]
fn redacted_data_is_in_no_bundle_and_each_redaction_is_proven() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    admin.append(&json!(lives())).expect(201);
    let path = |job: &str| format!("/ledger/jobs/{job}/evidence");
    assert!(has(&admin.get(&path("t")).expect(200).body, NAME));
    admin.append(&json!(redactions(0))).expect(201);
    for (job, events) in REDACTED_JOBS.into_iter().zip([8, 4, 2]) {
        let tar = admin.get(&path(job)).expect(200).body;
        assert!(!has(&tar, NAME), "{job}");
        let report = report(&tar, &key(server.path()));
        assert_eq!((&report["erased"], &report["job"]["events"]), (&json!(events), &json!(2 * events)));
        let bundle = Bundle::read(&tar);
        assert_eq!(bundle.text("job.json"), admin.get(&format!("/ledger/jobs/{job}")).expect(200).text());
        assert_eq!(bundle.text("timeline.html").matches("data redacted").count(), events);
        assert_eq!(bundle.text("data.ndjson").lines().filter(|line| *line == "null").count(), events);
        // Without the redaction the data is missing without a reason.
        let mut cut = bundle.clone();
        cut.lines(|lines| drop(lines.pop()));
        assert_eq!(cut.verdict(Some(&key(server.path()))), 6);
    }
}

/// Whether `bytes` have `text` in them.
fn has(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}
