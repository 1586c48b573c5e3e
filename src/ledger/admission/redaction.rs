//! What an erasure names: looked up, and what is to be left of it.

use crate::job::{EventType, JobKey, Redacted, RedactionTarget, Refusal, Status, may_redact};
use crate::ledger::append::AppendError;
use crate::log::{self, Reader};
use crate::wire::{self, BadLeaf, Leaf, Undecodable};

/// Why an event cannot be erased.
#[derive(Debug, thiserror::Error)]
pub(in crate::ledger) enum Cannot {
    /// It may not.
    #[error("{0}")]
    Refused(Refusal),
    /// Its leaf.
    #[error(transparent)]
    Leaf(#[from] BadLeaf),
    /// Its data, of which nothing can be left then.
    #[error(transparent)]
    Data(#[from] Undecodable),
}

impl Cannot {
    /// The answer to the event at this place of its request.
    pub(in crate::ledger) fn at(self, index: usize) -> AppendError {
        match self {
            Cannot::Refused(refusal) => AppendError::Refused { index, refusal, standing: None },
            error => {
                tracing::error!(error = &error as &dyn std::error::Error, "an event cannot be erased");
                AppendError::Unreadable { index }
            }
        }
    }
}

/// What is to be left of the data that `redacted` names, if a job of that state lets it go.
pub(in crate::ledger) fn residue_of(
    log: &Reader<'_>,
    key: &JobKey,
    state: Status,
    redacted: &Redacted,
) -> Result<Result<Vec<u8>, Cannot>, log::Error> {
    let read = log.at(redacted.position, |row| {
        let leaf = Leaf::parse(row.leaf)?;
        if leaf.org()? != Some(key.org) || leaf.subject.as_deref() != Some(key.id.as_str()) {
            return Ok(None);
        }
        Ok(Some(match row.data {
            _ if leaf.is(EventType::Redacted) => RedactionTarget::Redaction,
            None => RedactionTarget::Redacted,
            Some(data) => RedactionTarget::HasData(wire::residue(&leaf.event_type, leaf.version()?, data)?),
        }))
    })?;
    let named = read.unwrap_or(Ok(None));
    Ok(named.and_then(|named| may_redact(state, redacted, named).map_err(Cannot::Refused)))
}
