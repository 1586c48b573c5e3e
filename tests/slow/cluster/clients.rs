//! Clients of a cluster during faults: workers, strong reads, and a watcher that moves between nodes. What they saw is checked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::Value;
use ureq::http::Method;

use super::{NAMES, Nodes};
use crate::support::cli::cli;
use crate::support::wait::until_paced;
use crate::support::{Client, noted, task_job};

/// Longest wait of a client for one node. It then asks another one, as a worker behind a load balancer does.
const PATIENCE: Duration = Duration::from_secs(4);
/// Pause between two requests of a client.
const PAUSE: Duration = Duration::from_millis(5);
/// Events of one worker for one job.
const NOTES: usize = 1_000;
/// Workers at the same time.
const WORKERS: usize = 3;

/// An append that a node has answered.
struct Answered {
    event: String,
    position: u64,
    /// The whole answer, with the receipt.
    answer: String,
}

/// What the clients share.
struct Seen {
    urls: [String; 3],
    worker: String,
    auditor: String,
    answered: Mutex<Vec<Answered>>,
    /// When the newest answer came, and the longest time between two answers.
    pause: Mutex<(Instant, Duration)>,
    /// The newest position that any answer or any strong read has shown.
    newest: AtomicU64,
    strong_reads: AtomicU64,
    /// The newest event that the watcher has seen.
    watched: AtomicU64,
    stop: AtomicBool,
}

/// The running clients.
pub struct Clients {
    seen: Arc<Seen>,
    workers: Vec<JoinHandle<()>>,
    watcher: Option<JoinHandle<()>>,
    stop_watching: Arc<AtomicBool>,
}

impl Drop for Clients {
    /// Ends the clients of a test that fails: the addresses that they ask are the test's own only as long as it runs.
    fn drop(&mut self) {
        self.seen.stop.store(true, Ordering::Relaxed);
        self.stop_watching.store(true, Ordering::Relaxed);
        for thread in self.workers.drain(..).chain(self.watcher.take()) {
            let _ = thread.join();
        }
    }
}

impl Clients {
    pub fn start(nodes: &Nodes) -> Clients {
        let seen = Arc::new(Seen {
            urls: std::array::from_fn(|at| nodes.url(at)),
            worker: nodes.worker.clone(),
            auditor: nodes.auditor.clone(),
            answered: Mutex::default(),
            pause: Mutex::new((Instant::now(), Duration::ZERO)),
            newest: AtomicU64::new(0),
            strong_reads: AtomicU64::new(0),
            watched: AtomicU64::new(0),
            stop: AtomicBool::new(false),
        });
        let stop_watching = Arc::new(AtomicBool::new(false));
        let mut workers: Vec<JoinHandle<()>> = Vec::new();
        for worker in 0..WORKERS {
            let seen = seen.clone();
            workers.push(spawn(move || seen.work(worker)));
        }
        let (reader, watcher, stop) = (seen.clone(), seen.clone(), stop_watching.clone());
        workers.push(spawn(move || reader.read_strongly()));
        let watcher = Some(spawn(move || watcher.watch(&stop)));
        Clients { seen, workers, watcher, stop_watching }
    }

    /// How many appends were answered.
    pub fn answered(&self) -> usize {
        self.seen.answered.lock().len()
    }

    /// Waits until so many more appends are answered.
    pub fn answers(&self, more: usize) {
        let before = self.answered();
        until_paced("appends are answered", Duration::from_millis(50), || self.answered() >= before + more);
    }

    /// The longest time between two answers of any node since the last call.
    pub fn longest_pause(&self) -> Duration {
        std::mem::take(&mut self.seen.pause.lock().1)
    }

    /// Ends the clients, and checks what they saw against every node.
    pub fn check(mut self, nodes: &Nodes) {
        self.seen.stop.store(true, Ordering::Relaxed);
        self.workers.drain(..).for_each(|worker| worker.join().unwrap());
        nodes.settle();
        let (answered, head) = (self.seen.answered.lock(), self.seen.newest.load(Ordering::Relaxed));
        until_paced("the watcher has seen everything", PAUSE, || self.seen.watched.load(Ordering::Relaxed) >= head);
        self.stop_watching.store(true, Ordering::Relaxed);
        self.watcher.take().unwrap().join().unwrap();
        let strong_reads = self.seen.strong_reads.load(Ordering::Relaxed);
        println!("{} appends were answered, and {strong_reads} strong reads", answered.len());
        assert!(!answered.is_empty() && strong_reads > 0);
        for (at, name) in NAMES.iter().enumerate() {
            check_node(&answered, &ids(&nodes.client(at, &nodes.auditor)), name);
        }
        let vkey = cli(["key", "show", "--data"]).arg(nodes.folder(0)).run().expect(0).stdout;
        let file = nodes.dir.path().join("answer.json");
        for one in answered.iter().step_by(answered.len() / 10 + 1) {
            std::fs::write(&file, &one.answer).unwrap();
            cli(["verify", "receipt"]).arg(&file).args(["--vkey", vkey.trim()]).run().expect(0);
        }
    }
}

