//! The ring: recent events, rendered once and shared by all tails.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::RwLock;
use tokio::sync::Notify;

use super::TailError;
use super::bells::{Bell, Bells};
use super::frame::{Frame, Stretch};
use super::joined::Joined;
use super::late::LateReads;
use crate::blocking::off_thread;
use crate::job::Position;
use crate::ledger::Ledger;
use crate::log::Filter;
use crate::memory::{Budget, Memory, Share};

/// Most frames in the ring.
const FRAMES: usize = 8192;
/// Bytes of frames after which a stretch ends, 64 KiB.
pub(super) const TAKE: usize = 64 << 10;

/// The open tails of a server.
#[derive(Debug)]
pub struct Tails {
    ring: RwLock<Ring>,
    /// The bytes of the frames in the ring.
    budget: Budget,
    joined: Joined,
    late: LateReads,
    bells: Arc<Bells>,
    open: AtomicUsize,
    entered: Notify,
}

#[derive(Debug, Default)]
struct Ring {
    frames: VecDeque<Arc<Frame>>,
    bytes: usize,
    /// The ring holds all events in (start, end].
    start: Position,
    end: Position,
    /// Every frame in the ring was rendered after this redaction.
    redacted: Position,
}

impl Default for Tails {
    fn default() -> Tails {
        Tails::new(&Memory::default())
    }
}

impl Tails {
    /// An empty ring, and no open stream.
    pub fn new(memory: &Memory) -> Tails {
        let late = LateReads::new(memory.of(Share::LateReads));
        let (ring, joined, bells, open) = (RwLock::default(), Joined::default(), Arc::default(), AtomicUsize::new(0));
        Tails { ring, budget: memory.of(Share::Ring), joined, late, bells, open, entered: Notify::new() }
    }

    /// The number of open streams and of other readers that listen.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// Counts a stream until the returned value is dropped. A stream enters before its first read of the log: from then on the
    /// publisher renders every event.
    pub fn enter(self: &Arc<Tails>, ledger: &Ledger) -> Open {
        ledger.metrics().tails.inc();
        Open { _listening: self.listen(), ledger: ledger.clone() }
    }

    /// Makes the bells ring for a reader that is no stream, until the returned value is dropped. The reader listens before its first
    /// read of the log, as a stream enters.
    pub fn listen(self: &Arc<Tails>) -> Listening {
        if self.open.fetch_add(1, Ordering::SeqCst) == 0 {
            self.entered.notify_one();
        }
        Listening(self.clone())
    }

    /// Waits until a stream enters while no other is open. Returns at once if one has entered since the last call.
    pub(super) async fn entered(&self) {
        self.entered.notified().await;
    }

    /// The bell that rings for the events that `filter` shows. Take the bell first, then read the log, then wait for the bell.
    pub fn bell(&self, filter: &Filter) -> Bell {
        self.bells.subscribe(filter)
    }

    /// The stretch after `cursor`: from the ring, or from the log if the ring begins later or may show redacted data.
    ///
    /// # Errors
    /// The log cannot be read.
    pub async fn after(
        self: &Arc<Tails>,
        ledger: &Ledger,
        cursor: Position,
        filter: &Filter,
    ) -> Result<Stretch, TailError> {
        let redacted = ledger.newest_redaction();
        if self.comes_after(redacted)
            && let Some(stretch) = self.take(cursor, filter)
        {
            return Ok(stretch);
        }
        if let Some(stretch) = self.late.get(ledger.newest_redaction(), cursor, filter) {
            return Ok(stretch);
        }
        let (tails, ledger, filter) = (self.clone(), ledger.clone(), filter.clone());
        off_thread(move || tails.late.read(&ledger, cursor, &filter)).await
    }

