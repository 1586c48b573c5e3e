//! A process that is killed under load loses nothing that it answered, and never shows half a request.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::support::audit::{audit, audit_newest};
use crate::support::cli::{Serving, token};
use crate::support::{Client, event};

const ROUNDS: u64 = 50;
const WRITERS: u64 = 6;

/// What the writers know when the server dies.
#[derive(Default)]
struct Known {
    /// Event id → position, of everything that was answered.
    answered: HashMap<String, u64>,
    /// Requests without an answer: all of it is there, or nothing.
    open: Vec<Vec<Value>>,
}

#[test]
fn fifty_kills_under_load_lose_nothing_and_leave_nothing_half() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Serving::start(dir.path());
    let client = server.client(&token(dir.path(), "worker"));
    let known = Mutex::new(Known::default());
    for round in 0..ROUNDS {
        // A moment that differs from round to round, counted in answers: from at once to a few hundred.
        let until = (round * 7919) % 250;
        let writer = client.at(&server.url);
        write_until_killed(server, &writer, &known, round, until);
        server = Serving::start(dir.path());
        check(dir.path(), &client.at(&server.url), &mut known.lock().unwrap());
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
        while answers.load(Ordering::SeqCst) < until {
            std::thread::yield_now();
        }
        server.end("KILL");
        stop.store(true, Ordering::SeqCst);
    });
}

/// A whole short life in one request, so that half of one would show.
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

fn check(dir: &Path, client: &Client, known: &mut Known) {
    assert_eq!(audit_newest(dir), client.head() + 1, "the newest checkpoint covers everything, and nothing else");
    let lines = client.get_with("/ledger/events", &[("accept", "application/x-ndjson")]).expect(200).text();
    let mut found = HashMap::new();
    for (n, line) in lines.lines().enumerate() {
        let event: Value = serde_json::from_str(line).unwrap();
        let position: u64 = event["position"].as_str().unwrap().parse().unwrap();
        assert_eq!(position, n as u64 + 1, "no gaps");
        found.insert(event["id"].as_str().unwrap().to_owned(), position);
    }
    for (id, position) in &known.answered {
        assert_eq!(found.get(id), Some(position), "{id} was answered");
    }
    // Whatever became of an open request, sending it again ends with all of it in the log, once.
    for request in std::mem::take(&mut known.open) {
        let there = request.iter().filter(|event| found.contains_key(event["id"].as_str().unwrap())).count();
        assert!(there == 0 || there == request.len(), "half a request: {there} of {}", request.len());
        let answer = client.append(&Value::Array(request.clone()));
        assert_eq!(answer.status, if there == 0 { 201 } else { 200 }, "{}", answer.text());
        remember(known, &answer.json());
    }
}
