//! Recent events, rendered once and shared by every watcher.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::RwLock;

use super::bells::{Bell, Bells};
use super::frame::{Frame, Taken};
use super::late::Late;
use crate::http::answer::Error;
use crate::http::connection::Bound;
use crate::http::limits::Held;
use crate::job::Position;
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
/// Pause after the log could not be read.
const RETRY: Duration = Duration::from_secs(1);

/// The open tails of a server.
#[derive(Debug, Default)]
pub struct Tails {
    ring: RwLock<Ring>,
    pub(super) late: Late,
    bells: Arc<Bells>,
    open: AtomicUsize,
}

#[derive(Debug, Default)]
struct Ring {
    frames: VecDeque<Arc<Frame>>,
    bytes: usize,
    /// Everything after this, up to `end`, is here.
    start: Position,
    end: Position,
    /// The newest erasure that every frame here comes after.
    erased: Position,
}

impl Tails {
    /// How many streams are open.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// Counts a stream, until the answer is dropped. Comes before its first look at the log.
    pub(super) fn enter(self: &Arc<Tails>, ledger: &Ledger, long: (Bound, Held)) -> Open {
        self.open.fetch_add(1, Ordering::SeqCst);
        ledger.metrics().tails.inc();
        Open { tails: self.clone(), ledger: ledger.clone(), _long: long }
    }

    /// The bell for what `filter` lets through. Whoever takes it looks at the log afterwards, and then waits for it.
    pub(super) fn bell(&self, filter: &Filter) -> Bell {
        self.bells.of(filter)
    }

    /// What the ring has after `cursor`; `None` where it begins later and the log has to be read.
    pub(super) fn take(&self, cursor: Position, filter: &Filter) -> Option<Taken> {
        let ring = self.ring.read();
        if cursor < ring.start {
            return None;
        }
        let first = ring.frames.partition_point(|frame| frame.position <= cursor);
        let frames = ring.frames.range(first..).map(|frame| &**frame);
        Some(Taken::from(frames, filter, ring.end.max(cursor), TAKE))
    }

    /// Whether no frame in the ring shows what was erased up to `erased`.
    pub(super) fn comes_after(&self, erased: Position) -> bool {
        self.ring.read().erased >= erased
    }

    /// No frame from before the erasure `erased` stays. Whoever wants one reads the event from the log, without its data.
    fn forget(&self, erased: Position) {
        let mut ring = self.ring.write();
        if ring.erased < erased {
            *ring = Ring { start: ring.end, end: ring.end, erased, ..Ring::default() };
        }
    }

    fn push(&self, frames: &[Arc<Frame>], end: Position) {
        let mut ring = self.ring.write();
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
        let mut ring = self.ring.write();
        *ring = Ring { start: head, end: head, erased: ring.erased, ..Ring::default() };
        drop(ring);
        self.bells.ring_all(head);
    }

    /// Puts frames into the ring, then rings. In this order: whoever comes too late to hear it finds them in the ring.
    fn publish(&self, frames: Vec<Frame>, end: Position) {
        let frames: Vec<Arc<Frame>> = frames.into_iter().map(Arc::new).collect();
        self.push(&frames, end);
        self.bells.ring(&frames, end);
    }
}

/// An open stream, while it lives.
pub(super) struct Open {
    tails: Arc<Tails>,
    ledger: Ledger,
    _long: (Bound, Held),
}

impl Drop for Open {
    fn drop(&mut self) {
        self.tails.open.fetch_sub(1, Ordering::SeqCst);
        self.ledger.metrics().tails.dec();
    }
}