    /// The stretch after `cursor` in the ring; `None` if the ring begins later.
    fn take(&self, cursor: Position, filter: &Filter) -> Option<Stretch> {
        let ring = self.ring.read();
        if cursor < ring.start {
            return None;
        }
        let first = ring.frames.partition_point(|frame| frame.position <= cursor);
        let frames = ring.frames.range(first..).map(|frame| &**frame);
        let join = || Stretch::of(frames, filter, ring.end.max(cursor), TAKE);
        // The frame of a quiet log is shared as it is.
        match ring.frames.len() - first {
            0 | 1 => Some(join()),
            _ => Some(self.joined.get_or(ring.end, cursor, filter, join)),
        }
    }

    /// The newest position in the ring.
    pub(super) fn end(&self) -> Position {
        self.ring.read().end
    }

    /// Whether every frame in the ring was rendered after the redaction at `redacted`.
    fn comes_after(&self, redacted: Position) -> bool {
        self.ring.read().redacted >= redacted
    }

    /// Evicts all frames that were rendered before the redaction at `redacted`. Watchers read these events from the log.
    pub(super) fn evict_before(&self, redacted: Position) {
        let mut ring = self.ring.write();
        if ring.redacted < redacted {
            *ring = Ring { start: ring.end, end: ring.end, redacted, ..Ring::default() };
            self.joined.clear();
            self.budget.hold(0);
        }
    }

    fn push(&self, frames: &[Arc<Frame>], end: Position) {
        let mut ring = self.ring.write();
        for frame in frames {
            ring.bytes += frame.bytes.len();
            ring.frames.push_back(frame.clone());
        }
        ring.end = end;
        while ring.frames.len() > FRAMES || ring.bytes > self.budget.limit() {
            let Some(frame) = ring.frames.pop_front() else { break };
            ring.bytes -= frame.bytes.len();
            ring.start = frame.position;
        }
        self.budget.hold(ring.bytes);
    }

    /// Moves the empty ring to `head` without rendering, because no tail is open. A tail that entered in the meantime is woken
    /// and reads from the log.
    pub(super) fn skip_to(&self, head: Position) {
        let mut ring = self.ring.write();
        *ring = Ring { start: head, end: head, redacted: ring.redacted, ..Ring::default() };
        self.joined.clear();
        self.budget.hold(0);
        drop(ring);
        self.bells.ring_all(head);
    }

    /// Puts the frames into the ring, then rings the bells. In this order a watcher that subscribes too late for the ring of the
    /// bell finds the frames.
    pub(super) fn publish(&self, frames: Vec<Frame>, end: Position) {
        let frames: Vec<Arc<Frame>> = frames.into_iter().map(Arc::new).collect();
        self.push(&frames, end);
        self.bells.ring(&frames, end);
    }
}

/// An open stream, counted while this value lives.
pub struct Open {
    _listening: Listening,
    ledger: Ledger,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.ledger.metrics().tails.dec();
    }
}

