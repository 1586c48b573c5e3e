//! Organisations: equal ids in two organisations, the data that each one sees, and the data that an auditor sees.

use jobledger::access::Role;
use jobledger::job::OrgId;
use serde_json::{Value, json};

use crate::support::{Client, ROLE_JOB, TestServer, at, event, nil, noted, role_job, rule_job, started, task_job};

const OTHER: &str = "37eebc20-d8df-416b-8ac2-01b6eb456318";

fn client(server: &TestServer, name: &str, role: Role, org: OrgId) -> Client {
    Client::new(&server.url, Some(&server.token(name, role, org)))
}

/// Administrators of two organisations, and an auditor of a third.
fn three(server: &TestServer) -> [Client; 3] {
    let third = "7c9e6679-7425-40de-944b-e07fc1f90ae7".parse().unwrap();
    [
        client(server, "ours", Role::Admin, nil()),
        client(server, "theirs", Role::Admin, OTHER.parse().unwrap()),
        client(server, "auditor", Role::Auditor, third),
    ]
}

#[test]
fn the_same_id_in_two_organisations_names_two_jobs() {
    let mut server = TestServer::start();
    let [ours, theirs, auditor] = three(&server);
    ours.append(&json!([task_job("same"), started("same"), role_job(ROLE_JOB), rule_job("r", &["a"])])).expect(201);
    theirs.append_with(&task_job("same"), &[("if-none-match", "*")]).expect(201);
    theirs
        .append(&json!([rule_job("same-r", &["a"]), role_job(ROLE_JOB), started(ROLE_JOB), rule_job("r", &["a", "b"])]))
        .expect(201);
    ours.append_with(&noted("same", "ours"), &[("if-match", "\"2\"")]).expect(201);
    theirs.delete("/api/v1/jobs/same").expect(204);

    let check = |ours: &Client, theirs: &Client, auditor: &Client| {
        let status = |client: &Client, path: &str| client.get(path).expect(200).json()["status"].clone();
        assert_eq!(status(ours, "/api/v1/jobs/same"), "running");
        assert_eq!(status(theirs, "/api/v1/jobs/same"), "cancelled");
        assert_eq!(status(ours, "/api/v1/jobs/same/progress"), "running");
        let role = format!("/dbroles/jobs/{ROLE_JOB}");
        assert_eq!((status(ours, &role), &status(theirs, &role)["phase"]), (Value::Null, &json!("running")));
        assert_eq!(theirs.get(&role).json()["org_id"], OTHER);
        let actions = |client: &Client, query: &str| {
            let job = client.get(&format!("/authorization/rules/jobs/r{query}")).expect(200).json();
            job["actions"].as_array().unwrap().len()
        };
        assert_eq!((actions(ours, ""), actions(theirs, "")), (1, 2));
        let other = format!("?org={OTHER}");
        let nil = "?org=00000000-0000-0000-0000-000000000000";
        assert_eq!((actions(auditor, nil), actions(auditor, &other)), (1, 2));
        assert_eq!(status(auditor, &format!("/ledger/jobs/same{other}")), "cancelled");
        assert_eq!(status(auditor, &format!("/ledger/jobs/same{nil}")), "running");
        assert_eq!(status(auditor, &format!("/ledger/jobs/same{other}&as_of=5")), "pending");
        let events = auditor.get(&format!("/ledger/jobs/same/events{other}")).expect(200).json();
        assert_eq!(events["events"].as_array().unwrap().len(), 2);
    };
    check(&ours, &theirs, &auditor);
    server.restart();
    let [ours, theirs, auditor] = [ours, theirs, auditor].map(|client| client.at(&server.url));
    check(&ours, &theirs, &auditor);
}

