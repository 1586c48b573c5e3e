//! Claims: each pending job goes to one worker, the oldest first; a claim that is sent again gets the same job.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Mutex;
use std::thread;

use jobledger::access::Role;
use jobledger::job::OrgId;
use serde_json::{Value, json};
use ureq::http::Method;
use uuid::Uuid;

use crate::support::cli::{Serving, token};
use crate::support::raw::{connect, head};
use crate::support::until_metric;
use crate::support::{Answer, Client, HandClock, TestServer, completed, event, noted, task_job};

/// A claim of any `task` job, which does not wait.
pub fn a_claim() -> Value {
    json!({"id": Uuid::now_v7(), "kind": "task", "worker": "w", "lease_sec": 60, "wait_sec": 0})
}

/// The claim with another value of a member.
fn with(mut claim: Value, member: &str, value: Value) -> Value {
    claim[member] = value;
    claim
}

pub fn claim(client: &Client, claim: &Value) -> Answer {
    let json = [("content-type", "application/json")];
    client.send(Method::POST, "/ledger/claims", &json, claim.to_string().as_bytes())
}

fn task(job: &str, labels: Value) -> Value {
    let spec = json!({"job_type": "full_sync"});
    event("job.created", job, json!({"kind": "task", "spec": spec, "labels": labels}))
}

#[test]
fn a_claim_starts_the_oldest_job_that_fits_under_a_lease() {
    let clock = HandClock::at("2025-03-01T12:00:00Z");
    let server = TestServer::start_with(clock.clock());
    let worker = server.client(Role::Worker);
    claim(&worker, &a_claim()).expect(204);
    worker.append(&json!([task_job("first"), task_job("second"), noted("first", "a note")])).expect(201);
    let answer = claim(&worker, &a_claim()).expect(201);
    assert_eq!(answer.header("ledger-position"), "4");
    let claimed = answer.json();
    assert_eq!(claimed["job"]["id"], "first");
    assert_eq!(claimed["job"], worker.get("/ledger/jobs/first").expect(200).json());
    let job = &claimed["job"];
    assert_eq!((&job["status"], &job["worker"], &job["lease_sec"]), (&json!("running"), &json!("w"), &json!(60)));
    let until = claimed["lease"]["until"].as_str().unwrap();
    assert!(("2025-03-01T12:00:59".."2025-03-01T12:01:01").contains(&until), "{until}");
    let started = worker.get("/ledger/events/4").expect(200).json();
    assert_eq!(
        (&started["type"], &started["actor"], &started["source"]),
        (&json!("job.started"), &json!("worker"), &json!("ledger"))
    );
    assert_eq!(started["dataschema"], "/schema/events/job.started.v2.json");
    assert_eq!(started["data"], json!({"worker": "w", "lease_sec": 60, "lease_until": "2025-03-01T12:01:00Z"}));
    assert_eq!(claim(&worker, &a_claim()).expect(201).json()["job"]["id"], "second");
    claim(&worker, &a_claim()).expect(204);
}

#[test]
fn kind_type_and_labels_choose_the_job() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let nightly = json!({"kind": "generic", "spec": {"job_type": "nightly"}});
    let jobs = json!([
        task("plain", json!({})),
        task("other", json!({"team": "b"})),
        task("both", json!({"team": "a", "zone": "eu"})),
        event("job.created", "night", nightly),
    ]);
    worker.append(&jobs).expect(201);
    let claimed = |claim_of: Value| claim(&worker, &claim_of).expect(201).json()["job"]["id"].clone();
    let labels = json!({"zone": "eu", "team": "a"});
    assert_eq!(claimed(with(a_claim(), "labels", labels.clone())), "both");
    claim(&worker, &with(a_claim(), "labels", labels)).expect(204);
    claim(&worker, &with(a_claim(), "job_type", json!("incremental_sync"))).expect(204);
    assert_eq!(claimed(with(a_claim(), "job_type", json!("full_sync"))), "plain");
    let generic = with(with(a_claim(), "kind", json!("generic")), "job_type", json!("nightly"));
    assert_eq!(claimed(generic), "night");
    claim(&worker, &with(a_claim(), "kind", json!("rule"))).expect(204);
    // Jobs of another organisation fit no claim.
    let other = Uuid::new_v4().to_string().parse::<OrgId>().unwrap();
    let elsewhere = Client::new(&server.url, Some(&server.token("elsewhere", Role::Worker, other)));
    claim(&elsewhere, &a_claim()).expect(204);
}