/// The ids of the events of a node, from position 1 on.
fn ids(client: &Client) -> Vec<String> {
    let events = client.get_with("/ledger/events", &[("accept", "application/x-ndjson")]).expect(200).text();
    let id = |(position, line): (u64, &str)| {
        let event: Value = serde_json::from_str(line).unwrap();
        assert_eq!(event["position"].as_str().unwrap(), position.to_string());
        event["id"].as_str().unwrap_or_default().to_owned()
    };
    (1..).zip(events.lines()).map(id).collect()
}

fn check_node(answered: &[Answered], ids: &[String], name: &str) {
    for one in answered {
        let found = ids.get(one.position as usize - 1);
        assert_eq!(found, Some(&one.event), "at {} of {name}", one.position);
    }
    let mut unique: Vec<&String> = ids.iter().filter(|id| !id.is_empty()).collect();
    let count = unique.len();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), count, "an event is twice in {name}");
}

impl Seen {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn client(&self, at: usize, token: &str) -> Client {
        Client::with_patience(&self.urls[at % 3], Some(token), PATIENCE)
    }

    /// Appends events one by one, each until it is answered.
    fn work(&self, worker: usize) {
        let clients: [Client; 3] = std::array::from_fn(|at| self.client(at, &self.worker));
        for n in 0.. {
            // A job takes 10,000 notes.
            let job = format!("{worker}-{}", n / NOTES);
            let event = if n % NOTES == 0 { task_job(&job) } else { noted(&job, &n.to_string()) };
            for attempt in worker + n.. {
                // An event that is on its way when the test ends is not answered, and need not be there.
                if self.stopped() {
                    return;
                }
                let headers = [("content-type", "application/json"), ("prefer", "return=receipt")];
                let body = event.to_string();
                let sent = clients[attempt % 3].try_send(Method::POST, "/ledger/events", &headers, body.as_bytes());
                let Ok(answer) = sent else { continue };
                assert!([200, 201, 503].contains(&answer.status), "{}: {}", answer.status, answer.text());
                if answer.status == 503 {
                    sleep(PAUSE);
                    continue;
                }
                let position = answer.json()["position"].as_u64().unwrap();
                let event = event["id"].as_str().unwrap().to_owned();
                self.answered.lock().push(Answered { event, position, answer: answer.text() });
                self.newest.fetch_max(position, Ordering::SeqCst);
                let mut pause = self.pause.lock();
                pause.1 = pause.1.max(pause.0.elapsed());
                pause.0 = Instant::now();
                break;
            }
            sleep(PAUSE);
        }
    }

    /// Reads strongly from one node after another. Each read shows at least every event that a node answered, or that a strong read
    /// showed, before the read began.
    fn read_strongly(&self) {
        for at in 0.. {
            if self.stopped() {
                return;
            }
            let floor = self.newest.load(Ordering::SeqCst);
            let strong = [("ledger-consistency", "strong")];
            let read = self.client(at, &self.auditor).try_send(Method::GET, "/ledger/events?limit=1", &strong, b"");
            if let Ok(answer) = read
                && answer.status == 200
            {
                let head = answer.json()["head"].as_u64().unwrap();
                assert!(head >= floor, "a strong read of node {} shows {head} after {floor}", at % 3);
                self.newest.fetch_max(head, Ordering::SeqCst);
                self.strong_reads.fetch_add(1, Ordering::Relaxed);
            }
            sleep(PAUSE);
        }
    }

    /// Watches all events, some from each node in turn. Every event comes once, in order.
    fn watch(&self, stop: &AtomicBool) {
        let mut newest = 0;
        for at in 0.. {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            let cursor = newest.to_string();
            let opened = self.client(at, &self.auditor).try_stream("/ledger/events", &[("last-event-id", &cursor)]);
            let Ok(Ok(mut stream)) = opened else {
                sleep(PAUSE);
                continue;
            };
            for _ in 0..50 {
                let Ok(Some(frame)) = stream.try_next() else { break };
                assert_ne!(frame.event, "reset", "after {newest}: {}", frame.data);
                // Heartbeats and the end of a stream have one word.
                if !frame.event.contains('.') {
                    continue;
                }
                assert_eq!(frame.id, Some(newest + 1), "node {}", at % 3);
                newest += 1;
                self.watched.store(newest, Ordering::Relaxed);
                if stop.load(Ordering::Relaxed) {
                    return;
                }
            }
        }
    }
}
