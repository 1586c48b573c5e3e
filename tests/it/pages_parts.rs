//! The pages beside the page of a job: its older events and lines, two of its moments, its proofs, and the numbers of the list.

use jobledger::access::Role;
use jobledger::http::{HttpOptions, OnceLink};
use serde_json::{Value, json};
use ureq::http::Method;

use crate::support::bundles::Bundle;
use crate::support::wait::until_some;
use crate::support::{Client, TestServer, event, output, result};

const JOB: &str = "long";

/// A server with a job of 253 events, of which two are failures, and a client that reads its pages.
fn server() -> (TestServer, Client) {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let created = event("job.created", JOB, json!({"kind": "generic", "spec": {"job_type": "sync"}}));
    worker.append(&json!([created, event("job.started", JOB, json!({}))])).expect(201);
    let progress = |n: usize| event("job.progress", JOB, json!({"current_step": format!("step {n}.")}));
    worker.append(&(1..=248).map(progress).collect()).expect(201);
    let lines: String = (1..=2500).map(|n| format!("line {n}.\n")).collect();
    let exit = json!({"exit_code": 3, "execution_time_sec": 9});
    worker
        .append(&json!([result(JOB, "a", "failed"), output(JOB, &lines), event("job.hook_output", JOB, exit)]))
        .expect(201);
    let viewer = server.client(Role::Viewer);
    (server, viewer)
}

#[track_caller]
fn page(client: &Client, path: &str) -> String {
    client.get(path).expect(200).text()
}

/// The path of the link with this attribute.
#[track_caller]
fn link(page: &str, attribute: &str) -> String {
    let before = page.split(&format!("\" {attribute}>")).next().unwrap();
    assert!(before.len() < page.len(), "no link {attribute}: {page}");
    before.rsplit("href=\"").next().unwrap().replace("&#38;", "&").replace("&amp;", "&")
}

#[test]
fn the_timeline_goes_back_to_the_first_event() {
    let (_server, viewer) = server();
    let (mut shown, mut path) = (page(&viewer, "/jobs/long"), String::new());
    let mut found = 0;
    for _ in 0..3 {
        found += shown.matches("<li id=\"p").count();
        if !shown.contains("data-older>") {
            break;
        }
        path = link(&shown, "data-older");
        shown = page(&viewer, &path);
    }
    assert_eq!(found, 253, "{path}");
    assert!(shown.contains("job.created") && !shown.contains("data-older>"));
}

#[test]
fn the_timeline_shows_one_type_or_failures_alone() {
    let (_server, viewer) = server();
    let failures = page(&viewer, "/jobs/long/events?failures=1&type=");
    assert_eq!(failures.matches("<li id=\"p").count(), 2, "{failures}");
    assert!(failures.contains("exit code 3 after 9 s") && failures.contains("a failed"));
    let started = page(&viewer, "/jobs/long/events?type=job.started");
    assert_eq!(started.matches("<li id=\"p").count(), 1);
    let progress = page(&viewer, "/jobs/long/events?type=job.progress");
    assert!(link(&progress, "data-older").contains("type=job.progress&as_of="));
    assert!(page(&viewer, "/jobs/long/events?as_of=2&failures=1").contains("No event matches"));
    let newer = page(&viewer, "/jobs/long/events?after=250");
    assert_eq!(newer.matches("<li id=\"p").count(), 3);
    for wrong in ["type=odd", "failures=2", "as_of=x", "after=x", "odd=1"] {
        viewer.get(&format!("/jobs/long/events?{wrong}")).expect(400);
    }
    viewer.get("/jobs/none/events").expect(404);
}

/// The rows of changes in the entry of an event.
#[track_caller]
fn changes(page: &str, position: u64) -> Vec<&str> {
    let entry = page.split(&format!("<li id=\"p{position}\"")).nth(1).unwrap_or_else(|| panic!("no entry: {page}"));
    entry.split("</li>").next().unwrap().lines().filter(|line| line.starts_with("<tr>")).collect()
}