#[test]
fn a_claim_that_is_sent_again_gets_the_same_job_and_token_also_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger");
    let (mut serving, token) = (Serving::start(&path), token(&path, "worker"));
    let mut worker = serving.client(&token);
    worker.append(&json!([task_job("a"), task_job("b")])).expect(201);
    let request = a_claim();
    let first = claim(&worker, &request).expect(201).json();
    let again = claim(&worker, &request).expect(201).json();
    assert_eq!((&again["job"], &again["lease"]["token"]), (&first["job"], &first["lease"]["token"]));
    serving.signal("KILL");
    serving.ended();
    let serving = Serving::start(&path);
    worker = serving.client(&token);
    let killed = claim(&worker, &request).expect(201).json();
    assert_eq!((&killed["job"], &killed["lease"]["token"]), (&first["job"], &first["lease"]["token"]));
    let lease = [("ledger-lease", first["lease"]["token"].as_str().unwrap())];
    worker.append_with(&completed("a"), &lease).expect(201);
    let over = claim(&worker, &request).expect(409).json();
    assert_eq!(over["code"], "id-reused");
    assert!(over["detail"].as_str().unwrap().contains("`a`, which has ended"), "{over}");
    assert_eq!(claim(&worker, &a_claim()).expect(201).json()["job"]["id"], "b");
}

#[test]
fn another_worker_does_not_get_the_job_of_an_id() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&json!([task_job("a"), task_job("b")])).expect(201);
    let request = a_claim();
    claim(&worker, &request).expect(201);
    let detail = |answer: Answer| answer.expect(409).json()["detail"].as_str().unwrap().to_owned();
    assert!(detail(claim(&worker, &with(request.clone(), "worker", json!("v")))).contains("for another worker"));
    let other = server.client_named(Role::Worker, "other");
    assert!(detail(claim(&other, &request)).contains("for another token"));
}

#[test]
fn a_claim_waits_for_a_job_and_takes_a_job_at_its_time() {
    let server = TestServer::start();
    let (worker, admin) = (server.client(Role::Worker), server.leading(Role::Admin));
    // Many times, because the claim looks for the job while the commit is being shown to readers.
    for round in 0..30 {
        let late = format!("late-{round}");
        thread::scope(|scope| {
            let waiting = scope.spawn(|| claim(&worker, &with(a_claim(), "wait_sec", json!(60))).expect(201).json());
            until_metric(&admin, "jobledger_claims_open 1");
            worker.append(&task_job(&late)).expect(201);
            assert_eq!(waiting.join().unwrap()["job"]["id"], late);
        });
    }
    let soon = chrono::Utc::now() + chrono::TimeDelta::milliseconds(700);
    let data = json!({"kind": "task", "spec": {"job_type": "full_sync"}, "not_before": soon.to_rfc3339()});
    worker.append(&event("job.created", "held", data)).expect(201);
    claim(&worker, &a_claim()).expect(204);
    let claimed = claim(&worker, &with(a_claim(), "wait_sec", json!(60))).expect(201).json();
    assert_eq!(claimed["job"]["id"], "held");
    assert!(chrono::Utc::now() >= soon, "before its time");
    assert!(claimed["job"]["not_before"].is_string());
}

