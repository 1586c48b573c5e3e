//! Tails of the log: where a tail starts, which frames it sends, and that no event is lost or repeated.

use jobledger::access::Role;
use jobledger::job::OrgId;
use jobledger::ledger::{Folder, continue_log, system_clock};
use serde_json::{Value, json};

use crate::support::{Client, Frame, TestServer, event, noted, reports, started, task_job};

#[test]
fn a_tail_replays_and_then_follows_and_closes() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&task_job("a")).expect(201);
    let mut tail = worker.stream("/ledger/jobs/a/events?after=0", &[]);
    assert_eq!(tail.next().unwrap().retry, Some(1000));
    assert_eq!(tail.next().unwrap().event, "job.created");
    worker.append(&event("job.cancelled", "a", json!({}))).expect(201);
    assert_eq!(tail.next().unwrap().id, Some(2));
    assert_eq!(tail.next().unwrap().event, "closed");
    assert_eq!(tail.next(), None);
}

#[test]
fn a_frame_is_the_event_that_the_log_shows() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&json!([task_job("a"), noted("a", "one\ntwo \u{2028} \"three\"")])).expect(201);
    let mut tail = worker.tail("/ledger/events?after=0", &[]);
    for (position, event_type) in [(1, "job.created"), (2, "job.noted")] {
        let frame = tail.event();
        assert_eq!((frame.id, frame.event.as_str()), (Some(position), event_type));
        assert_eq!(frame.data, worker.get(&format!("/ledger/events/{position}")).expect(200).line());
    }
}

#[test]
fn a_tail_starts_after_last_event_id_else_after_else_at_the_head() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&json!([task_job("a"), noted("a", "2"), noted("a", "3"), noted("a", "4")])).expect(201);
    let mut both = worker.tail("/ledger/events?after=0", &[("last-event-id", "3")]);
    let mut after = worker.tail("/ledger/events?after=2", &[]);
    let mut head = worker.tail("/ledger/events", &[]);
    // A browser that has no id yet may send the header empty.
    let mut empty = worker.tail("/ledger/events?after=1", &[("last-event-id", "")]);
    worker.append(&noted("a", "5")).expect(201);
    assert_eq!(both.ids_to(5), [4, 5]);
    assert_eq!(after.ids_to(5), [3, 4, 5]);
    assert_eq!(head.ids_to(5), [5]);
    assert_eq!(empty.ids_to(5), [2, 3, 4, 5]);
}

#[test]
fn a_stream_is_neither_kept_nor_buffered_nor_compressed() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&task_job("a")).expect(201);
    for path in ["/ledger/events", "/ledger/jobs/a/events", "/ledger/jobs/a"] {
        let tail = worker.stream(path, &[("accept-encoding", "gzip, br, deflate, zstd")]);
        assert_eq!(tail.headers["cache-control"], "no-store", "{path}");
        assert_eq!(tail.headers["x-accel-buffering"], "no", "{path}");
        assert!(tail.headers["ledger-position"].to_str().unwrap().parse::<u64>().is_ok(), "{path}");
        assert!(!tail.headers.contains_key("content-encoding"), "{path}");
        assert!(!tail.headers.contains_key("content-length"), "{path}");
    }
}

#[test]
fn a_cursor_beyond_the_head_is_reset_to_it() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&json!([task_job("a"), noted("a", "2")])).expect(201);
    let reset = Frame { id: Some(2), event: "reset".into(), data: "{\"position\":2}".into(), retry: None };
    for path in ["/ledger/events", "/ledger/events?type=job.noted", "/ledger/jobs/a/events"] {
        assert_eq!(worker.resume(path, 3).collect::<Vec<_>>(), std::slice::from_ref(&reset), "{path}");
    }
    assert_eq!(worker.tail("/ledger/events?after=9000000000", &[]).collect::<Vec<_>>(), [reset]);
    // The head itself is not beyond it.
    let mut tail = worker.resume("/ledger/events", 2);
    worker.append(&noted("a", "3")).expect(201);
    assert_eq!(tail.ids(1), [3]);
}