/// Renders every new event into the ring while there are tails, and wakes them. Runs as long as the server.
pub async fn publish(ledger: Ledger, tails: Arc<Tails>) {
    let mut head_bell = ledger.bell();
    loop {
        let head = *head_bell.borrow_and_update();
        tails.forget(ledger.erased());
        if tails.open() == 0 {
            tails.skip_to(head);
        } else if let Err(error) = render_up_to(&ledger, &tails, head) {
            tracing::error!(detail = error.detail, "tails cannot be served; trying again");
            // Not when something more is recorded: watchers wait for what is there.
            tokio::time::sleep(RETRY).await;
            continue;
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
        let end = tails.ring.read().end;
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
    use std::task::{Context, Wake};

    use super::*;
    use crate::job::{Kind, OrgId};

    /// One of each kind of filter whose bell a remark on the job `a` rings.
    fn filters() -> Vec<Filter> {
        let (all, org, job) = (Filter::default(), Some(OrgId::default()), Some("a".parse().unwrap()));
        vec![
            Filter { org, job: job.clone(), ..all.clone() },
            Filter { job, types: vec!["job.started".into()], ..all.clone() },
            Filter { org, kind: Some(Kind::Task), ..all.clone() },
            Filter { types: vec!["job.failed".into(), "job.noted".into()], ..all.clone() },
            Filter { org, ..all.clone() },
            all,
        ]
    }

    fn frame(position: u64, event_type: &str) -> Frame {
        Frame::bare(Position::new(position), OrgId::default(), "a", event_type)
    }

    /// Whoever begins to listen while an event is published finds the event in the ring or hears the bell.
    fn nobody_misses(publish: impl Fn(&Tails, Vec<Frame>, Position)) {
        for filter in filters() {
            let (tails, ready) = (Tails::default(), Barrier::new(2));
            for round in 1..1000 {
                let frames = (0..64).map(|_| frame(round, "job.noted")).collect();
                std::thread::scope(|scope| {
                    let listener = scope.spawn(|| {
                        ready.wait();
                        // Some come before, some during, and some after.
                        (0..round % 100 * 50).for_each(|_| std::hint::spin_loop());
                        let bell = tails.bell(&filter);
                        (tails.take(Position::new(round - 1), &filter), bell)
                    });
                    ready.wait();
                    publish(&tails, frames, Position::new(round));
                    let (taken, mut bell) = listener.join().unwrap();
                    // `None` sends the listener to the log, which has the event.
                    let found = taken.is_none_or(|taken| taken.cursor.get() >= round);
                    assert!(found || bell.has_rung_after(Position::new(round - 1)), "{round} was missed by {filter:?}");
                });
            }
        }
    }

    #[test]
    fn an_event_that_is_rendered_while_somebody_comes_is_not_missed() {
        nobody_misses(Tails::publish);
    }

    #[test]
    fn an_event_that_is_skipped_while_somebody_comes_is_not_missed() {
        nobody_misses(|tails, _, head| tails.skip_to(head));
    }

    /// A waker that looks into the ring at the moment it is woken.
    struct Look {
        tails: Tails,
        seen: AtomicUsize,
    }

    impl Wake for Look {
        fn wake(self: Arc<Look>) {
            let taken = self.tails.take(Position::GENESIS, &Filter::default());
            self.seen.store(taken.map_or(0, |taken| taken.bytes.len()), Ordering::SeqCst);
        }
    }

    #[test]
    fn when_the_bell_rings_the_event_is_there() {
        for filter in filters() {
            let look = Arc::new(Look { tails: Tails::default(), seen: AtomicUsize::new(0) });
            let mut bell = look.tails.bell(&filter);
            let mut rings = std::pin::pin!(bell.rings_after(Position::GENESIS));
            assert!(rings.as_mut().poll(&mut Context::from_waker(&look.clone().into())).is_pending());
            let frame = frame(1, "job.noted");
            let size = frame.bytes.len();
            look.tails.publish(vec![frame], Position::new(1));
            assert_eq!(look.seen.load(Ordering::SeqCst), size, "{filter:?}");
        }
    }

    /// Every seventh event is for the listener, whose cursor moves on over the others, whether the bell rings or a heartbeat
    /// is due.
    #[test]
    fn who_passes_what_is_not_for_them_passes_nothing_else() {
        const LAST: u64 = 7 * 200;
        let filter = Filter { types: vec!["job.failed".into()], ..Filter::default() };
        for _ in 0..20 {
            let (tails, ready) = (Tails::default(), Barrier::new(2));
            std::thread::scope(|scope| {
                let listener = scope.spawn(|| {
                    let mut bell = tails.bell(&filter);
                    ready.wait();
                    let (mut cursor, mut seen) = (Position::GENESIS, 0);
                    while cursor.get() < LAST {
                        let rung = bell.has_rung_after(cursor);
                        cursor = bell.pass_silence(cursor);
                        if rung {
                            let taken = tails.take(cursor, &filter).unwrap();
                            (cursor, seen) = (taken.cursor, seen + taken.bytes.len() / 2);
                        }
                    }
                    seen
                });
                ready.wait();
                for position in 1..=LAST {
                    let event_type = if position % 7 == 0 { "job.failed" } else { "job.noted" };
                    tails.publish(vec![frame(position, event_type)], Position::new(position));
                }
                assert_eq!(listener.join().unwrap() as u64, LAST / 7);
            });
        }
    }
}