#[test]
fn many_workers_get_each_job_once_in_order_of_its_type() {
    const WORKERS: usize = 16;
    const JOBS: usize = 400;
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let types = ["full_sync", "incremental_sync"];
    let job = |n: usize| {
        let data = json!({"kind": "task", "spec": {"job_type": types[n % 2]}});
        event("job.created", &format!("job-{n:04}"), data)
    };
    worker.append(&(0..JOBS).map(job).collect()).expect(201);
    let taken = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for n in 0..WORKERS {
            let (taken, worker) = (&taken, &worker);
            scope.spawn(move || {
                let wanted = with(with(a_claim(), "job_type", json!(types[n % 2])), "worker", json!(format!("w{n}")));
                loop {
                    let answer = claim(worker, &with(wanted.clone(), "id", json!(Uuid::now_v7())));
                    if answer.status == 204 {
                        break;
                    }
                    taken.lock().unwrap().push(answer.expect(201).json()["job"]["id"].as_str().unwrap().to_owned());
                }
            });
        }
    });
    let taken = taken.into_inner().unwrap();
    let different: BTreeSet<&String> = taken.iter().collect();
    assert_eq!((taken.len(), different.len()), (JOBS, JOBS));
    // The log has the starts of each type in the order of creation, give or take the claims that were under way together.
    let starts = worker.get("/ledger/events?type=job.started&limit=1000").expect(200).json();
    for rest in 0..2 {
        let ids = starts["events"].as_array().unwrap().iter().map(|event| event["subject"].as_str().unwrap());
        let numbers = ids.map(|id| id[4..].parse::<usize>().unwrap()).filter(|n| n % 2 == rest);
        for (place, number) in numbers.enumerate() {
            assert!((number / 2).abs_diff(place) <= WORKERS, "job {number} at place {place}");
        }
    }
}

#[test]
fn a_wrong_claim_names_the_member() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    for (member, value, pointer) in [
        ("kind", json!("cron"), "/kind"),
        ("kind", json!(1), "/kind"),
        ("id", json!("1"), "/id"),
        ("lease_sec", json!(0), "/lease_sec"),
        ("lease_sec", json!(86401), "/lease_sec"),
        ("lease_sec", json!(-1), "/lease_sec"),
        ("wait_sec", json!(61), "/wait_sec"),
        ("wait_sec", json!(1.5), "/wait_sec"),
        ("worker", json!(""), "/worker"),
        ("worker", json!("x".repeat(129)), "/worker"),
        ("worker", json!("a\nb"), "/worker"),
        ("job_type", json!("a b"), "/job_type"),
        ("labels", json!({"a": 1}), "/labels/a"),
        ("urgent", json!(true), "/urgent"),
    ] {
        let problem = claim(&worker, &with(a_claim(), member, value.clone())).expect(422).json();
        assert_eq!((&problem["code"], &problem["pointer"]), (&json!("invalid"), &json!(pointer)), "{member} {value}");
    }
    let mut short = a_claim();
    short.as_object_mut().unwrap().remove("wait_sec");
    assert!(claim(&worker, &short).expect(422).json()["detail"].as_str().unwrap().contains("wait_sec"));
    let post = |content_type, body: &[u8]| {
        worker.send(Method::POST, "/ledger/claims", &[("content-type", content_type)], body)
    };
    post("text/plain", a_claim().to_string().as_bytes()).expect(415);
    post("application/json", b"{").expect(400);
    post("application/json", &[b' '; 17 << 10]).expect(413);
    claim(&server.client(Role::Viewer), &a_claim()).expect(403);
    claim(&server.client(Role::Auditor), &a_claim()).expect(403);
    claim(&server.anonymous(), &a_claim()).expect(401);
}

#[test]
fn a_claim_whose_client_goes_away_starts_no_job() {
    let server = TestServer::start();
    let (worker, admin) = (server.client(Role::Worker), server.leading(Role::Admin));
    worker.append(&task_job("a")).expect(201);
    claim(&worker, &a_claim()).expect(201);
    for round in 0..5 {
        let body = with(a_claim(), "wait_sec", json!(60)).to_string();
        let more = format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
        let mut gone = connect(&server.url);
        let head = head("POST /ledger/claims", worker.token.as_deref().unwrap(), &more);
        gone.write_all((head + &body).as_bytes()).unwrap();
        until_metric(&admin, "jobledger_claims_open 1");
        drop(gone);
        until_metric(&admin, "jobledger_claims_open 0");
        let job = format!("late-{round}");
        worker.append(&task_job(&job)).expect(201);
        assert_eq!(claim(&worker, &a_claim()).expect(201).json()["job"]["id"], job);
    }
}

#[test]
fn a_stopping_server_ends_claims_that_wait() {
    let mut server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&task_job("a")).expect(201);
    claim(&worker, &a_claim()).expect(201);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| claim(&worker, &with(a_claim(), "wait_sec", json!(60))));
        until_metric(&server.leading(Role::Admin), "jobledger_claims_open 1");
        server.tell_to_stop();
        assert_eq!(waiting.join().unwrap().expect(503).json()["code"], "stopping");
    });
    server.stop();
}
