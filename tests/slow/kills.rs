//! A server that is killed under load loses no answered event, and never shows a part of a request.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use jobledger::sqlite::READ_ONLY;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::audit::{audit, audit_checkpoints, checkpoints};
use crate::support::cli::{Serving, token};
use crate::support::{Client, event, wait};

const ROUNDS: u64 = 50;
const WRITERS: u64 = 6;
/// The test checks the whole log after so many rounds, and otherwise only the events of the newest round.
const WHOLE: u64 = 10;

/// The answers that the writers have when the server dies, and their requests without an answer.
#[derive(Default)]
struct Known {
    /// Event id → position, of every event that was answered.
    answered: HashMap<String, u64>,
    /// Requests without an answer: the log has all events of such a request, or none.
    open: Vec<Vec<Value>>,
    /// The newest position that an earlier round has checked.
    checked: u64,
}

#[test]
fn fifty_kills_under_load_lose_nothing_and_leave_nothing_half() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Serving::start(dir.path());
    let client = server.client(&token(dir.path(), "worker"));
    let known = Mutex::new(Known::default());
    for round in 1..=ROUNDS {
        // A moment that differs from round to round, counted in answers: from at once to a few hundred.
        let until = (round * 7919) % 250;
        let writer = client.at(&server.url);
        write_until_killed(server, &writer, &known, round, until);
        server = Serving::start(dir.path());
        let mut known = known.lock().unwrap();
        if round.is_multiple_of(WHOLE) {
            known.checked = 0;
            audit_checkpoints(dir.path(), 1);
        }
        check(dir.path(), &client.at(&server.url), &mut known);
    }
    audit(dir.path());
}

fn write_until_killed(server: Serving, client: &Client, known: &Mutex<Known>, round: u64, until: u64) {
    let (answers, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (answers, stop) = (&answers, &stop);
            scope.spawn(move || {
                for n in 0.. {
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                    let request = request(&format!("r{round}-w{writer}-{n}"));
                    let sent = client.try_append(&Value::Array(request.clone()));
                    let mut known = known.lock().unwrap();
                    match sent {
                        Ok(answer) if answer.status == 201 => remember(&mut known, &answer.json()),
                        // Killed before it answered; also when the answer broke off.
                        _ => known.open.push(request),
                    }
                    answers.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        wait::until("the writers are answered", || answers.load(Ordering::SeqCst) >= until);
        server.end("KILL");
        stop.store(true, Ordering::SeqCst);
    });
}

/// All events of a short job in one request, so that a part of a request would be visible.
fn request(job: &str) -> Vec<Value> {
    let mut created = event("job.created", job, json!({"kind": "task", "spec": {"job_type": "enrichment"}}));
    created["id"] = json!(format!("{job}/created"));
    let rest = ["job.started", "job.progress", "job.completed"].map(|name| {
        let data = if name == "job.progress" { json!({"progress": 50}) } else { json!({}) };
        let mut event = event(name, job, data);
        event["id"] = json!(format!("{job}/{name}"));
        event
    });
    std::iter::once(created).chain(rest).collect()
}

fn remember(known: &mut Known, answer: &Value) {
    for event in answer["events"].as_array().unwrap() {
        known.answered.insert(event["id"].as_str().unwrap().to_owned(), event["position"].as_u64().unwrap());
    }
}

/// Checks the events after `known.checked`: no gap, every answered event at its position, no request in part.
fn check(dir: &Path, client: &Client, known: &mut Known) {
    let head = client.head();
    assert_eq!(newest_size(dir), head + 1, "the newest checkpoint covers every event, and nothing else");
    let path = format!("/ledger/events?after={}", known.checked);
    let lines = client.get_with(&path, &[("accept", "application/x-ndjson")]).expect(200).text();
    let mut found = HashMap::new();
    for (line, expected) in lines.lines().zip(known.checked + 1..) {
        let event: Value = serde_json::from_str(line).unwrap();
        let position: u64 = event["position"].as_str().unwrap().parse().unwrap();
        assert_eq!(position, expected, "no gaps");
        found.insert(event["id"].as_str().unwrap().to_owned(), position);
    }
    assert_eq!(found.len() as u64, head - known.checked, "every event up to the head has a name of its own");
    for (id, position) in known.answered.iter().filter(|(_, position)| **position > known.checked) {
        assert_eq!(found.get(id), Some(position), "{id} was answered");
    }
    known.checked = head;
    // The client sends each request without an answer again. Then the log has all events of the request, once.
    for request in std::mem::take(&mut known.open) {
        let there = request.iter().filter(|event| found.contains_key(event["id"].as_str().unwrap())).count();
        assert!(there == 0 || there == request.len(), "half a request: {there} of {}", request.len());
        let answer = client.append(&Value::Array(request.clone()));
        assert_eq!(answer.status, if there == 0 { 201 } else { 200 }, "{}", answer.text());
        remember(known, &answer.json());
    }
}

/// How many events the newest checkpoint in the folder covers.
fn newest_size(folder: &Path) -> u64 {
    let conn = Connection::open_with_flags(folder.join("log.db"), READ_ONLY).unwrap();
    checkpoints(&conn).pop().unwrap().0
}