#[test]
fn the_timeline_shows_what_each_event_changed_as_the_evidence_bundle_does() {
    let (_server, viewer) = server();
    let bundle = Bundle::read(&viewer.get("/ledger/jobs/long/evidence").expect(200).body).text("timeline.html");
    let (job, early) = (page(&viewer, "/jobs/long"), page(&viewer, "/jobs/long/events?as_of=40"));
    for (page, position) in [(&job, 253), (&job, 251), (&job, 250), (&job, 200), (&early, 40), (&early, 2)] {
        let shown = changes(page, position);
        assert!(!shown.is_empty() && shown == changes(&bundle, position), "{position}: {shown:?}");
    }
    let step = "<tr><th scope=\"row\">current_step</th><td><code>&quot;step 37.&quot;</code> <span class=\"to\">→</span> \
                <code>&quot;step 38.&quot;</code></td></tr>";
    assert_eq!(changes(&early, 40), [step]);
    // A filter hides events, and not what they changed.
    let results = page(&viewer, "/jobs/long/events?type=job.item_result");
    assert_eq!(changes(&results, 251), changes(&job, 251));
}

#[test]
fn older_lines_are_a_page_of_their_own() {
    let (_server, viewer) = server();
    let job = page(&viewer, "/jobs/long");
    assert!(job.contains("line 2500.") && job.contains("line 1501.") && !job.contains("line 1500."));
    let older = page(&viewer, &link(&job, "data-older-lines"));
    assert!(older.contains("line 1500.") && older.contains("line 501.") && !older.contains("line 1501."));
    assert!(older.contains("id=\"L1500\" href=\"#L1500\""));
    let oldest = page(&viewer, &format!("/jobs/long/output{}", link(&older, "data-older-lines")));
    assert!(oldest.contains("line 1.\n") && !oldest.contains("data-older-lines"));
    viewer.get("/jobs/long/output?as_of=2").expect(404);
    viewer.get("/jobs/long/output?before=x").expect(400);
}

#[test]
fn two_moments_are_compared() {
    let (_server, viewer) = server();
    let two = page(&viewer, "/jobs/long/diff?from=3&to=5");
    assert!(two.contains("<del>step 1.</del>") && two.contains("<mark>step 3.</mark>"), "{two}");
    assert!(two.contains("href=\"/jobs/long?as_of=5&amp;\">5</a> job.progress"), "{two}");
    assert!(page(&viewer, "/jobs/long/diff?from=5&to=").contains("item a"), "an empty end means now");
    assert!(page(&viewer, "/jobs/long/diff?from=5&to=5").contains("No field of the job differs"));
    viewer.get("/jobs/long/diff?from=5&to=3").expect(400);
    viewer.get("/jobs/long/diff").expect(400);
}

#[test]
fn the_list_counts_the_jobs_in_each_state_under_its_filters() {
    let (server, viewer) = server();
    let worker = server.client_named(Role::Worker, "second");
    for job in ["one", "two"] {
        worker.append(&event("job.created", job, json!({"kind": "generic", "spec": {"job_type": "x"}}))).expect(201);
    }
    let number = |page: &str, state: &str| {
        let rest = page.split(&format!("data-count=\"{state}\"")).nth(1).unwrap().to_owned();
        rest.split("<b>").nth(1).unwrap().split('<').next().unwrap().to_owned()
    };
    let all = page(&viewer, "/");
    assert_eq!([number(&all, ""), number(&all, "running"), number(&all, "pending")], ["3", "1", "2"]);
    let filtered = page(&viewer, "/?job_type=x&status=running&quiet_for=");
    assert_eq!([number(&filtered, ""), number(&filtered, "running"), number(&filtered, "pending")], ["2", "0", "2"]);
    assert!(filtered.contains("href=\"/?job_type=x&#38;status=pending\""), "{filtered}");
    assert!(filtered.contains("data-count=\"running\" aria-current=\"page\""));
    let folded = page(&viewer, "/?order=oldest&ended_before=2030-01-01T00:00:00Z");
    assert!(folded.contains("<details open>") && folded.contains("value=\"2030-01-01T00:00:00Z\""));
    assert!(!folded.contains("data-follow"), "a list of the oldest jobs is not live");
    assert!(page(&viewer, "/?quiet_for=1d").contains("No job matches"));
    assert!(!all.contains("data-bulk"), "only an administrator cancels many");
    assert!(page(&server.client(Role::Admin), "/").contains("data-bulk"));
}