#[test]
fn a_cursor_that_is_no_position_is_refused() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&task_job("a")).expect(201);
    let stream = ("accept", "text/event-stream");
    for cursor in ["x", "-1", "+1", "1.5", "1e3", "0x1", "9223372036854775808"] {
        for path in ["/ledger/events", "/ledger/jobs/a/events", "/ledger/jobs/a"] {
            let answer = worker.get_with(path, &[stream, ("last-event-id", cursor)]).expect(400);
            assert_eq!(answer.json()["code"], "bad-request", "{path} {cursor}");
        }
        let after = cursor.replace('+', "%2B");
        let answer = worker.get_with(&format!("/ledger/events?after={after}"), &[stream]).expect(400);
        assert_eq!(answer.json()["code"], "bad-parameter", "{cursor}");
    }
}

/// Creates the job `job`. Then appends notes to this job and to the job `shared`, each in a request of its own.
fn write(worker: &Client, job: &str, remarks: usize) {
    worker.append(&task_job(job)).expect(201);
    for n in 0..remarks {
        let about = if n % 3 == 0 { "shared" } else { job };
        worker.append(&noted(about, &n.to_string())).expect(201);
    }
}

/// Follows `path` until `until` returns true for an event. Opens a new connection after each few events.
fn follow(client: &Client, path: &str, until: impl Fn(&Value) -> bool) -> Vec<u64> {
    let mut ids: Vec<u64> = Vec::new();
    for connection in 1_usize.. {
        let mut tail = client.resume(path, ids.last().copied().unwrap_or(0));
        // Each connection reads another number of events, so that connections end at different moments.
        for _ in 0..connection * 7 % 23 {
            let frame = tail.event();
            ids.push(frame.id.unwrap());
            if until(&frame.json()) {
                return ids;
            }
        }
    }
    unreachable!("the connections do not end")
}

#[test]
fn no_gap_and_no_repeat_across_connections_while_many_write() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&task_job("shared")).expect(201);
    let last = |frame: &Value| frame["data"]["text"] == "last";
    let paths = [
        "/ledger/events",
        "/ledger/jobs/shared/events",
        "/ledger/events?type=job.noted&job=shared",
        "/ledger/events?kind=task&type=job.noted",
    ];
    let seen: Vec<Vec<u64>> = std::thread::scope(|scope| {
        let (worker, last) = (&worker, &last);
        let followers: Vec<_> = paths.iter().map(|path| scope.spawn(move || follow(worker, path, last))).collect();
        let writers: Vec<_> = (0..4).map(|n| scope.spawn(move || write(worker, &format!("job-{n}"), 120))).collect();
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        worker.append(&noted("shared", "last")).expect(201);
        followers.into_iter().map(|follower| follower.join().unwrap()).collect()
    });
    assert_eq!(seen[0], (1..=486).collect::<Vec<u64>>());
    assert_eq!(seen[1], worker.positions("&job=shared"));
    assert_eq!(seen[2], worker.positions("&job=shared&type=job.noted"));
    assert_eq!(seen[3], worker.positions("&kind=task&type=job.noted"));
}

#[test]
fn a_stop_ends_every_stream_and_watchers_go_on_at_the_next_start() {
    let mut server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&json!([task_job("a"), task_job("b")])).expect(201);
    let mut all = worker.tail("/ledger/events?after=0", &[]);
    let mut one = worker.tail("/ledger/jobs/b/events?after=0", &[]);
    let mut live = worker.tail("/ledger/jobs/a", &[]);
    assert_eq!((all.ids(2), one.ids(1)), (vec![1, 2], vec![2]));
    assert_eq!(live.event().event, "snapshot");
    server.restart();
    // The stream ends without an error and without a frame, so an EventSource connects again.
    assert_eq!((all.next(), one.next(), live.next()), (None, None, None));
    let worker = worker.at(&server.url);
    worker.append(&json!([noted("a", "3"), noted("b", "4")])).expect(201);
    assert_eq!(worker.resume("/ledger/events", 2).ids(2), [3, 4]);
    assert_eq!(worker.resume("/ledger/jobs/b/events", 2).ids(1), [4]);
    let snapshot = worker.resume("/ledger/jobs/a", 1).event();
    assert_eq!((snapshot.id, snapshot.json()["position"].as_u64()), (Some(3), Some(3)));
}

