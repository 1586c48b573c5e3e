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

    /// Everything from `next` on; nothing where that is not here.
    pub(super) fn take(&mut self, next: Position) -> VecDeque<Handed> {
        let taken = std::mem::take(self).commits;
        if taken.front().is_some_and(|commit| first(commit) == Some(next)) { taken } else { VecDeque::new() }
    }
}

fn first(commit: &Handed) -> Option<Position> {
    commit.facts.first().map(|fact| fact.position)
}
