//! An event that only a newer jobledger can read: the views stop and say so; everything that needs no reading goes on.

use jobledger::access::Role;
use serde_json::{Value, json};

use crate::support::histories::{noted, started};
use crate::support::rows::{EventRow, open, seal};
use crate::support::{Client, TestServer, created, position};

/// What `/readyz` says once the views have stopped.
fn stopped(client: &Client) -> String {
    loop {
        let text = client.get("/readyz").expect(503).text();
        // Until the projector has come to the event, it says that it is not there yet.
        if text.contains("stopped") {
            return text;
        }
        std::thread::yield_now();
    }
}

/// Job `a` has an event of a version that nobody knows yet, at position 5; job `b` is as always.
fn from_the_future() -> TestServer {
    let mut server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&json!([created("b"), created("a"), started("b"), started("a")])).expect(201);
    worker.get("/ledger/jobs/a").expect(200);
    server.stop();
    let conn = open(&server.path().join("log.db"));
    let row = EventRow::next(&conn, "job.progress", 2, r#"{"progress":50,"mood":"good"}"#);
    assert_eq!(row.write(&conn, "INSERT").unwrap(), 1);
    seal(&conn, server.path());
    drop(conn);
    server.restart();
    server
}

fn client(server: &TestServer, role: Role) -> Client {
    let name = format!("again-{role}");
    Client::new(&server.url, Some(&server.token(&name, role, crate::support::nil())))
}

#[test]
fn the_log_goes_on_without_the_views() {
    let server = from_the_future();
    let worker = client(&server, Role::Worker);
    let ready: Value = serde_json::from_str(&stopped(&server.anonymous())).unwrap();
    let reason = ready["reasons"][0].as_str().unwrap();
    assert!(reason.contains("event 5") && reason.contains("job.progress"), "{reason}");
    assert_eq!(ready["head"], 5);
    worker.get("/healthz").expect(200);

    // Pages, exports, tails and single events show it as it is stored.
    let shown = worker.get("/ledger/events/5").expect(200);
    assert_eq!(shown.json()["dataschema"], "/schema/events/job.progress.v2.json");
    assert_eq!(shown.json()["data"], json!({"progress": 50, "mood": "good"}));
    assert_eq!(worker.positions(""), [1, 2, 3, 4, 5]);
    let export = worker.get_with("/ledger/events", &[("accept", "application/x-ndjson")]).expect(200).text();
    assert_eq!(export.lines().nth(4), Some(&*shown.text()));
    let mut tail = worker.tail("/ledger/events?after=3", &[]);
    let frames = [tail.event(), tail.event()];
    assert_eq!((frames[1].id, &frames[1].data), (Some(5), &shown.text()));

    // Other jobs take events, which whoever watches sees; nothing can be decided about this one.
    let mut of_b = worker.tail("/ledger/jobs/b/events", &[]);
    worker.append(&json!([noted("b", "6"), created("c")])).expect(201);
    assert_eq!((of_b.ids(1), tail.ids(2)), (vec![6], vec![6, 7]));
    let refused = worker.append(&noted("a", "x")).expect(503).json();
    assert_eq!(refused["code"], "job-unreadable");
    worker.append(&json!([noted("b", "8"), noted("a", "x")])).expect(503);
    assert_eq!(worker.positions("").last(), Some(&7));

    // The past and other jobs are read from the log; what the views would have to show is not there.
    assert_eq!(worker.get("/ledger/jobs/a?as_of=4").expect(200).json()["status"], "running");
    assert_eq!(worker.get("/ledger/jobs/b?as_of=7").expect(200).json()["position"], 6);
    assert_eq!(worker.get("/ledger/jobs/b").expect(503).json()["code"], "views-behind");
}

#[test]
fn views_made_anew_stop_there_too_and_the_server_stops_cleanly() {
    let mut server = from_the_future();
    stopped(&server.anonymous());
    server.stop();
    std::fs::remove_file(server.path().join("views.db")).unwrap();
    server.restart();
    let (admin, anonymous) = (client(&server, Role::Admin), server.anonymous());
    stopped(&anonymous);
    admin.append(&noted("b", "6")).expect(201);
    assert_eq!(position(&admin.get("/ledger/events/6").expect(200).json()), 6);
    // A rebuild that is asked for fails in words, and leaves everything as it is.
    let rebuilt = loop {
        let answer = admin.send(ureq::http::Method::POST, "/ledger/rebuild", &[], b"");
        if answer.status != 202 {
            break answer;
        }
    };
    assert_eq!(rebuilt.expect(500).json()["code"], "rebuild-failed");
    stopped(&anonymous);
    server.stop();
}
