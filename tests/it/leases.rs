//! Leases: only the holder reports; a lease that runs out ends the job; the ledger's own outage ends none.

use std::time::{Duration, Instant};

use jobledger::access::Role;
use jobledger::ledger::Options;
use serde_json::{Value, json};
use ureq::http::Method;

use crate::claims::{a_claim, claim};
use crate::support::wait::until_some;
use crate::support::{
    Answer, Client, TestServer, completed, event, named, noted, output, processed, result, started, task_job,
};

/// `job.started` by the worker `w` with a lease of so many seconds.
fn leased(job: &str, seconds: u32) -> Value {
    event("job.started", job, json!({"worker": "w", "lease_sec": seconds}))
}

/// Starts the job `job` under a lease, and returns the lease's token.
fn start(worker: &Client, job: &str, seconds: u32) -> String {
    let answer = worker.append(&json!([task_job(job), leased(job, seconds)])).expect(201).json();
    assert!(answer["events"][0].get("lease").is_none());
    answer["events"][1]["lease"]["token"].as_str().unwrap().to_owned()
}

fn report(worker: &Client, event: &Value, token: &str) -> Answer {
    worker.append_with(event, &[("ledger-lease", token)])
}

fn renew(worker: &Client, job: &str, token: &str) -> Answer {
    worker.send(Method::PUT, &format!("/ledger/jobs/{job}/lease"), &[("ledger-lease", token)], b"")
}

fn ended(client: &Client, job: &str) -> Value {
    until_some("the end of the job", || {
        let job = client.get(&format!("/ledger/jobs/{job}")).expect(200).json();
        (job["status"] != "running").then_some(job)
    })
}

#[test]
fn only_the_holder_of_the_token_reports() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let token = start(&worker, "a", 60);
    let other = start(&worker, "b", 60);
    for event in [processed("a", 1), result("a", "x", "running"), output("a", "x"), completed("a"), started("a")] {
        for answer in [worker.append(&event), report(&worker, &event, &other), report(&worker, &event, &forged(&token))]
        {
            let problem = answer.expect(409).json();
            assert_eq!((&problem["code"], &problem["state"]), (&json!("lease-lost"), &json!("running")), "{event}");
            assert_eq!(problem["position"], 2);
        }
    }
    worker.append(&noted("a", "from another worker")).expect(201);
    report(&worker, &json!([processed("a", 1), noted("b", "a note on another job")]), &token).expect(201);
    report(&worker, &json!([processed("a", 2), processed("b", 2)]), &token).expect(409);
    report(&worker, &completed("a"), &token).expect(201);
    worker.append(&event("job.cancelled", "b", json!({}))).expect(201);
    // The holder of the lease of a cancelled job learns the state, as every late reporter does.
    let problem = report(&worker, &completed("b"), &other).expect(409).json();
    assert_eq!((&problem["code"], &problem["state"]), (&json!("lifecycle"), &json!("cancelled")));
    // A job without a lease takes no report under a token.
    worker.append(&json!([task_job("c"), started("c")])).expect(201);
    assert_eq!(report(&worker, &processed("c", 1), &token).expect(409).json()["code"], "lease-lost");
    for wrong in ["", "jll_", "jll_2_00", &token[..token.len() - 1]] {
        let problem = report(&worker, &processed("c", 1), wrong).expect(400).json();
        assert!(problem["detail"].as_str().unwrap().contains("`Ledger-Lease`"), "{wrong}");
    }
}

/// The token with its last digit changed.
fn forged(token: &str) -> String {
    let last = if token.ends_with('0') { "1" } else { "0" };
    format!("{}{last}", &token[..token.len() - 1])
}

#[test]
fn one_append_may_begin_a_lease_and_report_under_it() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let events = json!([task_job("a"), leased("a", 60), processed("a", 5), completed("a")]);
    let answer = worker.append(&events).expect(201).json();
    assert!(answer["events"][1].get("lease").is_none(), "the lease is over: {answer}");
    let events = json!([task_job("b"), leased("b", 60), processed("b", 5)]);
    let first = worker.append(&events).expect(201).json()["events"][1]["lease"]["token"].clone();
    let again = worker.append(&events).expect(200).json()["events"][1]["lease"]["token"].clone();
    assert_eq!(first, again);
    // A duplicate wins over the lease: the worker that repeats a report gets its answer.
    let event = named("once", processed("b", 6));
    report(&worker, &event, first.as_str().unwrap()).expect(201);
    worker.append(&event).expect(200);
}

#[test]
fn a_lease_that_runs_out_ends_the_job_truthfully() {
    let server = TestServer::start();
    let (worker, viewer) = (server.client(Role::Worker), server.client(Role::Viewer));
    let token = start(&worker, "a", 1);
    let mut tail = viewer.tail("/ledger/jobs/a/events?after=2", &[]);
    let failed = tail.event().json();
    assert_eq!(failed["data"], json!({"message": "worker w was lost: no report for 1 s"}));
    assert_eq!(
        (&failed["type"], &failed["actor"], &failed["source"]),
        (&json!("job.failed"), &json!("ledger"), &json!("ledger"))
    );
    let job = viewer.get("/ledger/jobs/a").expect(200).json();
    assert_eq!((&job["status"], &job["worker"], &job["worker_lost"]), (&json!("failed"), &json!("w"), &json!(true)));
    for answer in [report(&worker, &processed("a", 1), &token), renew(&worker, "a", &token)] {
        let problem = answer.expect(409).json();
        assert_eq!((&problem["code"], &problem["state"]), (&json!("lease-lost"), &json!("failed")));
        assert_eq!(problem["position"], 3);
    }
    assert!(
        server.leading(Role::Admin).get("/metrics").expect(200).text().contains("jobledger_workers_lost_total 1\n")
    );
}

