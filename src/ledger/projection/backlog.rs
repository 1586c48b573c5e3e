//! The commits that wait for the projector. The writer thread leaves their facts here, so that the projector need not read and
//! parse the same events again.
//!
//! The writer thread wakes the projector only for a head that the projector has asked for, or when the backlog is half full. While
//! events gather, other commits wake no thread.

use std::collections::VecDeque;

use parking_lot::Mutex;

use crate::job::{Fact, Position};
use crate::memory::Budget;

/// Events that gather before they are projected at once. A reader waits for them, about 5 ms.
pub(super) const ENOUGH: u64 = 1_024;
/// Events that gather while no reader comes: the jobs among them are written once. The next reader waits about 25 ms.
pub(super) const MANY: u64 = 8_192;

/// The facts of one commit, in order: at least one, and no redaction.
#[derive(Debug, Default)]
pub(in crate::ledger) struct CommittedFacts {
    /// The facts.
    pub facts: Vec<Fact>,
    /// The leaf of the newest event.
    pub newest_leaf: Vec<u8>,
    /// About how many bytes they take.
    pub bytes: usize,
}

/// Commits that follow each other without a gap. The projector reads every other event from the log.
#[derive(Debug)]
pub(super) struct Backlog(Mutex<State>);

#[derive(Debug)]
struct State {
    /// Most bytes of facts: the projector takes so many into the views at once.
    budget: Budget,
    /// The newest position of the log.
    head: Position,
    commits: VecDeque<CommittedFacts>,
    bytes: usize,
    /// The head at which the writer thread wakes the projector; `None` while the projector works.
    wake_at: Option<Position>,
}

/// What the projector does with the events that the views do not hold yet.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    /// The views hold every event.
    None,
    /// A few: more may gather.
    Few,
    /// So many that they are projected now.
    Enough,
}

impl Backlog {
    pub(super) fn new(budget: Budget) -> Backlog {
        let (head, commits) = (Position::GENESIS, VecDeque::new());
        Backlog(Mutex::new(State { budget, head, commits, bytes: 0, wake_at: None }))
    }

    /// Sets the head and adds the facts of its commit, if the writer thread has them. Answers whether to wake the projector.
    pub(super) fn add(&self, commit: Option<CommittedFacts>, head: Position) -> bool {
        let mut state = self.0.lock();
        if let Some(commit) = commit {
            state.push(commit);
        }
        state.head = state.head.max(head);
        let half_full = state.half_full();
        state.wake_at.take_if(|wake_at| head >= *wake_at || half_full).is_some()
    }

    /// The newest position of the log.
    pub(super) fn head(&self) -> Position {
        self.0.lock().head
    }

    /// Takes every fact from `next` on. Empty if the backlog does not begin there: the log then gives the events.
    pub(super) fn take(&self, next: Position) -> VecDeque<CommittedFacts> {
        let mut state = self.0.lock();
        state.wake_at = None;
        let taken = std::mem::take(&mut state.commits);
        state.bytes = 0;
        if taken.front().is_some_and(|commit| first(commit) == Some(next)) { taken } else { VecDeque::new() }
    }

    /// Tells a projector with views at `position` what waits, and has it woken for the next change of the answer. `enough` events
    /// are enough.
    pub(super) fn wait(&self, position: Position, enough: u64) -> Waiting {
        let mut state = self.0.lock();
        let enough = Position::new(position.get() + enough);
        let (waiting, wake_at) = match state.head {
            head if head <= position => (Waiting::None, Some(position.next())),
            head if head >= enough || state.half_full() => (Waiting::Enough, None),
            _ => (Waiting::Few, Some(enough)),
        };
        state.wake_at = wake_at;
        waiting
    }
}

