//! Jobs that lists find by their end, their canceller and their silence, in both orders, and the counts of the same filters.

use jobledger::access::Role;
use jobledger::job::OrgId;
use serde_json::{Value, json};

use crate::support::cli::cli;
use crate::support::redactions::redacted;
use crate::support::{
    Client, HandClock, TestServer, at, completed, event, named, noted, rule_job, started, task_job, with,
};

const MINUTE: i64 = 60_000_000;
const STATES: [&str; 5] = ["pending", "running", "completed", "failed", "cancelled"];

fn ids(page: &Value) -> Vec<String> {
    page["jobs"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect()
}

/// The ids of a list, and the counts of the same filters.
fn found(client: &Client, filter: &str) -> (Vec<String>, Value) {
    let list = client.get(&format!("/ledger/jobs?{filter}")).expect(200).json();
    (ids(&list), counted(client, filter))
}

fn counted(client: &Client, filter: &str) -> Value {
    client.get(&format!("/ledger/jobs/counts?{filter}")).expect(200).json()
}

/// Pending, running, completed, failed, cancelled, in the order of [`STATES`].
fn counts(jobs: [u64; 5]) -> Value {
    STATES
        .iter()
        .zip(jobs)
        .map(|(state, jobs)| ((*state).to_owned(), json!(jobs)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn cancelled(job: &str) -> Value {
    event("job.cancelled", job, json!({"reason": "enough"}))
}

fn failed(job: &str) -> Value {
    event("job.failed", job, json!({"message": "no"}))
}

/// Six jobs, a minute apart from noon on. Each ends at the minute after its creation, but for those that run.
fn six_jobs(clock: &HandClock, worker: &Client, admin: &Client) {
    let labelled = |job: &str| json!({"kind": "task", "spec": {"job_type": "full_sync"}, "created_by": "ann", "labels": {"env": job}});
    worker.append(&json!([event("job.created", "done", labelled("a")), started("done")])).expect(201);
    clock.pass(MINUTE);
    worker.append(&json!([completed("done"), task_job("broken")])).expect(201);
    clock.pass(MINUTE);
    worker.append(&json!([failed("broken"), rule_job("stopped", &["one"])])).expect(201);
    clock.pass(MINUTE);
    admin
        .append(&json!([cancelled("stopped"), event("job.created", "runs", labelled("a")), started("runs")]))
        .expect(201);
    clock.pass(MINUTE);
    worker.append(&json!([task_job("dropped"), started("dropped")])).expect(201);
    clock.pass(MINUTE);
    worker.append(&json!([cancelled("dropped"), task_job("waits")])).expect(201);
}

#[test]
fn each_filter_selects_its_jobs_and_counts_them() {
    let clock = HandClock::new();
    let server = TestServer::start_with(clock.clock());
    let (worker, admin) = (server.client(Role::Worker), server.client(Role::Admin));
    six_jobs(&clock, &worker, &admin);
    let filters: &[(&str, &[&str], [u64; 5])] = &[
        ("", &["waits", "dropped", "runs", "stopped", "broken", "done"], [1, 1, 1, 1, 2]),
        ("status=cancelled", &["dropped", "stopped"], [0, 0, 0, 0, 2]),
        ("kind=task", &["waits", "dropped", "runs", "broken", "done"], [1, 1, 1, 1, 1]),
        ("kind=task&status=failed", &["broken"], [0, 0, 0, 1, 0]),
        ("kind=rule", &["stopped"], [0, 0, 0, 0, 1]),
        ("kind=dbrole", &[], [0; 5]),
        ("job_type=full_sync", &["waits", "dropped", "runs", "broken", "done"], [1, 1, 1, 1, 1]),
        ("job_type=full_sync&kind=rule", &[], [0; 5]),
        ("job_type=full_sync&kind=task&status=running", &["runs"], [0, 1, 0, 0, 0]),
        ("created_by=ann", &["runs", "done"], [0, 1, 1, 0, 0]),
        ("created_by=ann&kind=task&status=completed", &["done"], [0, 0, 1, 0, 0]),
        ("created_by=ann&kind=rule", &[], [0; 5]),
        ("label=env:a", &["runs", "done"], [0, 1, 1, 0, 0]),
        ("label=env:a&status=running&kind=task", &["runs"], [0, 1, 0, 0, 0]),
        ("id_prefix=d", &["dropped", "done"], [0, 0, 1, 0, 1]),
        ("cancelled_by=admin", &["stopped"], [0, 0, 0, 0, 1]),
        ("cancelled_by=worker", &["dropped"], [0, 0, 0, 0, 1]),
        ("cancelled_by=worker&kind=rule", &[], [0; 5]),
        ("cancelled_by=worker&status=running", &[], [0; 5]),
        ("cancelled_by=ann", &[], [0; 5]),
        // Strictly after and before, to the instant.
        ("ended_after=2025-03-01T12:03:00Z", &["dropped"], [0, 0, 0, 0, 1]),
        ("ended_before=2025-03-01T12:03:00Z", &["broken", "done"], [0, 0, 1, 1, 0]),
        (
            "ended_after=2025-03-01T12:02:59.999999Z&ended_before=2025-03-01T12:03:00.000001Z",
            &["stopped"],
            [0, 0, 0, 0, 1],
        ),
        ("ended_after=2025-03-01T13:01:30%2B01:00&kind=task", &["dropped", "broken"], [0, 0, 0, 1, 1]),
        (
            "created_after=2025-03-01T12:01:00Z&created_before=2025-03-01T12:04:00Z",
            &["runs", "stopped"],
            [0, 1, 0, 0, 1],
        ),
        ("created_after=2025-03-01T12:01:00Z&cancelled_by=worker&id_prefix=dr", &["dropped"], [0, 0, 0, 0, 1]),
        ("quiet_for=2m", &["runs"], [0, 1, 0, 0, 0]),
        ("quiet_for=120s&kind=task&label=env:a", &["runs"], [0, 1, 0, 0, 0]),
        ("quiet_for=121s", &[], [0; 5]),
        ("quiet_for=2m&status=completed", &[], [0; 5]),
    ];
    for (filter, jobs, states) in filters {
        assert_eq!(
            found(&worker, filter),
            (jobs.iter().map(|id| (*id).to_owned()).collect(), counts(*states)),
            "{filter}"
        );
        let oldest = worker.get(&format!("/ledger/jobs?order=oldest&{filter}")).expect(200).json();
        assert_eq!(ids(&oldest), jobs.iter().rev().copied().collect::<Vec<_>>(), "oldest: {filter}");
    }
}

#[test]
fn a_job_becomes_quiet_without_an_event() {
    let clock = HandClock::new();
    let server = TestServer::start_with(clock.clock());
    let worker = server.client(Role::Worker);
    let quiet = || found(&worker, "quiet_for=15m").0;
    // The time of recording counts, not the time that the worker gives.
    let long_ago = with(task_job("a"), "time", json!("2025-02-01T00:00:00Z"));
    worker.append(&json!([long_ago, at("2025-02-01T00:00:00Z", started("a")), task_job("pending")])).expect(201);
    assert_eq!(quiet(), [""; 0]);
    clock.pass(15 * MINUTE - 1);
    assert_eq!(quiet(), [""; 0]);
    clock.pass(1);
    assert_eq!((quiet(), counted(&worker, "quiet_for=15m")["running"].clone()), (vec!["a".to_owned()], json!(1)));
    assert_eq!(worker.get("/ledger/jobs/a").expect(200).json()["last_event_at"], "2025-03-01T12:00:00.000000Z");
    worker.append(&noted("a", "still here")).expect(201);
    assert_eq!(quiet(), [""; 0]);
    let entry = worker.get("/ledger/jobs").expect(200).json()["jobs"][1].clone();
    assert_eq!((entry["id"].as_str(), &entry["last_event_at"]), (Some("a"), &json!("2025-03-01T12:15:00.000000Z")));
    let then = worker.get("/ledger/jobs/a?as_of=2").expect(200).json();
    assert_eq!(then["last_event_at"], "2025-03-01T12:00:00.000000Z");
    clock.pass(16 * MINUTE);
    assert_eq!(quiet(), ["a"]);
    worker.append(&completed("a")).expect(201);
    assert_eq!(quiet(), [""; 0]);
}

#[test]
fn the_oldest_jobs_come_page_by_page() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let jobs: Vec<Value> = (0..7).map(|n| task_job(&format!("job-{n}"))).collect();
    worker.append(&Value::Array(jobs)).expect(201);
    let page = |query: &str| worker.get(&format!("/ledger/jobs?{query}")).expect(200).json();
    let first = page("order=oldest&first=3");
    assert_eq!(ids(&first), ["job-0", "job-1", "job-2"]);
    let cursor = first["next"].as_str().unwrap();
    let second = page(&format!("order=oldest&first=4&after={cursor}"));
    assert_eq!((ids(&second).join(" "), &second["next"]), ("job-3 job-4 job-5 job-6".into(), &Value::Null));
    let problem = worker.get(&format!("/ledger/jobs?after={cursor}")).expect(400).json();
    assert!(problem["detail"].as_str().unwrap().contains("same filters"), "{problem}");
    assert_eq!(page("order=newest&first=1"), page("first=1"));
}

#[test]
fn a_wrong_filter_is_refused_by_name() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    for (query, said) in [
        ("quiet_for=15", "expected a whole number from 1 with its unit, s, m, h or d, such as `15m`"),
        ("quiet_for=0m", "expected a whole number from 1"),
        ("quiet_for=4000d", "at most 3650d"),
        ("ended_after=yesterday", "expected an RFC 3339 time"),
        ("ended_before=2025", "expected an RFC 3339 time"),
        ("cancelled_by=a&cancelled_by=b", "expected at most once"),
    ] {
        for path in ["/ledger/jobs", "/ledger/jobs/counts"] {
            let problem = worker.get(&format!("{path}?{query}")).expect(400).json();
            let start = format!("parameter `{}`: ", query.split('=').next().unwrap());
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.starts_with(&start) && detail.contains(said), "{path}?{query}: {detail}");
        }
    }
    let problem = worker.get("/ledger/jobs?order=up").expect(400).json();
    assert_eq!(problem["detail"], "parameter `order`: expected `newest` or `oldest`, found `up`");
    for name in ["order=oldest", "first=1", "after=x", "as_of=1"] {
        let problem = worker.get(&format!("/ledger/jobs/counts?{name}")).expect(400).json();
        assert!(problem["detail"].as_str().unwrap().contains("unknown here"), "{name}");
    }
}

#[test]
fn counts_follow_every_change_and_a_rebuild_gives_the_same() {
    let server = TestServer::start();
    let (worker, admin) = (server.client(Role::Worker), server.client(Role::Admin));
    let ann = json!({"kind": "task", "spec": {"job_type": "full_sync"}, "created_by": "ann"});
    admin.append(&json!([event("job.created", "a", ann.clone()), event("job.created", "b", ann)])).expect(201);
    assert_eq!(counted(&worker, "created_by=ann"), counts([2, 0, 0, 0, 0]));
    admin.append(&json!([started("a"), task_job("c"), started("c"), completed("c")])).expect(201);
    assert_eq!(counted(&worker, ""), counts([1, 1, 1, 0, 0]));
    admin.append(&json!([cancelled("a"), cancelled("b")])).expect(201);
    assert_eq!(counted(&worker, "cancelled_by=admin"), counts([0, 0, 0, 0, 2]));
    // A redaction of the first event changes the creator.
    admin.append(&redacted("a", 1)).expect(201);
    assert_eq!(counted(&worker, "created_by=ann"), counts([0, 0, 0, 0, 1]));
    assert_eq!(counted(&worker, ""), counts([0, 0, 1, 0, 2]));
    let filters = ["", "kind=task", "job_type=full_sync", "created_by=ann", "cancelled_by=admin"];
    let before: Vec<Value> = filters.iter().map(|filter| counted(&worker, filter)).collect();
    let answer = worker.get("/ledger/jobs/counts").expect(200);
    assert_eq!(answer.header("ledger-position"), admin.head().to_string());
    admin.send(ureq::http::Method::POST, "/ledger/rebuild", &[], b"").expect(200);
    assert_eq!(filters.iter().map(|filter| counted(&worker, filter)).collect::<Vec<_>>(), before);
    let verify = cli(["verify", "db"]).arg(server.path()).run();
    assert!(!verify.stdout.contains("count"), "{}", verify.stdout);
}

#[test]
fn an_organisation_counts_its_own_jobs_and_an_auditor_those_of_all() {
    let server = TestServer::start();
    let other = OrgId(uuid::Uuid::from_u128(7));
    let (ours, theirs) = (server.client(Role::Worker), server.token("far", Role::Worker, other));
    let theirs = Client::new(&server.url, Some(&theirs));
    let labelled = |job: &str| {
        let data = json!({"kind": "task", "spec": {"job_type": "full_sync"}, "labels": {"env": "a"}});
        named(job, event("job.created", job, data))
    };
    ours.append(&json!([labelled("a"), labelled("b"), started("b")])).expect(201);
    theirs.append(&json!([labelled("c"), cancelled("c")])).expect(201);
    let auditor = server.client(Role::Auditor);
    for (filter, own, all, jobs) in [
        ("", [1, 1, 0, 0, 0], [1, 1, 0, 0, 1], "c b a"),
        ("kind=task", [1, 1, 0, 0, 0], [1, 1, 0, 0, 1], "c b a"),
        ("label=env:a", [1, 1, 0, 0, 0], [1, 1, 0, 0, 1], "c b a"),
        ("cancelled_by=far", [0; 5], [0, 0, 0, 0, 1], "c"),
        ("cancelled_by=far&kind=task", [0; 5], [0, 0, 0, 0, 1], "c"),
        ("created_after=2020-01-01T00:00:00Z&created_by=worker", [1, 1, 0, 0, 0], [1, 1, 0, 0, 0], "b a"),
        ("id_prefix=c", [0; 5], [0, 0, 0, 0, 1], "c"),
        ("created_by=far&status=cancelled&kind=task", [0; 5], [0, 0, 0, 0, 1], "c"),
    ] {
        assert_eq!(counted(&ours, filter), counts(own), "{filter}");
        let (found, states) = found(&auditor, filter);
        assert_eq!((found.join(" ").as_str(), states), (jobs, counts(all)), "{filter}");
        assert_eq!(counted(&auditor, &format!("{filter}&org={other}")), counts([0, 0, 0, 0, all[4]]), "{filter}");
    }
    ours.get(&format!("/ledger/jobs/counts?org={other}")).expect(404);
}

#[test]
fn a_count_that_no_counter_answers_says_that_it_looked_at_ten_thousand_jobs() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    for batch in 0..11 {
        let jobs = (0..910).map(|n| task_job(&format!("job-{:05}", batch * 910 + n)));
        worker.append(&Value::Array(jobs.collect())).expect(201);
    }
    worker.append(&json!([started("job-00003"), rule_job("newest", &["one"])])).expect(201);
    let after = "created_after=2020-01-01T00:00:00Z";
    assert_eq!(counted(&worker, ""), counts([10_010, 1, 0, 0, 0]), "the projector counts");
    assert_eq!(counted(&worker, "kind=task&job_type=full_sync"), counts([10_009, 1, 0, 0, 0]));
    let at_least = |jobs| {
        let mut all = counts(jobs);
        all["at_least"] = json!(true);
        all
    };
    assert_eq!(counted(&worker, after), at_least([10_001, 0, 0, 0, 0]));
    assert_eq!(counted(&worker, &format!("{after}&kind=rule")), counts([1, 0, 0, 0, 0]), "the index of kinds leads");
    assert_eq!(counted(&worker, &format!("{after}&created_by=worker&kind=rule")), at_least([1, 0, 0, 0, 0]));
    assert_eq!(counted(&worker, "id_prefix=job-"), at_least([10_000, 0, 0, 0, 0]));
    // Few jobs, so their own index leads, however old they are.
    assert_eq!(counted(&worker, "id_prefix=job-0000"), counts([9, 1, 0, 0, 0]));
    assert_eq!(counted(&worker, "quiet_for=1d"), counts([0; 5]));
    let list = worker.get("/ledger/jobs?id_prefix=job-0000&first=2").expect(200).json();
    assert_eq!(ids(&list), ["job-00009", "job-00008"]);
}

#[test]
fn a_job_that_is_called_counts_is_found_by_its_encoded_name() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&json!([task_job("counts"), started("counts")])).expect(201);
    assert_eq!(worker.get("/ledger/jobs/counts").expect(200).json(), counts([0, 1, 0, 0, 0]));
    assert_eq!(worker.get("/ledger/jobs/%63ounts").expect(200).json()["id"], "counts");
    assert_eq!(worker.get("/ledger/jobs/counts/events").expect(200).json()["events"].as_array().unwrap().len(), 2);
}
