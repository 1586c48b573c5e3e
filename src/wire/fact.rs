//! Stored events as facts, which the fold takes.

use super::leaf::{BadLeaf, Leaf};
use super::stored::{Undecodable, decode};
use crate::job::{Fact, JobKey, Position};

/// A stored event that cannot be folded.
#[derive(Debug, thiserror::Error)]
#[error("event {position} cannot be read")]
pub struct Unreadable {
    /// The event's position.
    pub position: Position,
    /// Why the event cannot be read.
    #[source]
    pub cause: UnreadableCause,
}

/// Why a stored event cannot be folded.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableCause {
    /// The leaf is not one of this format.
    #[error(transparent)]
    Leaf(#[from] BadLeaf),
    /// The data is unknown or damaged.
    #[error(transparent)]
    Data(#[from] Undecodable),
    /// The data is absent, and no redaction explains that.
    #[error("its data is missing, and no redaction explains that")]
    Missing,
}

/// Reads the stored event at `position` as a fact; `None` for an event of the ledger itself, which belongs to no job.
/// If the event's data was redacted, the caller passes the residue.
///
/// # Errors
/// [`Unreadable`] if the leaf or the data cannot be read, or `data` is `None`.
pub fn fact(position: Position, leaf: &[u8], data: Option<&[u8]>) -> Result<Option<Fact>, Unreadable> {
    read(position, leaf, data).map_err(|cause| Unreadable { position, cause })
}

/// The job of a stored event whose data cannot be read; `None` if the leaf cannot be read either, or names no job.
pub fn job_of(leaf: &[u8]) -> Option<JobKey> {
    let leaf = Leaf::parse(leaf).ok()?;
    leaf.job_key().ok()?
}

fn read(position: Position, leaf: &[u8], data: Option<&[u8]>) -> Result<Option<Fact>, UnreadableCause> {
    let leaf = Leaf::parse(leaf)?;
    let Some(key) = leaf.job_key()? else { return Ok(None) };
    let event = decode(&leaf.event_type, leaf.version()?, data.ok_or(UnreadableCause::Missing)?)?;
    let (time, recorded) = (leaf.time()?, leaf.recorded()?);
    Ok(Some(Fact { key, position, time, recorded, actor: leaf.actor.into_owned(), event }))
}
