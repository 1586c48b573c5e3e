//! The ends of tails: of one job that ends, of a token that is no longer valid, and of a server that stops.

use jobledger::access::{Access, NewToken, Role};
use jobledger::ledger::{Folder, system_clock};
use serde_json::json;

use crate::support::{Client, Frame, HandClock, TestServer, completed, event, nil, noted, output, started, task_job};

/// Appends a job that ends at position 3, notes on it at 4 and 5, and an event of another job at 6.
fn ended(worker: &Client) {
    let events = [task_job("a"), started("a"), completed("a"), noted("a", "4"), noted("a", "5"), task_job("b")];
    worker.append(&json!(events)).expect(201);
}

fn ids(frames: &[Frame]) -> Vec<(String, u64)> {
    frames.iter().map(|frame| (frame.event.clone(), frame.id.unwrap())).collect()
}

#[test]
fn closed_comes_after_each_kind_of_final_event() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let last = [
        completed("completed"),
        event("job.failed", "failed", json!({"message": "no"})),
        event("job.cancelled", "cancelled", json!({})),
    ];
    for last in last {
        let job = last["subject"].as_str().unwrap();
        worker.append(&json!([task_job(job), started(job)])).expect(201);
        let tail = worker.tail(&format!("/ledger/jobs/{job}/events"), &[]);
        let by_filter = worker.tail(&format!("/ledger/events?job={job}"), &[]);
        let position = worker.append(&last).expect(201).json()["position"].as_u64().unwrap();
        for tail in [tail, by_filter] {
            let frames = tail.rest();
            let expected = [(format!("job.{job}"), position), ("closed".to_owned(), position)];
            assert_eq!(ids(&frames), expected);
            assert_eq!(frames[1].json(), json!({"position": position}));
        }
    }
}

#[test]
fn a_cancellation_through_the_documented_api_closes_too() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    admin.append(&task_job("a")).expect(201);
    let (tail, live) = (admin.tail("/ledger/jobs/a/events", &[]), admin.tail("/api/v1/jobs/a", &[]));
    admin.delete("/api/v1/jobs/a").expect(204);
    let frames = tail.rest();
    assert_eq!(ids(&frames), [("job.cancelled".to_owned(), 2), ("closed".to_owned(), 2)]);
    assert_eq!(frames[0].json()["actor"], "admin");
    assert_eq!(ids(&live.rest()), [("snapshot".to_owned(), 1), ("snapshot".to_owned(), 2), ("closed".to_owned(), 2)]);
}

#[test]
fn a_first_connection_to_an_ended_job_streams_and_closes() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    ended(&worker);
    let all = ["job.created", "job.started", "job.completed", "job.noted", "job.noted"];
    for path in ["/ledger/jobs/a/events", "/ledger/events?job=a"] {
        for after in 0..=7_u64 {
            let joint = if path.contains('?') { '&' } else { '?' };
            let frames = worker.tail(&format!("{path}{joint}after={after}"), &[]).rest();
            let (last, events) = frames.split_last().unwrap();
            if after == 7 {
                assert_eq!((last.event.as_str(), last.id), ("reset", Some(6)));
                continue;
            }
            let expected = (after + 1..=5).map(|n| (all[n as usize - 1].to_owned(), n));
            assert_eq!(ids(events), expected.collect::<Vec<_>>(), "{path} after {after}");
            assert_eq!((last.event.as_str(), last.id), ("closed", Some(3)), "{path} after {after}");
        }
        // A tail without a cursor starts at the head, and sends only `closed`.
        assert_eq!(ids(&worker.tail(path, &[]).rest()), [("closed".to_owned(), 3)]);
    }
}

#[test]
fn only_a_client_that_names_the_end_of_the_job_is_told_to_stop() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    ended(&worker);
    for path in ["/ledger/jobs/a/events", "/ledger/events?job=a", "/ledger/jobs/a"] {
        for id in 3..=6 {
            let headers = [("accept", "text/event-stream"), ("last-event-id", &id.to_string())];
            let answer = worker.get_with(path, &headers).expect(204);
            assert!(answer.body.is_empty());
        }
        let frames = worker.resume(path, 2).rest();
        assert_eq!(frames.last().unwrap().event, "closed", "{path}");
    }
    // A tail of more than one job never ends by itself, so no client is told to stop.
    let mut all = worker.resume("/ledger/events", 6);
    worker.append(&noted("b", "7")).expect(201);
    assert_eq!(all.ids(1), [7]);
}

