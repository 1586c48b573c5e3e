//! The work: jobs of ten events (created, started, seven times progress, completed), UUIDs as ids.

use std::time::{SystemTime, UNIX_EPOCH};

use jobledger::job::OrgId;
use jobledger::ledger::{Append, Ledger};
use jobledger::mask::Mask;
use jobledger::wire;
use uuid::Uuid;

use super::load::{Connection, Request};
use super::to::Stream;

/// Events of one job.
pub const LIFE: usize = 10;

/// The life of one job, event by event, as CloudEvents.
pub struct Life {
    pub job: String,
    next: usize,
}

impl Life {
    pub fn new() -> Life {
        Life { job: id().to_string(), next: 0 }
    }
}

/// Whether ids are time-ordered UUIDs (version 7), as the ledger's own are, or random ones (`--ids v4`).
fn ordered() -> bool {
    super::option("ids").is_none_or(|ids| ids != "v4")
}

fn id() -> Uuid {
    if ordered() { time_ordered() } else { Uuid::new_v4() }
}

/// A UUID of version 7 without a system call for random bytes, which would slow the client.
pub fn time_ordered() -> Uuid {
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_millis();
    let mut random = [0; 10];
    fastrand::fill(&mut random);
    uuid::Builder::from_unix_timestamp_millis(millis as u64, &random).into_uuid()
}

