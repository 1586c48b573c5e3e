//! An engine in memory that does to its clients what a real one may do: it loses requests and answers, repeats and delays requests,
//! refuses a message because of another that it then drops, takes messages of strangers, and answers reads from the past.

use super::{CommitLog, Published, Sequence, Stored, Unavailable};

/// How often each fault happens, in percent of the occasions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Faults {
    /// A request does not arrive.
    pub lost: u8,
    /// A request arrives later, after its sender has given up.
    pub delayed: u8,
    /// A message is durable only after its sender has given up, or never.
    pub slow: u8,
    /// The answer is lost.
    pub unanswered: u8,
    /// A message arrives twice.
    pub repeated: u8,
    /// A stranger, or a client that repeats without a check, appends.
    pub foreign: u8,
    /// The engine elects a leader, which drops messages that are not durable.
    pub election: u8,
    /// A read fails, or finds nothing although there is a message.
    pub blind: u8,
}

impl Faults {
    pub(super) const NONE: Faults =
        Faults { lost: 0, delayed: 0, slow: 0, unanswered: 0, repeated: 0, foreign: 0, election: 0, blind: 0 };
    pub(super) const MANY: Faults =
        Faults { lost: 5, delayed: 5, slow: 10, unanswered: 5, repeated: 5, foreign: 3, election: 10, blind: 10 };
}

/// A message that the engine's leader has put in order, and that is not durable yet.
struct Proposed(Vec<u8>);

/// The stream, as all clients share it.
pub(super) struct Model {
    /// The durable messages; `None` for one that was damaged.
    stored: Vec<Option<Vec<u8>>>,
    proposed: Vec<Proposed>,
    /// Requests in the network.
    delayed: Vec<(Sequence, Vec<u8>)>,
    faults: Faults,
    random: fastrand::Rng,
}

impl Model {
    pub(super) fn new(seed: u64, faults: Faults) -> Model {
        let random = fastrand::Rng::with_seed(seed);
        Model { stored: Vec::new(), proposed: Vec::new(), delayed: Vec::new(), faults, random }
    }

    fn happens(&mut self, percent: u8) -> bool {
        self.random.u8(0..100) < percent
    }

    fn end(&self) -> Sequence {
        self.stored.len() as Sequence
    }

    /// The leader's check compares with the proposed messages, not with the durable ones.
    fn arrive(&mut self, expected: Sequence, bytes: &[u8]) -> bool {
        let fits = expected == self.end() + self.proposed.len() as Sequence;
        if fits {
            self.proposed.push(Proposed(bytes.to_vec()));
        }
        fits
    }

    fn make_durable(&mut self, count: usize) {
        self.stored.extend(self.proposed.drain(..count).map(|Proposed(bytes)| Some(bytes)));
    }

    /// Time passes: each message under way arrives, becomes durable or is dropped.
    pub(super) fn pass(&mut self) {
        if self.happens(self.faults.election) {
            let kept = self.random.usize(0..=self.proposed.len());
            self.make_durable(kept);
            self.proposed.clear();
        }
        let durable = self.random.usize(0..=self.proposed.len());
        self.make_durable(durable);
        if !self.delayed.is_empty() && self.random.bool() {
            let (expected, bytes) = self.delayed.swap_remove(self.random.usize(0..self.delayed.len()));
            self.arrive(expected, &bytes);
        }
        if self.happens(self.faults.foreign) {
            let known = self.stored.iter().rev().take(8).flatten().cloned().collect::<Vec<_>>();
            let foreign = self.random.choice(known).filter(|_| self.random.bool()).unwrap_or(b"foreign".to_vec());
            self.proposed.push(Proposed(foreign));
        }
    }

    /// Nothing fails any more, and everything under way arrives.
    pub(super) fn heal(&mut self) {
        self.faults = Faults::NONE;
        for (expected, bytes) in std::mem::take(&mut self.delayed) {
            self.arrive(expected, &bytes);
        }
        self.make_durable(self.proposed.len());
    }

    /// Damages some of the messages up to `upto`: no read finds them again.
    pub(super) fn damage(&mut self, upto: Sequence) {
        let to = self.random.usize(0..=upto as usize);
        let from = to.saturating_sub(self.random.usize(0..4));
        self.stored[from..to].fill(None);
    }

    /// Loses the newest messages, as an engine with default sync does in a power cut.
    pub(super) fn lose_newest(&mut self) {
        self.proposed.clear();
        let left = self.stored.len().saturating_sub(self.random.usize(1..4));
        self.stored.truncate(left);
    }
}

impl CommitLog for Model {
    fn publish(&mut self, expected: Sequence, bytes: &[u8]) -> Published {
        if self.happens(self.faults.lost) {
            return Published::Unknown;
        }
        if self.happens(self.faults.delayed) {
            self.delayed.push((expected, bytes.to_vec()));
            return Published::Unknown;
        }
        let accepted = self.arrive(expected, bytes);
        if self.happens(self.faults.repeated) {
            self.arrive(expected, bytes);
        }
        if accepted && !self.happens(self.faults.slow) {
            self.make_durable(self.proposed.len());
        }
        match accepted {
            _ if self.happens(self.faults.unanswered) => Published::Unknown,
            true if self.proposed.is_empty() => Published::Accepted(self.end()),
            true => Published::Unknown,
            false => Published::Refused,
        }
    }

    fn read(&mut self, from: Sequence) -> Result<Vec<Stored>, Unavailable> {
        if self.happens(self.faults.blind) {
            return if self.random.bool() { Ok(Vec::new()) } else { Err(Unavailable("no answer".into())) };
        }
        let most = self.random.usize(1..4);
        let stored = (1..).zip(&self.stored).skip(from as usize - 1);
        let there = stored.filter_map(|(sequence, bytes)| Some(Stored { sequence, bytes: bytes.clone()? }));
        Ok(there.take(most).collect())
    }

    fn last(&mut self) -> Result<Sequence, Unavailable> {
        Ok(self.end())
    }
}
