//! Many watchers: one tail each, on a thread of their own beside the load generator. Each checks that its events come once and in order.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::ready;
use std::time::{Duration, Instant};

use tokio::io::{AsyncWriteExt, ReadBuf};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::client;
use super::tail_reader::{Follows, TailReader};
use super::to::{Stream, To};

/// Watchers that connect at the same time. They fit in the queue of a socket that listens.
const AT_ONCE: usize = 512;
/// Longest wait for the watchers to see something.
const PATIENCE: Duration = Duration::from_secs(120);

thread_local! {
    /// One buffer for all watchers of a thread, so that the bench needs little memory.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; 256 << 10]);
}

/// What all watchers together have seen.
#[derive(Default)]
pub struct Seen {
    /// Watchers whose stream has begun.
    begun: AtomicU64,
    events: AtomicU64,
    heartbeats: AtomicU64,
    /// Events that came twice, too late or too early.
    wrong: AtomicU64,
    /// Streams that have ended.
    ended: AtomicU64,
}

/// Open watchers. Dropping this value closes them.
pub struct Watchers {
    count: usize,
    seen: Arc<Seen>,
    stop: watch::Sender<bool>,
    thread: Option<std::thread::JoinHandle<Vec<u64>>>,
}

impl Watchers {
    /// Opens a tail for each of the requests, and returns at once. `after` has the position that each watcher has seen before, if any.
    pub fn open(to: &To, requests: Vec<Vec<u8>>, follows: Follows, after: &[u64]) -> Watchers {
        let (count, seen, (stop, stopping)) = (requests.len(), Arc::new(Seen::default()), watch::channel(false));
        let after = (0..count).map(|n| after.get(n).copied()).collect::<Vec<_>>();
        let thread = std::thread::spawn({
            let (to, seen) = (to.clone(), seen.clone());
            move || client().block_on(run(to, requests.into_iter().zip(after), follows, seen, stopping))
        });
        Watchers { count, seen, stop, thread: Some(thread) }
    }

    /// Opens the watchers, and waits until all streams have begun.
    pub async fn begun(to: &To, requests: Vec<Vec<u8>>, follows: Follows) -> Watchers {
        let watchers = Watchers::open(to, requests, follows, &[]);
        watchers.all_begin().await;
        watchers
    }

    /// Waits until all streams have begun.
    pub async fn all_begin(&self) {
        self.reach(&self.seen.begun, self.count as u64, "streams that have begun").await;
    }

    /// Waits until the watchers together have seen `events` events.
    pub async fn all_see(&self, events: u64) {
        self.reach(&self.seen.events, events, "events").await;
    }

    /// Waits until the watchers have seen a heartbeat each, on average.
    pub async fn all_beat(&self) {
        self.reach(&self.seen.heartbeats, self.count as u64, "heartbeats").await;
    }

    /// Waits until all streams have ended. Returns the position that each watcher has seen.
    pub async fn all_end(mut self) -> Vec<u64> {
        self.reach(&self.seen.ended, self.count as u64, "streams that have ended").await;
        self.thread.take().expect("it runs").join().expect("the watchers end")
    }

    async fn reach(&self, what: &AtomicU64, wanted: u64, name: &str) {
        let started = Instant::now();
        while what.load(Ordering::Relaxed) < wanted {
            let has = what.load(Ordering::Relaxed);
            assert!(started.elapsed() < PATIENCE, "{has} {name} of {wanted} after {PATIENCE:?}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(self.seen.wrong.load(Ordering::Relaxed), 0, "each event comes once and in order");
    }
}

impl Drop for Watchers {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Runs the watchers until their streams end or the bench stops them. Returns the position that each has seen.
async fn run(
    to: To,
    watchers: impl Iterator<Item = (Vec<u8>, Option<u64>)>,
    follows: Follows,
    seen: Arc<Seen>,
    mut stopping: watch::Receiver<bool>,
) -> Vec<u64> {
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = JoinSet::new();
    for (n, (request, after)) in watchers.enumerate() {
        let turn = turns.clone().acquire_owned().await.expect("it stays open");
        let (to, seen, reader) = (to.clone(), seen.clone(), TailReader::new(follows, after));
        running.spawn(async move {
            let watcher = Watcher { reader, seen, turn: Some(turn) };
            (n, watcher.watch(to.connect().await, &request).await)
        });
    }
    let mut last = vec![0; running.len()];
    loop {
        tokio::select! {
            ended = running.join_next() => match ended {
                Some(ended) => {
                    let (n, seen) = ended.expect("a watcher ends with its stream");
                    last[n] = seen;
                }
                None => return last,
            },
            _ = stopping.wait_for(|stopping| *stopping) => return last,
        }
    }
}

struct Watcher {
    reader: TailReader,
    seen: Arc<Seen>,
    /// Another watcher connects when this one's stream has begun.
    turn: Option<tokio::sync::OwnedSemaphorePermit>,
}

impl Watcher {
    /// Reads the stream to its end. Returns the newest position that it gave.
    async fn watch(mut self, mut stream: impl Stream, request: &[u8]) -> u64 {
        stream.write_all(request).await.expect("the server reads");
        stream.flush().await.expect("the server reads");
        while poll_fn(|cx| {
            BUFFER.with_borrow_mut(|buffer| {
                let mut read = ReadBuf::new(buffer);
                let result = ready!(Pin::new(&mut stream).poll_read(cx, &mut read));
                self.take(read.filled());
                (result.is_ok() && !read.filled().is_empty()).into()
            })
        })
        .await
        {}
        self.seen.ended.fetch_add(1, Ordering::Relaxed);
        self.reader.position()
    }

    fn take(&mut self, bytes: &[u8]) {
        let found = self.reader.take(bytes);
        self.seen.events.fetch_add(found.events, Ordering::Relaxed);
        self.seen.heartbeats.fetch_add(found.heartbeats, Ordering::Relaxed);
        self.seen.wrong.fetch_add(found.wrong, Ordering::Relaxed);
        if found.begins {
            self.seen.begun.fetch_add(1, Ordering::Relaxed);
            self.turn = None;
        }
    }
}