#[test]
fn reports_and_renewals_keep_a_lease_and_notes_do_not() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let (token, begun) = (start(&worker, "a", 2), Instant::now());
    // Longer than the lease, in steps that are shorter.
    while begun.elapsed() < Duration::from_secs(3) {
        std::thread::sleep(Duration::from_millis(250));
        renew(&worker, "a", &token).expect(204);
    }
    while begun.elapsed() < Duration::from_secs(6) {
        std::thread::sleep(Duration::from_millis(250));
        report(&worker, &processed("a", 1), &token).expect(201);
    }
    let reported = Instant::now();
    let job = until_some("the end of the job", || {
        worker.append(&noted("a", "still there?")).expect(201);
        let job = worker.get("/ledger/jobs/a").expect(200).json();
        (job["status"] == "failed").then_some(job)
    });
    assert!(reported.elapsed() >= Duration::from_millis(1900), "{job}");
}

#[test]
fn a_restart_gives_every_lease_its_full_time_again() {
    let mut server = TestServer::start();
    let worker = server.client(Role::Worker);
    let token = start(&worker, "a", 3);
    let over = start(&worker, "b", 60);
    report(&worker, &completed("b"), &over).expect(201);
    server.stop();
    std::thread::sleep(Duration::from_secs(3));
    server.restart();
    let (started, worker) = (Instant::now(), worker.at(&server.url));
    renew(&worker, "a", &token).expect(204);
    assert_eq!(renew(&worker, "b", &over).expect(409).json()["state"], "completed");
    report(&worker, &processed("a", 1), &token).expect(201);
    let job = ended(&worker, "a");
    assert_eq!(job["message"], "worker w was lost: no report for 3 s");
    assert!(started.elapsed() >= Duration::from_millis(2900));
}

#[test]
fn a_renewal_needs_the_token_and_the_right() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let token = start(&worker, "a", 60);
    renew(&worker, "a", &token).expect(204);
    assert_eq!(renew(&worker, "a", &forged(&token)).expect(409).json()["code"], "lease-lost");
    worker.send(Method::PUT, "/ledger/jobs/a/lease", &[], b"").expect(400);
    renew(&worker, "nothing", &token).expect(404);
    renew(&worker, "a", "jll").expect(400);
    renew(&server.client(Role::Viewer), "a", &token).expect(403);
    renew(&server.anonymous(), "a", &token).expect(401);
}

#[test]
fn wrong_leases_are_refused_with_the_member() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&task_job("a")).expect(201);
    for (data, pointer) in [
        (json!({"lease_sec": 5}), "/data/worker"),
        (json!({"worker": "w", "lease_sec": 0}), "/data/lease_sec"),
        (json!({"worker": "w", "lease_sec": 86401}), "/data/lease_sec"),
        (json!({"worker": "", "lease_sec": 5}), "/data/worker"),
        (json!({"worker": "w", "lease_until": "2025-03-01T00:00:00Z"}), "/data/lease_sec"),
    ] {
        let problem = worker.append(&event("job.started", "a", data.clone())).expect(422).json();
        assert_eq!(problem["pointer"], pointer, "{data}");
    }
    let problem = worker.append(&event("job.retried", "a", json!({"retried_as": "b"}))).expect(422).json();
    assert_eq!(problem["pointer"], "/type");
}

#[test]
fn a_killed_worker_of_many_leaves_no_job_running() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let jobs: Vec<Value> = (0..100).map(|n| task_job(&format!("job-{n}"))).collect();
    worker.append(&json!(jobs)).expect(201);
    for _ in 0..100 {
        let mut wanted = a_claim();
        wanted["lease_sec"] = json!(1);
        claim(&worker, &wanted).expect(201);
    }
    let counts = until_some("the end of all jobs", || {
        let counts = worker.get("/ledger/jobs/counts").expect(200).json();
        (counts["running"] == 0).then_some(counts)
    });
    assert_eq!(counts["failed"], 100);
}

#[test]
fn stale_after_ends_jobs_without_a_lease() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { create: true, stale_after: Some("2s".parse().unwrap()), ..Options::default() };
    let server = TestServer::open(&folder.path().join("ledger"), options);
    let worker = server.client(Role::Worker);
    worker.append(&json!([task_job("a"), started("a"), task_job("pending")])).expect(201);
    let token = start(&worker, "leased", 60);
    let job = ended(&worker, "a");
    assert_eq!((&job["status"], &job["message"]), (&json!("failed"), &json!("no report for 2 s")));
    assert_eq!(worker.get("/ledger/jobs/pending").expect(200).json()["status"], "pending");
    report(&worker, &processed("leased", 1), &token).expect(201);
}
