//! Recent events, rendered once and shared by every watcher; and the bells that wake them.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::watch;

use super::frame::{Frame, Taken};
use crate::http::error::Error;
use crate::job::{JobKey, Position};
use crate::ledger::Ledger;
use crate::log::{Filter, enough};

/// Most frames kept.
const FRAMES: usize = 8192;
/// Most bytes kept, 32 MiB.
const BYTES: usize = 32 << 20;
/// Events read at a time.
const STEP: u64 = 512;
/// Bytes of frames after which a step ends: 4 MiB.
const STEP_BYTES: usize = 4 << 20;
/// Most bytes that one watcher takes at a time.
pub(super) const TAKE: usize = 64 << 10;
/// Rest between two rings of the bell for each open tail: waking a thousand tails costs some 10 ms, so under load they are
/// woken fifty times a second and take what has gathered. The first ring after a rest is at once.
const REST: Duration = Duration::from_micros(20);
/// The longest rest.
const LONGEST_REST: Duration = Duration::from_millis(20);

/// The open tails of a server.
#[derive(Debug, Default)]
pub struct Tails {
    ring: RwLock<Ring>,
    bell: watch::Sender<Position>,
    jobs: Mutex<HashMap<JobKey, watch::Sender<Position>>>,
    open: AtomicUsize,
}

#[derive(Debug, Default)]
struct Ring {
    frames: VecDeque<Arc<Frame>>,
    bytes: usize,
    /// Everything after this, up to `end`, is here.
    start: Position,
    end: Position,
}

impl Tails {
    /// How many streams are open.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// Counts a stream, until the answer is dropped. Comes before its first look at the log.
    pub(super) fn enter(self: &Arc<Tails>, ledger: &Ledger) -> Open {
        self.open.fetch_add(1, Ordering::SeqCst);
        ledger.metrics().tails.inc();
        Open { tails: self.clone(), ledger: ledger.clone() }
    }

    /// Rings with every event.
    pub(super) fn bell(&self) -> watch::Receiver<Position> {
        self.bell.subscribe()
    }

    /// Rings with every event of one job, so that a watcher of a quiet job costs nothing while others are busy.
    pub(super) fn job_bell(self: &Arc<Tails>, key: &JobKey) -> JobBell {
        let mut jobs = self.jobs();
        let sender = jobs.entry(key.clone()).or_insert_with(|| watch::Sender::new(Position::GENESIS));
        JobBell { bell: sender.subscribe(), key: key.clone(), tails: self.clone() }
    }

    fn jobs(&self) -> MutexGuard<'_, HashMap<JobKey, watch::Sender<Position>>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything up to here is in the ring, and every bell that it concerns has rung.
    pub(super) fn reached(&self) -> Position {
        *self.bell.borrow()
    }

    /// What the ring has after `cursor`; `None` where it begins later and the log has to be read.
    pub(super) fn take(&self, cursor: Position, filter: &Filter) -> Option<Taken> {
        let ring = self.ring.read().unwrap_or_else(PoisonError::into_inner);
        if cursor < ring.start {
            return None;
        }
        let first = ring.frames.partition_point(|frame| frame.position <= cursor);
        let frames = ring.frames.range(first..).map(|frame| &**frame);
        Some(Taken::from(frames, filter, ring.end.max(cursor), TAKE))
    }

    fn push(&self, frames: &[Arc<Frame>], end: Position) {
        let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
        for frame in frames {
            ring.bytes += frame.bytes.len();
            ring.frames.push_back(frame.clone());
        }
        ring.end = end;
        while ring.frames.len() > FRAMES || ring.bytes > BYTES {
            let Some(frame) = ring.frames.pop_front() else { break };
            ring.bytes -= frame.bytes.len();
            ring.start = frame.position;
        }
    }

    /// Nobody watches: nothing is rendered. Whoever came since that was asked is woken, and reads from the log.
    fn skip_to(&self, head: Position) {
        let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
        *ring = Ring { start: head, end: head, ..Ring::default() };
        drop(ring);
        for bell in self.jobs().values() {
            bell.send_replace(head);
        }
        self.bell.send_replace(head);
    }