#[test]
fn a_filter_that_hides_the_final_event_closes_all_the_same() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&json!([task_job("a"), started("a")])).expect(201);
    let live = worker.tail("/ledger/jobs/a/events?type=job.noted", &[]);
    worker.append(&json!([noted("a", "3"), completed("a")])).expect(201);
    let expected = [("job.noted".to_owned(), 3), ("closed".to_owned(), 4)];
    assert_eq!(ids(&live.rest()), expected);
    assert_eq!(ids(&worker.tail("/ledger/jobs/a/events?after=0&type=job.noted", &[]).rest()), expected);
    assert_eq!(ids(&worker.tail("/ledger/events?job=a&after=0&type=job.noted", &[]).rest()), expected);
}

#[test]
fn a_tail_of_an_unknown_job_is_not_found_and_a_filter_waits_for_the_job() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let stream = [("accept", "text/event-stream")];
    assert_eq!(worker.get_with("/ledger/jobs/a/events", &stream).expect(404).json()["code"], "no-such-job");
    // With the job in a filter, the tail waits until the job is created.
    let tail = worker.tail("/ledger/events?job=a", &[]);
    worker.append(&json!([task_job("a"), event("job.cancelled", "a", json!({}))])).expect(201);
    let all = [("job.created".to_owned(), 1), ("job.cancelled".to_owned(), 2), ("closed".to_owned(), 2)];
    assert_eq!(ids(&tail.rest()), all);
}

/// Opens one stream of each sort.
fn streams(client: &Client) -> Vec<crate::support::Stream> {
    let mut streams: Vec<_> =
        ["/ledger/events", "/ledger/jobs/a/events", "/ledger/jobs/a"].map(|path| client.tail(path, &[])).into();
    assert_eq!(streams[2].event().event, "snapshot");
    streams
}

#[test]
fn a_revoked_token_ends_its_streams_and_no_others() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&task_job("a")).expect(201);
    let viewer = server.client(Role::Viewer);
    let (ending, mut staying) = (streams(&viewer), worker.tail("/ledger/events", &[]));
    // The test revokes the token in the file, as `token revoke` does.
    let access = Access::open(&Folder::new(server.path()).access()).unwrap();
    access.revoke(nil(), "viewer", system_clock()()).unwrap();
    for stream in ending {
        assert_eq!(stream.rest(), []);
    }
    viewer.get("/ledger/jobs/a").expect(401);
    worker.append(&noted("a", "2")).expect(201);
    assert_eq!(staying.ids(1), [2]);
}

/// One stream of each sort, with the job `a`.
const STREAMS: [&str; 7] = [
    "/ledger/events",
    "/ledger/events?after=0",
    "/ledger/jobs/a/events",
    "/ledger/jobs",
    "/ledger/jobs/a",
    "/ledger/jobs/a/output",
    "/api/v1/jobs/a",
];

#[test]
fn a_server_that_stops_ends_every_stream_cleanly_and_each_client_resumes() {
    let mut server = TestServer::start();
    let admin = server.client(Role::Admin);
    admin.append(&json!([task_job("a"), started("a"), output("a", "one\n")])).expect(201);
    let streams = STREAMS.map(|path| admin.tail(path, &[]));
    server.tell_to_stop();
    for (path, stream) in STREAMS.iter().zip(streams) {
        // A stream that breaks off inside a chunk fails here. `closed` or `reset` would keep a client from resuming where it was.
        let last = stream.rest();
        assert!(
            last.iter().all(|frame| !["closed", "reset", "busy"].contains(&frame.event.as_str())),
            "{path}: {last:?}"
        );
    }
    server.restart();
    let admin = admin.at(&server.url);
    admin.append(&json!([noted("a", "4"), output("a", "two\n")])).expect(201);
    for path in STREAMS {
        let mut resumed = admin.resume(path, 3);
        let first = resumed.event();
        match path.contains("/events") {
            true => assert_eq!([first.id.unwrap(), resumed.event().id.unwrap()], [4, 5], "{path}"),
            false => assert_eq!(first.id, Some(5), "{path}"),
        }
    }
}

#[test]
fn a_token_that_expires_ends_its_streams() {
    // The clock stands while the streams are opened, so that this does not depend on how long that takes.
    let clock = HandClock::new();
    let server = TestServer::start_with(clock.clock());
    server.client(Role::Worker).append(&task_job("a")).expect(201);
    let access = Access::open(&Folder::new(server.path()).access()).unwrap();
    let expires = Some(clock.now().plus(1_000_000_000));
    let token = NewToken { expires, ..NewToken::new("short", Role::Viewer, nil()) };
    let secret = access.create(&token, clock.now()).unwrap();
    let viewer = Client::new(&server.url, Some(secret.reveal()));
    for stream in streams(&viewer) {
        assert_eq!(stream.rest(), []);
    }
    viewer.get("/ledger/jobs/a").expect(200);
    clock.pass(1_000_000);
    viewer.get("/ledger/jobs/a").expect(401);
}
