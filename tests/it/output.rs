//! `/ledger/jobs/{id}/output`: ranges of bytes, the last lines, and the live output.

use jobledger::access::Role;
use serde_json::json;

use crate::support::until_metric;
use crate::support::{Client, Stream, TestServer, completed, event, output, processed, started, task_job};

const PATH: &str = "/ledger/jobs/a/output";

/// A server with a running job that wrote `pieces`, with other events in between.
fn written(pieces: &[String]) -> (TestServer, Client) {
    let server = TestServer::start();
    let worker = server.client(Role::Admin);
    worker.append(&json!([task_job("a"), started("a")])).expect(201);
    for (n, some) in pieces.chunks(100).enumerate() {
        let events: Vec<_> = some.iter().map(|piece| output("a", piece)).chain([processed("a", n as u64)]).collect();
        worker.append(&json!(events)).expect(201);
    }
    (server, worker)
}

/// Pieces whose output is longer than the part that the fold keeps, and cut within lines.
fn pieces() -> Vec<String> {
    let whole: String = (1..=900).map(|n| format!("line {n} wrote é\n")).collect();
    let chars: Vec<char> = whole.chars().collect();
    chars.chunks(37).map(|chunk| chunk.iter().collect()).collect()
}

#[test]
fn a_range_of_bytes_is_that_of_the_whole() {
    let (_server, worker) = written(&pieces());
    let whole = worker.get(PATH).expect(200);
    assert_eq!(whole.header("accept-ranges"), "bytes");
    let whole = whole.body.clone();
    let len = whole.len();
    assert!(len > 10_000);
    for (range, part) in [
        ("bytes=0-0".to_owned(), 0..1),
        ("bytes=0-99".to_owned(), 0..100),
        ("bytes=5000-".to_owned(), 5000..len),
        (format!("bytes={}-{}", len - 2000, len - 1001), len - 2000..len - 1000),
        ("bytes=-1".to_owned(), len - 1..len),
        ("bytes=-1234".to_owned(), len - 1234..len),
        ("bytes=-999999".to_owned(), 0..len),
        ("bytes=100-999999".to_owned(), 100..len),
    ] {
        let answer = worker.get_with(PATH, &[("range", &range)]).expect(206);
        assert_eq!(answer.header("content-range"), format!("bytes {}-{}/{len}", part.start, part.end - 1), "{range}");
        assert_eq!(answer.body, whole[part], "{range}");
    }
    let beyond = worker.get_with(PATH, &[("range", &format!("bytes={len}-"))]).expect(416);
    assert_eq!(beyond.header("content-range"), format!("bytes */{len}"));
    assert_eq!(beyond.json()["code"], "range-not-satisfiable");
    // What RFC 9110 lets a server ignore.
    for ignored in ["bytes=0-1,5-6", "lines=1-2", "bytes=5-1"] {
        assert_eq!(worker.get_with(PATH, &[("range", ignored)]).expect(200).body, whole, "{ignored}");
    }
    // A range of the past is one of the output as it was.
    let then = worker.get(&format!("{PATH}?as_of=4")).expect(200).body;
    let part = worker.get_with(&format!("{PATH}?as_of=4"), &[("range", "bytes=-9")]).expect(206);
    assert_eq!(part.body, then[then.len() - 9..]);
}

#[test]
fn the_last_lines_are_those_of_the_whole() {
    let (server, worker) = written(&pieces());
    let whole = worker.get(PATH).expect(200).text();
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    for count in [1, 2, 17, 500, 899, 900, 100_000] {
        let part = worker.get(&format!("{PATH}?tail={count}")).expect(200).text();
        assert_eq!(part, lines[lines.len().saturating_sub(count)..].concat(), "{count}");
    }
    for wrong in ["tail=0", "tail=100001", "tail=x", "tail="] {
        assert_eq!(worker.get(&format!("{PATH}?{wrong}")).expect(400).json()["code"], "bad-parameter", "{wrong}");
    }
    worker.get_with(&format!("{PATH}?tail=5"), &[("range", "bytes=0-1")]).expect(400);
    // A job without output, and an unknown one.
    worker.append(&task_job("b")).expect(201);
    assert_eq!(worker.get("/ledger/jobs/b/output?tail=5").expect(200).text(), "");
    assert_eq!(worker.get_with("/ledger/jobs/b/output", &[("range", "bytes=0-")]).expect(416).status, 416);
    server.client_named(Role::Viewer, "v").get("/ledger/jobs/none/output?tail=5").expect(404);
}

/// Reads messages until their texts are `text`, and returns the `id` of the last one.
#[track_caller]
fn reads(stream: &mut Stream, offset: usize, text: &str) -> u64 {
    let (mut seen, mut id) = (String::new(), 0);
    while seen.len() < text.len() {
        let frame = stream.event();
        assert_eq!(frame.event, "output");
        let data = frame.json();
        assert_eq!(data["offset"].as_u64(), Some((offset + seen.len()) as u64));
        seen.push_str(data["text"].as_str().unwrap());
        id = frame.id.unwrap();
    }
    assert_eq!(seen, text);
    id
}

#[test]
fn live_output_sends_what_there_is_and_what_is_added() {
    let (_server, worker) = written(&pieces());
    let whole = worker.get(PATH).expect(200).text();
    let mut stream = worker.tail(PATH, &[]);
    let mut last_lines = worker.tail(&format!("{PATH}?tail=2"), &[]);
    reads(&mut stream, 0, &whole);
    let two: String = whole.split_inclusive('\n').skip(898).collect();
    let seen = reads(&mut last_lines, whole.len() - two.len(), &two);
    // Progress alone is no message.
    worker.append(&processed("a", 50)).expect(201);
    worker.append(&json!([output("a", "more é\n"), output("a", "and more")])).expect(201);
    for stream in [&mut stream, &mut last_lines] {
        reads(stream, whole.len(), "more é\nand more");
    }
    // A client that comes back gets what it has not seen.
    let mut resumed = worker.resume(PATH, seen);
    reads(&mut resumed, whole.len(), "more é\nand more");
    worker
        .append(&event("job.hook_output", "a", json!({"output": "!", "exit_code": 0, "execution_time_sec": 1})))
        .expect(201);
    worker.append(&completed("a")).expect(201);
    let end = worker.head();
    for stream in [&mut stream, &mut last_lines, &mut resumed] {
        reads(stream, whole.len() + "more é\nand more".len(), "!");
        let closed = stream.event();
        assert_eq!((closed.event.as_str(), closed.id), ("closed", Some(end)));
        assert_eq!(stream.next(), None);
    }
    let after = worker.get_with(PATH, &[("accept", "text/event-stream"), ("last-event-id", &end.to_string())]);
    assert_eq!(after.status, 204);
    // An ended job is sent whole, and closed.
    let mut late = worker.tail(&format!("{PATH}?tail=1"), &[]);
    reads(&mut late, whole.len() + "more é\n".len(), "and more!");
    assert_eq!(late.event().event, "closed");
    until_metric(&worker, "jobledger_limit_held{limit=\"tails\"} 0");
}

#[test]
fn live_output_beats_and_takes_no_past() {
    let (_server, worker) = written(&[]);
    let mut stream = worker.tail(&format!("{PATH}?heartbeat=1"), &[]);
    let beat = stream.find(|frame| frame.event == "heartbeat").unwrap();
    assert_eq!(beat.json()["position"].as_u64(), Some(worker.head()));
    worker.get_with(&format!("{PATH}?as_of=1"), &[("accept", "text/event-stream")]).expect(400);
    worker.get_with("/ledger/jobs/none/output", &[("accept", "text/event-stream")]).expect(404);
}