    /// Puts frames into the ring, then rings: first the jobs' own bells, then the common one. Whoever sees the common bell
    /// at a position knows that its job's bell has rung for everything up to there.
    ///
    /// Which jobs are listened to is asked after the ring has the frames: whoever comes later finds them in it.
    fn publish(&self, frames: Vec<Frame>, end: Position) {
        let frames: Vec<Arc<Frame>> = frames.into_iter().map(Arc::new).collect();
        self.push(&frames, end);
        let jobs = self.jobs();
        if !jobs.is_empty() {
            for frame in &frames {
                if let Some(bell) = frame.job_key().and_then(|key| jobs.get(&key)) {
                    bell.send_replace(frame.position);
                }
            }
        }
        drop(jobs);
        self.bell.send_replace(end);
    }
}

/// An open stream, while it lives.
pub(super) struct Open {
    tails: Arc<Tails>,
    ledger: Ledger,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.tails.open.fetch_sub(1, Ordering::SeqCst);
        self.ledger.metrics().tails.dec();
    }
}

/// The bell of one job, while somebody listens.
pub(super) struct JobBell {
    pub bell: watch::Receiver<Position>,
    key: JobKey,
    tails: Arc<Tails>,
}

impl Drop for JobBell {
    fn drop(&mut self) {
        let mut jobs = self.tails.jobs();
        // Its own receiver is still counted.
        if jobs.get(&self.key).is_some_and(|bell| bell.receiver_count() <= 1) {
            jobs.remove(&self.key);
        }
    }
}

/// Renders every new event into the ring while there are tails, and wakes them. Runs as long as the server.
pub async fn publish(ledger: Ledger, tails: Arc<Tails>) {
    let mut head_bell = ledger.bell();
    loop {
        let head = *head_bell.borrow_and_update();
        if tails.open() == 0 {
            tails.skip_to(head);
        } else if let Err(error) = render_up_to(&ledger, &tails, head) {
            tracing::error!(detail = error.detail, "tails cannot be served");
        }
        let rest = REST.saturating_mul(u32::try_from(tails.open()).unwrap_or(u32::MAX)).min(LONGEST_REST);
        if rest >= Duration::from_millis(1) {
            tokio::time::sleep(rest).await;
        }
        if head_bell.changed().await.is_err() {
            return;
        }
    }
}

fn render_up_to(ledger: &Ledger, tails: &Tails, head: Position) -> Result<(), Error> {
    loop {
        let end = tails.ring.read().unwrap_or_else(PoisonError::into_inner).end;
        if end >= head {
            return Ok(());
        }
        let (mut frames, mut size) = (Vec::new(), 0);
        ledger.log(|log| {
            log.scan(end.next(), STEP, |row| {
                let frame = Frame::new(row).map_err(|error| Error::internal(&error))?;
                size += frame.bytes.len();
                frames.push(frame);
                Ok::<_, Error>(enough(size, STEP_BYTES))
            })
        })?;
        let Some(last) = frames.last().map(|frame| frame.position) else { return Ok(()) };
        tails.publish(frames, last);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;
    use crate::job::OrgId;

    fn key() -> JobKey {
        JobKey { org: OrgId::default(), id: "a".parse().unwrap() }
    }

    /// Whoever listens to one job while its event is published finds the event in the ring or hears the bell.
    fn nobody_misses(publish: impl Fn(&Tails, Position) + Sync) {
        let (tails, ready) = (Arc::new(Tails::default()), Barrier::new(2));
        let filter = Filter { org: Some(key().org), job: Some(key().id), ..Filter::default() };
        for round in 1..2000 {
            let position = Position::new(round);
            std::thread::scope(|scope| {
                let listener = scope.spawn(|| {
                    ready.wait();
                    let bell = tails.job_bell(&key());
                    (tails.take(Position::new(round - 1), &filter), bell)
                });
                ready.wait();
                publish(&tails, position);
                let (taken, bell) = listener.join().unwrap();
                // `None` sends the listener to the log, which has the event.
                let found = taken.is_none_or(|taken| taken.cursor >= position);
                assert!(found || *bell.bell.borrow() >= position, "the event at {position} was missed");
            });
        }
    }

    #[test]
    fn an_event_that_is_rendered_while_somebody_comes_is_not_missed() {
        nobody_misses(|tails, position| {
            let frame = |_| Frame::bare(position, &key());
            tails.publish((0..64).map(frame).collect(), position);
        });
    }

    #[test]
    fn an_event_that_is_skipped_while_somebody_comes_is_not_missed() {
        nobody_misses(Tails::skip_to);
    }
}