impl Iterator for Life {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let n = self.next;
        self.next += 1;
        let (event, data) = match n {
            0 => ("created", r#"{"kind":"task","spec":{"job_type":"full_sync","total_records":7000}}"#.to_owned()),
            1 => ("started", r#"{"message":"Connected to the directory"}"#.to_owned()),
            2..=8 => ("progress", progress(n - 1)),
            9 => ("completed", r#"{"message":"All records synchronised","records_processed":7000}"#.to_owned()),
            _ => return None,
        };
        let (id, job) = (id(), &self.job);
        Some(format!(
            r#"{{"specversion":"1.0","id":"{id}","source":"/workers/sync-1","type":"job.{event}","subject":"{job}","data":{data}}}"#
        ))
    }
}

fn progress(step: usize) -> String {
    let done = step * 1000;
    format!(r#"{{"progress":{},"current_step":"Synchronising users","records_processed":{done}}}"#, step * 14)
}

/// An endless stream of events: the lives of new jobs, one job after the other.
#[derive(Default)]
pub struct Jobs {
    life: Option<Life>,
}

impl Iterator for Jobs {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        loop {
            if let Some(event) = self.life.as_mut().and_then(Iterator::next) {
                return Some(event);
            }
            self.life = Some(Life::new());
        }
    }
}

/// For each connection `each` requests with one event. The events of a connection are whole jobs, one after the other.
pub fn singles(connections: usize, each: usize, token: &str) -> Vec<Vec<Request>> {
    let mut jobs: Vec<Jobs> = (0..connections).map(|_| Jobs::default()).collect();
    let mut all: Vec<Vec<Request>> = std::iter::repeat_with(Vec::new).take(connections).collect();
    // Makes one request for each connection in turn, in the order of sending, so the times in job ids grow in that order too.
    for _ in 0..each {
        for (requests, jobs) in all.iter_mut().zip(&mut jobs) {
            requests.extend(jobs.next().map(|event| single(&event, token)));
        }
    }
    all
}

fn single(event: &str, token: &str) -> Request {
    let id = event.find(r#""id":""#).expect("an event with an id") + r#""id":""#.len();
    let bytes = post("/ledger/events", token, event);
    let start = bytes.len() - event.len() + id;
    Request::naming(bytes, ordered().then_some(start..start + uuid::fmt::Hyphenated::LENGTH))
}

/// For each connection `each` requests with one event, the progress of one of `jobs` at random.
pub fn progress_at_random(connections: usize, each: usize, token: &str, jobs: &[String]) -> Vec<Vec<Request>> {
    let request = |n: usize| progress_of(&jobs[fastrand::usize(..jobs.len())], n, token);
    (0..connections).map(|_| (0..each).map(request).collect()).collect()
}

fn progress_of(job: &str, records: usize, token: &str) -> Request {
    single(&progress_event(job, records), token)
}

fn progress_event(job: &str, records: usize) -> String {
    let data = format!(r#"{{"current_step":"Processing accounts of the directory","records_processed":{records}}}"#);
    let id = id();
    format!(
        r#"{{"specversion":"1.0","id":"{id}","source":"/workers/sync-1","type":"job.progress","subject":"{job}","data":{data}}}"#
    )
}

/// Creates and starts jobs over HTTP that go on running. Returns their ids.
pub async fn running_jobs<S: Stream>(connection: &mut Connection<S>, token: &str, jobs: usize) -> Vec<String> {
    let lives: Vec<Life> = std::iter::repeat_with(Life::new).take(jobs).collect();
    let ids = lives.iter().map(|life| life.job.clone()).collect();
    append_all(connection, token, lives.into_iter().flat_map(|life| life.take(2))).await;
    ids
}

/// Appends one progress of each job.
pub async fn progress_of_each<S: Stream>(connection: &mut Connection<S>, token: &str, jobs: &[String]) {
    append_all(connection, token, jobs.iter().map(|job| progress_event(job, 1))).await;
}

/// Appends `events` over HTTP, many in a request.
async fn append_all<S: Stream>(connection: &mut Connection<S>, token: &str, events: impl Iterator<Item = String>) {
    const BATCH: usize = 500;
    let events: Vec<String> = events.collect();
    for batch in events.chunks(BATCH) {
        connection.ask(&post("/ledger/events", token, &format!("[{}]", batch.join(",")))).await;
    }
}

/// Creates and starts jobs that go on running. Returns their ids.
pub async fn open_jobs(ledger: &Ledger, jobs: usize) -> Vec<String> {
    let mut ids = Vec::with_capacity(jobs);
    for _ in 0..jobs.div_ceil(250) {
        let mut events = Vec::new();
        for _ in ids.len()..jobs.min(ids.len() + 250) {
            let life = Life::new();
            ids.push(life.job.clone());
            events.extend(life.take(2).map(|event| wire::single(event.as_bytes(), &Mask::default()).expect("valid")));
        }
        let append = Append { org: OrgId::default(), actor: "bench".into(), events, guard: None, lease: None };
        ledger.append(append).await.expect("the events are taken");
    }
    ids
}

/// A `POST` of `body`.
pub fn post(path: &str, token: &str, body: &str) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body.as_bytes()].concat()
}

/// A request for a stream of a client that has seen the events up to `seen`.
pub fn get_after(path: &str, token: &str, seen: u64) -> Vec<u8> {
    get(path, token, &format!("text/event-stream\r\nlast-event-id: {seen}"))
}

/// A `GET`.
pub fn get(path: &str, token: &str, accept: &str) -> Vec<u8> {
    let head =
        format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\naccept: {accept}\r\n\r\n");
    head.into_bytes()
}

/// Appends `jobs` jobs through the library, in batches. Returns the ids of some of the jobs, spread over all.
pub async fn fill(ledger: &Ledger, jobs: usize) -> Vec<String> {
    const BATCH: usize = 50;
    const AT_ONCE: usize = 8;
    let keep = (jobs / 10_000).max(1);
    let mut ids = Vec::new();
    let mut running = tokio::task::JoinSet::new();
    for first in (0..jobs).step_by(BATCH) {
        let mut events = Vec::with_capacity(BATCH * LIFE);
        for n in first..jobs.min(first + BATCH) {
            let life = Life::new();
            if n % keep == 0 {
                ids.push(life.job.clone());
            }
            events.extend(life.map(|event| wire::single(event.as_bytes(), &Mask::default()).expect("a valid event")));
        }
        if running.len() >= AT_ONCE {
            running.join_next().await;
        }
        let ledger = ledger.clone();
        running.spawn(async move {
            let append = Append { org: OrgId::default(), actor: "bench".into(), events, guard: None, lease: None };
            ledger.append(append).await.expect("the events are taken");
        });
    }
    while let Some(done) = running.join_next().await {
        done.expect("the events are taken");
    }
    ids
}