#[test]
fn lists_show_the_callers_organisation_and_to_an_auditor_all() {
    let server = TestServer::start();
    let [ours, theirs, auditor] = three(&server);
    ours.append(&json!([task_job("a"), task_job("b")])).expect(201);
    theirs.append(&json!([task_job("c"), task_job("a")])).expect(201);
    let ids = |client: &Client, query: &str| {
        let page = client.get(&format!("/ledger/jobs{query}")).expect(200).json();
        let ids = page["jobs"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap().to_owned());
        ids.collect::<String>()
    };
    let other = format!("?org={OTHER}");
    assert_eq!([ids(&ours, ""), ids(&theirs, ""), ids(&theirs, &other)], ["ba", "ac", "ac"]);
    assert_eq!([ids(&auditor, ""), ids(&auditor, &other), ids(&auditor, "?id_prefix=a")], ["acba", "ac", "aa"]);
    let nobodys = "?org=cc2cb37c-24e6-4398-b7c8-4b6603bc4608";
    assert_eq!(ids(&auditor, nobodys), "");
    ours.get(&format!("/ledger/jobs{nobodys}")).expect(404);
}

#[test]
fn pages_exports_and_tails_keep_to_the_organisation() {
    let server = TestServer::start();
    let [ours, theirs, auditor] = three(&server);
    ours.append(&task_job("a")).expect(201);
    theirs.append(&task_job("a")).expect(201);
    ours.append(&started("a")).expect(201);
    let positions = |client: &Client, query: &str| {
        let page = client.get(&format!("/ledger/events{query}")).expect(200).json();
        let page: Vec<_> = page["events"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| e["position"].as_str().unwrap().parse().unwrap())
            .collect();
        let lines = client
            .get_with(&format!("/ledger/events{query}"), &[("accept", "application/x-ndjson")])
            .expect(200)
            .text();
        let lines: Vec<u64> = lines
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["position"].as_str().unwrap().parse().unwrap())
            .collect();
        let joint = if query.is_empty() { '?' } else { '&' };
        let tail = client.stream(&format!("/ledger/events{query}{joint}after=0"), &[]);
        let tail: Vec<u64> =
            tail.filter(|frame| !frame.event.is_empty()).take(page.len()).map(|frame| frame.id.unwrap()).collect();
        assert_eq!((&lines, &tail), (&page, &page), "{query}");
        page
    };
    assert_eq!((positions(&ours, ""), positions(&theirs, "")), (vec![1, 3], vec![2]));
    assert_eq!((positions(&auditor, ""), positions(&auditor, "?job=a&type=job.created")), (vec![1, 2, 3], vec![1, 2]));
    assert_eq!(positions(&auditor, &format!("?org={OTHER}")), [2]);
}

#[test]
fn one_event_is_shown_to_its_organisation_and_to_auditors() {
    let server = TestServer::start();
    let [ours, theirs, auditor] = three(&server);
    ours.append(&at("2025-01-01T00:00:00Z", task_job("a"))).expect(201);
    ours.get("/ledger/events/1").expect(200);
    auditor.get("/ledger/events/1").expect(200);
    let hidden = theirs.get("/ledger/events/1").expect(404).text();
    assert_eq!(
        hidden,
        theirs.get("/ledger/events/99").expect(404).text(),
        "no other answer than for one that is not there"
    );
    assert_eq!(auditor.get("/ledger/events/0").expect(200).json()["type"], "ledger.created");
    ours.get("/ledger/events/0").expect(404);
}

#[test]
fn the_jobs_of_another_organisation_change_no_answer_to_a_writer() {
    let server = TestServer::start();
    let [ours, theirs, _] = three(&server);
    ours.append(&json!([task_job("a"), started("a")])).expect(201);
    theirs.append(&started("a")).expect(404);
    theirs.append(&event("job.cancelled", "a", json!({}))).expect(404);
    theirs.append_with(&noted("a", "n"), &[("if-match", "*")]).expect(412);
    theirs.append_with(&task_job("a"), &[("if-none-match", "*")]).expect(201);
    theirs.append(&started("a")).expect(201);
}
