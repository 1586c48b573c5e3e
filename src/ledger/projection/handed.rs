//! What the writer hands to the projector, so that what was just written need not be read and parsed again.

use std::collections::VecDeque;

use crate::job::{Fact, Position};

/// Most bytes of events that wait here, 4 MiB: so many are taken into the views at once.
const BYTES: usize = 4 << 20;

/// The events of one commit, one after the other: at least one.
#[derive(Debug, Default)]
pub(in crate::ledger) struct Handed {
    /// What they say.
    pub facts: Vec<Fact>,
    /// The leaf of the newest.
    pub leaf: Vec<u8>,
    /// About how many bytes they take.
    pub bytes: usize,
}

/// Commits that follow each other without a gap. What is not here is in the log.
#[derive(Debug, Default)]
pub(super) struct Queue {
    commits: VecDeque<Handed>,
    bytes: usize,
}

impl Queue {
    /// Keeps a commit, if there is room; what does not follow what is here takes its place.
    pub(super) fn push(&mut self, commit: Handed) {
        let newest = self.commits.back().and_then(|before| before.facts.last());
        let follows = newest.is_none_or(|newest| Some(newest.position.next()) == first(&commit));
        if !follows || self.bytes + commit.bytes > BYTES {
            *self = Queue::default();
        }
        if commit.bytes <= BYTES {
            self.bytes += commit.bytes;
            self.commits.push_back(commit);
        }
    }

    /// Whether half of the room is taken: time to take it all.
    pub(super) fn is_much(&self) -> bool {
        self.bytes > BYTES / 2
    }

    /// Everything from `next` on; nothing where that is not here.
    pub(super) fn take(&mut self, next: Position) -> VecDeque<Handed> {
        let taken = std::mem::take(self).commits;
        if taken.front().is_some_and(|commit| first(commit) == Some(next)) { taken } else { VecDeque::new() }
    }
}

fn first(commit: &Handed) -> Option<Position> {
    commit.facts.first().map(|fact| fact.position)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{Event, JobKey, OrgId, Started, Time};

    fn commit(positions: std::ops::Range<u64>, bytes: usize) -> Handed {
        let fact = |position| Fact {
            key: JobKey { org: OrgId::default(), id: "job-1".parse().unwrap() },
            position: Position::new(position),
            time: Time::from_micros(0),
            actor: "worker".into(),
            event: Event::Started(Started::default()),
        };
        Handed { facts: positions.map(fact).collect(), leaf: Vec::new(), bytes }
    }

    fn taken(queue: &mut Queue, next: u64) -> Vec<u64> {
        let commits = queue.take(Position::new(next)).into_iter();
        commits.flat_map(|commit| commit.facts).map(|fact| fact.position.get()).collect()
    }

    #[test]
    fn what_follows_without_a_gap_is_taken_and_the_rest_left_to_the_log() {
        let mut queue = Queue::default();
        for positions in [3..5, 5..6, 6..9] {
            queue.push(commit(positions, 1));
        }
        assert_eq!(taken(&mut queue, 3), [3, 4, 5, 6, 7, 8]);
        assert_eq!(taken(&mut queue, 9), [0; 0]);
        for (positions, next) in [(9..11, 10), (9..11, 7)] {
            queue.push(commit(positions, 1));
            assert_eq!(
                taken(&mut queue, next),
                [0; 0],
                "what was read from the log meanwhile, or is missing before it"
            );
        }
        queue.push(commit(11..12, 1));
        queue.push(commit(14..15, 1));
        assert_eq!(taken(&mut queue, 14), [14], "a gap in between");
    }

    #[test]
    fn what_there_is_no_room_for_is_left_to_the_log() {
        let mut queue = Queue::default();
        queue.push(commit(1..2, BYTES));
        queue.push(commit(2..3, 1));
        assert_eq!(taken(&mut queue, 2), [2]);
        queue.push(commit(3..4, 1));
        queue.push(commit(4..5, BYTES + 1));
        assert_eq!(taken(&mut queue, 3), [0; 0]);
    }
}
