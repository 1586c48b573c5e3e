//! The entries of a job's events, made one after the other while the events are folded.

use super::entry::{Entry, LinksTo};
use crate::history::Error;
use crate::job::{Fact, Job};
use crate::log::Reader;
use crate::model::ChangeTracker;
use crate::wire::{Leaf, Unreadable};

/// Folds a job's events, and makes entries of them.
#[derive(Debug)]
pub struct EntriesOf {
    tracker: ChangeTracker,
    links: LinksTo,
}

impl EntriesOf {
    /// Starts after the events that `job` has; from `None` before the job's first event.
    pub fn new(job: Option<Job>, links: LinksTo) -> EntriesOf {
        EntriesOf { tracker: ChangeTracker::without_output(job), links }
    }

    /// The job after the events so far.
    pub fn job(&self) -> Option<&Job> {
        self.tracker.job()
    }

    /// Folds an event that gets no entry.
    ///
    /// # Errors
    /// The event does not fit the job.
    pub fn pass(&mut self, fact: Fact) -> Result<(), Error> {
        let position = fact.position;
        self.tracker.pass(fact).map_err(Error::misfit(position))
    }

    /// Folds an event and makes its entry.
    ///
    /// # Errors
    /// The log or the event's leaf cannot be read, or the event does not fit the job.
    pub fn entry(&mut self, log: &Reader<'_>, fact: Fact) -> Result<Entry, Error> {
        let position = fact.position;
        let stored = log.at(position, |row| (row.leaf.to_vec(), row.data.is_none()))?;
        let (leaf, redacted) = stored.unwrap_or_default();
        let leaf = Leaf::parse(&leaf).map_err(|cause| Unreadable { position, cause: cause.into() })?;
        let entry = Entry::new(&fact, &leaf, redacted, self.links.clone());
        let changes = self.tracker.take(fact).map_err(Error::misfit(position))?;
        Ok(entry.with_changes(&changes))
    }
}