/// A reader for which the bells ring while this value lives.
pub struct Listening(Arc<Tails>);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::task::{Context, Wake};

    use super::*;
    use crate::job::EventType::{self, Failed, Noted, Started};
    use crate::job::{Kind, OrgId};
    use crate::log::Types;

    /// One filter of each kind; a note on the job `a` rings the bell of each.
    fn filters() -> Vec<Filter> {
        let (all, org, job) = (Filter::default(), Some(OrgId::default()), Some("a".parse().unwrap()));
        vec![
            Filter { org, job: job.clone(), ..all.clone() },
            Filter { job, types: set(&[Started]), ..all.clone() },
            Filter { org, kind: Some(Kind::Task), ..all.clone() },
            Filter { types: set(&[Failed, Noted]), ..all.clone() },
            Filter { org, ..all.clone() },
            all,
        ]
    }

    fn set(types: &[EventType]) -> Types {
        types.iter().copied().collect()
    }

    fn frame(position: u64, event_type: EventType) -> Frame {
        Frame::bare(Position::new(position), OrgId::default(), "a", event_type)
    }

    /// A watcher that subscribes while an event is published finds the event in the ring or hears the bell.
    fn no_watcher_misses(publish: impl Fn(&Tails, Vec<Frame>, Position)) {
        for filter in filters() {
            let (tails, ready) = (Tails::default(), Barrier::new(2));
            for round in 1..1000 {
                let frames = (0..64).map(|_| frame(round, Noted)).collect();
                std::thread::scope(|scope| {
                    let listener = scope.spawn(|| {
                        ready.wait();
                        // Some watchers subscribe before the event is published, some during that, and some after.
                        (0..round % 100 * 50).for_each(|_| std::hint::spin_loop());
                        let bell = tails.bell(&filter);
                        (tails.take(Position::new(round - 1), &filter), bell)
                    });
                    ready.wait();
                    publish(&tails, frames, Position::new(round));
                    let (stretch, mut bell) = listener.join().unwrap();
                    // `None` sends the watcher to the log, which has the event.
                    let found = stretch.is_none_or(|stretch| stretch.cursor.get() >= round);
                    assert!(found || bell.has_rung_after(Position::new(round - 1)), "{round} was missed by {filter:?}");
                });
            }
        }
    }

    #[test]
    fn a_watcher_that_subscribes_while_an_event_is_rendered_does_not_miss_it() {
        no_watcher_misses(Tails::publish);
    }

    #[test]
    fn a_watcher_that_subscribes_while_an_event_is_skipped_does_not_miss_it() {
        no_watcher_misses(|tails, _, head| tails.skip_to(head));
    }

    /// A waker that reads the ring when it is woken.
    struct ReadOnWake {
        tails: Tails,
        seen: AtomicUsize,
    }

    impl Wake for ReadOnWake {
        fn wake(self: Arc<ReadOnWake>) {
            let stretch = self.tails.take(Position::GENESIS, &Filter::default());
            self.seen.store(stretch.map_or(0, |stretch| stretch.bytes.len()), Ordering::SeqCst);
        }
    }

    #[test]
    fn the_ring_has_the_event_before_the_bell_rings() {
        for filter in filters() {
            let look = Arc::new(ReadOnWake { tails: Tails::default(), seen: AtomicUsize::new(0) });
            let mut bell = look.tails.bell(&filter);
            let mut rings = std::pin::pin!(bell.rings_after(Position::GENESIS));
            assert!(rings.as_mut().poll(&mut Context::from_waker(&look.clone().into())).is_pending());
            let frame = frame(1, Noted);
            let size = frame.bytes.len();
            look.tails.publish(vec![frame], Position::new(1));
            assert_eq!(look.seen.load(Ordering::SeqCst), size, "{filter:?}");
        }
    }

    /// The filter shows each seventh event. The watcher's cursor passes the others, after a ring of the bell and after a
    /// heartbeat.
    #[test]
    fn a_cursor_passes_only_events_that_the_filter_hides() {
        const LAST: u64 = 7 * 200;
        let filter = Filter { types: set(&[Failed]), ..Filter::default() };
        for _ in 0..20 {
            let (tails, ready) = (Tails::default(), Barrier::new(2));
            std::thread::scope(|scope| {
                let listener = scope.spawn(|| {
                    let mut bell = tails.bell(&filter);
                    ready.wait();
                    let (mut cursor, mut seen) = (Position::GENESIS, 0);
                    while cursor.get() < LAST {
                        let rung = bell.has_rung_after(cursor);
                        cursor = bell.skip_quiet(cursor);
                        if rung {
                            let stretch = tails.take(cursor, &filter).unwrap();
                            (cursor, seen) = (stretch.cursor, seen + stretch.bytes.len() / 2);
                        }
                    }
                    seen
                });
                ready.wait();
                for position in 1..=LAST {
                    let event_type = if position % 7 == 0 { Failed } else { Noted };
                    tails.publish(vec![frame(position, event_type)], Position::new(position));
                }
                assert_eq!(listener.join().unwrap() as u64, LAST / 7);
            });
        }
    }
}
