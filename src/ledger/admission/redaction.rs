//! A redaction: the event that it names, and the residue of that event's data.

use crate::job::{EventType, JobKey, Redacted, RedactionTarget, Refusal, Status, may_redact};
use crate::log::{self, Reader};
use crate::wire::{self, BadLeaf, Leaf, Undecodable};

/// Why an event cannot be redacted.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The rules reject the redaction.
    #[error("{0}")]
    Refused(Refusal),
    /// The named event's leaf cannot be read.
    #[error(transparent)]
    Leaf(#[from] BadLeaf),
    /// The named event's data cannot be read, so it has no residue.
    #[error(transparent)]
    Data(#[from] Undecodable),
    /// The log failed.
    #[error(transparent)]
    Log(#[from] log::Error),
}

/// The residue of the data that `redacted` names, if the job in this state allows the redaction.
pub(super) fn residue(log: &Reader<'_>, key: &JobKey, state: Status, redacted: &Redacted) -> Result<Vec<u8>, Error> {
    let named = log.at(redacted.position, |row| {
        let leaf = Leaf::parse(row.leaf)?;
        if leaf.org()? != Some(key.org) || leaf.subject.as_deref() != Some(key.id.as_str()) {
            return Ok(None);
        }
        Ok::<_, Error>(Some(match row.data {
            _ if leaf.is(EventType::Redacted) => RedactionTarget::Redaction,
            None => RedactionTarget::Redacted,
            Some(data) => RedactionTarget::HasData(wire::residue(&leaf.event_type, leaf.version()?, data)?),
        }))
    })?;
    may_redact(state, redacted, named.transpose()?.flatten()).map_err(Error::Refused)
}
