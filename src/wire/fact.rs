//! A stored event as the fact that the fold takes.

use super::leaf::{BadLeaf, Leaf};
use super::stored::{Undecodable, decode};
use crate::job::{Fact, JobKey, Position};

/// A stored event that cannot be folded.
#[derive(Debug, thiserror::Error)]
#[error("event {position} cannot be read")]
pub struct Unreadable {
    /// Where it is.
    pub position: Position,
    /// Why.
    #[source]
    pub cause: UnreadableCause,
}

/// Why a stored event cannot be folded.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableCause {
    /// Its leaf.
    #[error(transparent)]
    Leaf(#[from] BadLeaf),
    /// Its data.
    #[error(transparent)]
    Data(#[from] Undecodable),
    /// Its data is gone, and nothing stands in for it.
    #[error("its data is missing without a recorded erasure")]
    Missing,
}

/// The fact in a stored event; `None` for the ledger's own events, which belong to no job. Of an event whose data was erased
/// `data` is the residue that its erasure has.
pub fn fact(position: Position, leaf: &[u8], data: Option<&[u8]>) -> Result<Option<Fact>, Unreadable> {
    read(position, leaf, data).map_err(|cause| Unreadable { position, cause })
}

/// The job that a stored event belongs to, where the leaf is readable and names one. For events whose data is not readable.
pub fn job_of(leaf: &[u8]) -> Option<JobKey> {
    let leaf = Leaf::parse(leaf).ok()?;
    Some(JobKey { org: leaf.org().ok()??, id: leaf.subject?.parse().ok()? })
}

fn read(position: Position, leaf: &[u8], data: Option<&[u8]>) -> Result<Option<Fact>, UnreadableCause> {
    let leaf = Leaf::parse(leaf)?;
    let (Some(org), Some(subject)) = (leaf.org()?, leaf.subject.as_deref()) else { return Ok(None) };
    let id = subject.parse().map_err(|_| BadLeaf(format!("subject `{subject}`")))?;
    let event = decode(&leaf.event_type, leaf.version()?, data.ok_or(UnreadableCause::Missing)?)?;
    let key = JobKey { org, id };
    Ok(Some(Fact { key, position, time: leaf.time()?, actor: leaf.actor.into_owned(), event }))
}