#[test]
fn the_page_for_auditors_shows_what_was_signed_and_leads_to_the_proofs() {
    let (server, viewer) = server();
    let audit = page(&viewer, "/audit?job=long");
    let checkpoint = viewer.get("/ledger/checkpoint").expect(200).text();
    let origin = checkpoint.lines().next().unwrap();
    assert!(audit.contains(checkpoint.lines().nth(2).unwrap()) && audit.contains(origin), "{audit}");
    for path in ["/ledger/jobs/long/evidence?", "/ledger/events/253/proof", "/ledger/jobs/long?"] {
        assert!(audit.contains(&format!("href=\"{path}\"")), "{path}: {audit}");
    }
    assert!(page(&viewer, "/audit").contains("What this cannot prove"));
    viewer.get("/audit?job=none").expect(404);
    viewer.get("/audit?odd=1").expect(400);
    assert_eq!(server.anonymous().get("/audit").expect(303).header("location"), "/sign-in?next=%2Faudit");
}

#[test]
fn a_link_signs_one_browser_in_and_no_second_one() {
    let once = OnceLink::new();
    let server = TestServer::serving(HttpOptions { once: Some(once.clone()), ..HttpOptions::default() });
    let anyone = server.anonymous();
    let refused = |path: &str| {
        let answer = anyone.get(path).expect(303);
        assert_eq!(answer.header("location"), "/sign-in?failed=opened", "{path}");
        assert_eq!(answer.header("set-cookie"), "", "{path}");
    };
    refused(&once.path());
    once.give(server.client(Role::Viewer).token.unwrap());
    refused("/sign-in/00000000000000000000000000000000");
    let opened = anyone.get(&once.path()).expect(303);
    assert_eq!(opened.header("location"), "/");
    let cookie = opened.header("set-cookie").split(';').next().unwrap();
    let list: Value = anyone.get_with("/ledger/jobs", &[("cookie", cookie)]).expect(200).json();
    assert_eq!(list["jobs"], json!([]));
    refused(&once.path());
    assert!(page(&anyone, "/sign-in?failed=opened").contains("was opened before"));
}

#[test]
fn administrators_see_the_webhooks_and_others_are_not_offered_them() {
    let server = TestServer::start();
    let (admin, viewer) = (server.client(Role::Admin), server.client(Role::Viewer));
    assert!(page(&admin, "/webhooks").contains("No receiver is told of events"));
    let body = json!({"url": "https://receiver.example/hook", "types": ["job.failed"], "kind": "task"}).to_string();
    let json = [("content-type", "application/json")];
    let added = admin.send(Method::POST, "/ledger/webhooks", &json, body.as_bytes()).expect(201).json();
    let shown = page(&admin, "/webhooks");
    for text in ["https://receiver.example/hook", "job.failed of task jobs", "active", added["id"].as_str().unwrap()] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    assert!(!shown.contains(added["secret"].as_str().unwrap()));
    assert!(page(&admin, "/").contains("href=\"/webhooks\"") && !page(&viewer, "/").contains("/webhooks"));
    assert!(viewer.get("/webhooks").expect(403).text().contains("webhooks need the role admin"));
}

#[test]
fn a_job_shows_its_worker_its_lease_and_its_retries() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let spec = json!({"job_type": "sync"});
    let retry = json!({"max": 2, "backoff_sec": 0});
    let created = event("job.created", "first", json!({"kind": "generic", "spec": spec, "retry": retry}));
    let started = event("job.started", "first", json!({"worker": "host-7", "lease_sec": 60}));
    let answer = worker.append(&json!([created, started])).expect(201).json();
    let shown = page(&worker, "/jobs/first");
    for text in ["host-7", "60 s after each report, ", " s left", "2 left, the next after 0 s"] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    let lease = [("ledger-lease", answer["events"][1]["lease"]["token"].as_str().unwrap())];
    worker.append_with(&event("job.failed", "first", json!({"message": "no"})), &lease).expect(201);
    let next = until_some("the retry", || {
        let job = worker.get("/ledger/jobs/first").expect(200).json();
        job["retried_as"].as_str().map(str::to_owned)
    });
    let shown = page(&worker, "/jobs/first");
    assert!(shown.contains(&format!("href=\"/jobs/{next}\">{next}</a>")), "{shown}");
    assert!(!shown.contains("Repeat the job"), "it is repeated already");
    assert!(page(&worker, &format!("/jobs/{next}")).contains("href=\"/jobs/first\">first</a>"));
    worker.append(&event("job.cancelled", &next, json!({}))).expect(201);
    assert!(page(&worker, &format!("/jobs/{next}")).contains("Repeat the job"));
}
