//! Whether a stored event has the content that a producer sends again.

use crate::job::{Event, JobId};
use crate::log::Found;
use crate::wire::{Incoming, Leaf, StoredRedaction};

/// The stored event's job, if the stored event has the content of `incoming`. An attribute that the producer leaves out matches
/// the value that the ledger filled in, and redacted data matches any data.
pub(super) fn same_subject(stored: &Found, incoming: &Incoming) -> Option<JobId> {
    let leaf = Leaf::parse(&stored.leaf).ok()?;
    let subject: JobId = leaf.subject.as_deref()?.parse().ok()?;
    let same = leaf.is(incoming.event.event_type())
        && incoming.subject.as_ref().is_none_or(|given| *given == subject)
        && incoming.time.is_none_or(|given| leaf.time().is_ok_and(|time| time == given))
        && stored.data.as_ref().is_none_or(|data| same_data(&leaf, data, incoming));
    same.then_some(subject)
}

fn same_data(leaf: &Leaf<'_>, data: &[u8], incoming: &Incoming) -> bool {
    match incoming.event {
        // The ledger stores the residue with the producer's data.
        Event::Redacted(_) => {
            let stored = leaf.version().ok().and_then(|version| StoredRedaction::read(version, data).ok());
            stored.is_some_and(|stored| stored.sent == incoming.data)
        }
        _ => data == incoming.data,
    }
}
