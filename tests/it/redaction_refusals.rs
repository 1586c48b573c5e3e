//! Only administrators redact, only events with data, and only of jobs that have ended.

use jobledger::access::Role;
use serde_json::{Value, json};

use crate::support::answers::admin_of;
use crate::support::exports::OTHER;
use crate::support::redactions::redacted;
use crate::support::{TestServer, completed, event, named, noted, started, task_job};

/// A ledger whose job `a` has ended: 1 created, 2 a note, 3 started, 4 completed; 5 created `b`.
fn ended() -> TestServer {
    let server = TestServer::start();
    let batch = json!([task_job("a"), noted("a", "x"), started("a"), completed("a"), task_job("b")]);
    server.client(Role::Worker).append(&batch).expect(201);
    server
}

#[test]
fn only_an_administrator_redacts() {
    let server = ended();
    for role in [Role::Worker, Role::Viewer, Role::Auditor] {
        let client = server.client_named(role, "other");
        for events in [redacted("a", 2), json!([noted("a", "y"), redacted("a", 2)])] {
            let answer = client.append(&events).expect(403).json();
            assert_eq!(answer["code"], "forbidden", "{role}");
        }
    }
    let admin = server.client(Role::Admin);
    assert_eq!(admin.head(), 5, "nothing of a refused batch is recorded");
    admin.append(&redacted("a", 2)).expect(201);
    assert_eq!(admin.get("/ledger/events/2").expect(200).json()["data"], "[redacted]");
    // Another organisation's job is not there at all.
    admin_of(&server, OTHER).append(&redacted("a", 1)).expect(404);
}

#[test]
fn an_administrator_redacts_only_events_of_jobs_that_have_ended() {
    let server = ended();
    let admin = server.client(Role::Admin);
    let answer = admin.append(&redacted("b", 5)).expect(409).json();
    assert_eq!(
        (&answer["code"], &answer["detail"]),
        (&json!("lifecycle"), &json!("`job.redacted` is not possible: the job is pending"))
    );
    admin.append(&redacted("nobody", 1)).expect(404);
    // The ledger's own event, another job's event, a position beyond the head, the redaction itself.
    for position in [0, 5, 6, 7, 1 << 53] {
        let answer = admin.append(&redacted("a", position)).expect(422).json();
        assert_eq!((&answer["code"], &answer["pointer"]), (&json!("invalid"), &json!("/data/position")), "{position}");
    }
    admin.append(&redacted("a", 2)).expect(201);
    let answer = admin.append(&redacted("a", 6)).expect(422).json();
    assert_eq!(answer["pointer"], "/data/position");
    assert!(answer["detail"].as_str().unwrap().contains("other than a redaction"), "{answer}");
    let answer = admin.append(&redacted("a", 2)).expect(409).json();
    assert!(answer["detail"].as_str().unwrap().contains("event 2 was redacted before"), "{answer}");
    let bad = [
        (json!({"position": "2", "reason": "x"}), "/data/position"),
        (json!({"position": 3, "reason": ""}), "/data/reason"),
        (json!({"position": 3}), "/data"),
        (json!({"position": 3, "reason": "x", "residue": {}}), "/data/residue"),
    ];
    for (data, pointer) in bad {
        let answer = admin.append(&event("job.redacted", "a", data)).expect(422).json();
        assert_eq!(answer["pointer"], pointer, "{answer}");
    }
    assert_eq!(admin.head(), 6);
}

#[test]
fn a_batch_redacts_all_or_nothing_and_its_retry_is_a_duplicate() {
    let server = ended();
    let admin = server.client(Role::Admin);
    let data = |position: u64| admin.get(&format!("/ledger/events/{position}")).expect(200).json()["data"].clone();
    let answer = admin.append(&json!([redacted("a", 1), redacted("a", 2), redacted("a", 2)])).expect(409).json();
    assert_eq!(answer["index"], 2);
    let answer = admin.append(&json!([redacted("a", 2), noted("b", "x"), redacted("b", 5)])).expect(409).json();
    assert_eq!(answer["index"], 2);
    assert_eq!((admin.head(), data(2)), (5, json!({"text": "x"})));
    assert_eq!(admin.get("/ledger/jobs/a").expect(200).json()["notes"][0]["text"], "x");
    // An event of the same request, too.
    let batch = json!([noted("a", "y"), redacted("a", 6), redacted("a", 1), noted("b", "z"), redacted("a", 2)]);
    let first = admin.append(&batch).expect(201).json();
    assert_eq!([1, 2, 6].map(data), [1, 2, 6].map(|_| json!("[redacted]")));
    assert_eq!(data(9), json!({"text": "z"}));
    let job = admin.get("/ledger/jobs/a").expect(200).json();
    let redacted: Vec<&Value> = job["redactions"].as_array().unwrap().iter().map(|one| &one["position"]).collect();
    assert_eq!(redacted, [6, 1, 2]);
    assert_eq!(
        job["notes"].as_array().unwrap().iter().map(|note| &note["text"]).collect::<Vec<_>>(),
        ["[redacted]"; 2]
    );
    // The whole batch again, with any text in the redacted note, is a duplicate, although the stored redactions also have a residue.
    let again = admin.append(&batch).expect(200).json();
    assert_eq!(again["events"].as_array().unwrap().len(), 5);
    for (first, again) in first["events"].as_array().unwrap().iter().zip(again["events"].as_array().unwrap()) {
        assert_eq!((&first["position"], &again["duplicate"]), (&again["position"], &json!(true)));
    }
    let mut other = batch[1].clone();
    other["data"]["reason"] = json!("another");
    assert_eq!(admin.append(&other).expect(409).json()["code"], "id-reused");
}

#[test]
fn guards_receipts_and_masks_apply_to_redactions_too() {
    let server = ended();
    let admin = server.client(Role::Admin);
    admin.append_with(&redacted("a", 2), &[("if-match", "\"3\"")]).expect(412);
    let secret = event("job.redacted", "a", json!({"position": 2, "reason": "asked for with password=hunter2secret"}));
    let headers = [("if-match", "\"4\""), ("prefer", "return=receipt")];
    let answer = admin.append_with(&named("one", secret.clone()), &headers).expect(201).json();
    assert!(answer["events"][0]["receipt"].as_str().unwrap().starts_with("c2sp.org/tlog-proof@v1"), "{answer}");
    let stored = admin.get("/ledger/events/6").expect(200).json();
    let expected = json!({"position": 2, "reason": "asked for with password=[masked:password]", "residue": {"text": "[redacted]"}});
    assert_eq!(stored["data"], expected);
    let again = admin.append_with(&named("one", secret), &[("prefer", "return=receipt")]).expect(200).json();
    assert!(again["events"][0]["receipt"].is_string());
    // A job shows its newest revision, and a read of the past has another tag than before the redaction.
    assert_eq!(admin.get("/ledger/jobs/a").header("etag"), "\"6\"");
    assert_eq!(admin.get("/ledger/jobs/a?as_of=4").header("etag"), "\"4-6\"");
    let listed = admin.get("/ledger/events?type=job.redacted").expect(200).json();
    assert_eq!(listed["events"].as_array().unwrap().len(), 1);
}