impl State {
    /// Keeps a commit if there is room. A commit that does not follow the last one replaces all of them.
    fn push(&mut self, commit: CommittedFacts) {
        let newest = self.commits.back().and_then(|before| before.facts.last());
        let follows = newest.is_none_or(|newest| Some(newest.position.next()) == first(&commit));
        if !follows || self.bytes + commit.bytes > self.budget.limit() {
            self.commits.clear();
            self.bytes = 0;
        }
        if commit.bytes <= self.budget.limit() {
            self.bytes += commit.bytes;
            self.commits.push_back(commit);
        }
    }

    fn half_full(&self) -> bool {
        self.bytes > self.budget.limit() / 2
    }
}

fn first(commit: &CommittedFacts) -> Option<Position> {
    commit.facts.first().map(|fact| fact.position)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{Event, Started, samples};

    const BYTES: usize = 4 << 20;

    /// Adds a commit of the events at `positions`; answers whether the projector is woken.
    fn add(backlog: &Backlog, positions: std::ops::Range<u64>, bytes: usize) -> bool {
        let head = Position::new(positions.end - 1);
        let facts = positions.map(|at| samples::fact("job-1", at, Event::Started(Started::default()))).collect();
        backlog.add(Some(CommittedFacts { facts, newest_leaf: Vec::new(), bytes }), head)
    }

    fn taken(backlog: &Backlog, next: u64) -> Vec<u64> {
        let commits = backlog.take(Position::new(next)).into_iter();
        commits.flat_map(|commit| commit.facts).map(|fact| fact.position.get()).collect()
    }

    #[test]
    fn commits_without_a_gap_are_taken_and_the_log_gives_the_rest() {
        let backlog = Backlog::new(Budget::new(BYTES));
        for positions in [3..5, 5..6, 6..9] {
            add(&backlog, positions, 1);
        }
        assert_eq!(taken(&backlog, 3), [3, 4, 5, 6, 7, 8]);
        assert_eq!(taken(&backlog, 9), [0; 0]);
        for (positions, next) in [(9..11, 10), (9..11, 7)] {
            add(&backlog, positions, 1);
            assert_eq!(taken(&backlog, next), [0; 0], "read from the log meanwhile, or a gap before it");
        }
        add(&backlog, 11..12, 1);
        add(&backlog, 14..15, 1);
        assert_eq!(taken(&backlog, 14), [14], "a gap in between");
    }

    #[test]
    fn a_commit_without_room_is_left_to_the_log() {
        let backlog = Backlog::new(Budget::new(BYTES));
        add(&backlog, 1..2, BYTES);
        add(&backlog, 2..3, 1);
        assert_eq!(taken(&backlog, 2), [2]);
        add(&backlog, 3..4, 1);
        add(&backlog, 4..5, BYTES + 1);
        assert_eq!(taken(&backlog, 3), [0; 0]);
    }

    #[test]
    fn the_first_commit_wakes_the_projector_and_so_does_the_one_that_makes_a_batch() {
        let backlog = Backlog::new(Budget::new(BYTES));
        let none = Position::GENESIS;
        assert!(!add(&backlog, 1..2, 1), "the projector works");
        taken(&backlog, 1);
        assert_eq!(backlog.wait(Position::new(1), ENOUGH), Waiting::None);
        assert!(add(&backlog, 2..3, 1));
        assert!(!add(&backlog, 3..4, 1), "it is woken already");
        assert_eq!(backlog.wait(none, ENOUGH), Waiting::Few);
        assert!(!add(&backlog, 4..ENOUGH, 1));
        assert!(add(&backlog, ENOUGH..ENOUGH + 1, 1));
        assert_eq!(backlog.wait(none, ENOUGH), Waiting::Enough);
        taken(&backlog, 2);
        assert_eq!(backlog.wait(Position::new(ENOUGH), ENOUGH), Waiting::None);
        assert!(add(&backlog, ENOUGH + 1..ENOUGH + 2, BYTES / 2 + 1));
        assert_eq!(backlog.wait(Position::new(ENOUGH), ENOUGH), Waiting::Enough, "many bytes");
    }
}