#[test]
fn a_tail_that_reads_nothing_for_long_loses_no_event() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&json!([task_job("a"), started("a")])).expect(201);
    let mut all = worker.tail("/ledger/events", &[]);
    let mut one = worker.tail("/ledger/jobs/a/events", &[]);
    // More bytes than the sockets buffer, and more than twice the bytes of the ring.
    for batch in reports("a", 20_000) {
        worker.append(&batch).expect(201);
    }
    let expected: Vec<u64> = (3..=20_002).collect();
    assert_eq!(all.ids_to(20_002), expected);
    assert_eq!(one.ids_to(20_002), expected);
}

#[test]
fn a_tail_that_starts_late_reads_from_the_log_until_it_is_live() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&json!([task_job("a"), started("a")])).expect(201);
    // An open tail makes the server keep recent events in the ring. The first events of the log are no longer in it.
    let mut early = worker.tail("/ledger/events", &[]);
    for batch in reports("a", 9000) {
        worker.append(&batch).expect(201);
    }
    assert_eq!(early.ids_to(9002).len(), 9000);
    let mut late = worker.tail("/ledger/events?after=0", &[]);
    let mut resumed = worker.resume("/ledger/events", 700);
    worker.append(&noted("a", "live")).expect(201);
    assert_eq!(late.ids_to(9003), (1..=9003).collect::<Vec<u64>>());
    assert_eq!(resumed.ids_to(9003), (701..=9003).collect::<Vec<u64>>());
}

#[test]
fn auditors_watch_everything_and_others_their_own_organisation() {
    let mut server = TestServer::start();
    let other: OrgId = "7b6f7a1e-0000-4000-8000-000000000001".parse().unwrap();
    let worker = server.client(Role::Worker);
    let elsewhere = Client::new(&server.url, Some(&server.token("worker", Role::Worker, other)));
    let auditor = server.client(Role::Auditor);
    worker.append(&task_job("a")).expect(201);
    elsewhere.append(&task_job("a")).expect(201);
    server.stop();
    // The ledger's own events belong to no organisation.
    std::fs::remove_file(Folder::new(server.path()).key()).unwrap();
    continue_log(&Folder::new(server.path()), &system_clock()).unwrap();
    server.restart();
    let at = |client: &Client| client.at(&server.url);
    let (worker, elsewhere, auditor) = (at(&worker), at(&elsewhere), at(&auditor));
    worker.append(&noted("a", "mine")).expect(201);
    elsewhere.append(&noted("a", "theirs")).expect(201);
    assert_eq!(auditor.tail("/ledger/events?after=0", &[]).ids_to(5), [1, 2, 3, 4, 5]);
    let own = auditor.tail("/ledger/events?after=0&type=ledger.continued", &[]).event();
    assert_eq!((own.id, own.event.as_str()), (Some(3), "ledger.continued"));
    assert_eq!(auditor.tail("/ledger/events?after=0&job=a", &[]).ids_to(5), [1, 2, 4, 5]);
    assert_eq!(auditor.tail(&format!("/ledger/events?after=0&org={other}"), &[]).ids_to(5), [2, 5]);
    assert_eq!(auditor.tail(&format!("/ledger/jobs/a/events?after=0&org={other}"), &[]).ids_to(5), [2, 5]);
    assert_eq!(worker.tail("/ledger/events?after=0", &[]).ids_to(4), [1, 4]);
    assert_eq!(elsewhere.tail("/ledger/events?after=0", &[]).ids_to(5), [2, 5]);
    let stream = [("accept", "text/event-stream")];
    assert_eq!(
        worker.get_with(&format!("/ledger/events?org={other}"), &stream).expect(404).json()["code"],
        "no-such-job"
    );
}
