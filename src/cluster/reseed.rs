//! The next generation of a stream that is lost: an operator's act, on the node that has the most.
//!
//! The node begins the generation with its log. A node that has less takes the rest from it at its next start (`ledger`), and a node
//! whose log is not the beginning of this one stops.

use super::nats::patiently;
use super::succession::Succession;
use super::{ClusterError, Founded, Member, Settings, members, nats};
use crate::ledger::Folder;
use crate::stream::MessageHash;

/// How a stream is made again.
#[derive(Debug, Clone, Copy)]
pub struct Reseeding {
    /// Most bytes of the new stream.
    pub max_bytes: i64,
    /// Whether the generation begins although the old stream has its messages, or another node was ahead: answered events may be lost.
    pub force: bool,
}

/// Makes the next generation of the stream of the node in `folder`, which no server may have. Deletes the old stream if NATS still has
/// it, so that no node writes into it.
///
/// # Errors
///
/// The folder is not a node's, the old stream has its messages, another node was ahead of this one or has begun the generation, or the
/// servers do not answer.
pub async fn reseed(settings: &Settings, folder: &Folder, how: Reseeding) -> Result<Founded, ClusterError> {
    let succession = Succession::of(settings, folder).await?;
    if !how.force {
        is_lost(&succession).await?;
        has_the_most(&succession, &settings.name).await?;
    }
    succession.begin(settings, how.max_bytes).await
}

/// Refuses to replace a stream that continues the log.
async fn is_lost(Succession { membership, context, old, .. }: &Succession) -> Result<(), ClusterError> {
    let found = patiently(async || nats::find(context, &old.stream()).await).await?;
    let Some(stream) = found else { return Ok(()) };
    let tip = membership.newest().tip;
    let last = patiently(async || nats::newest_place(&stream, old, tip.sequence.max(1)).await).await?;
    if tip.sequence > last {
        return Ok(());
    }
    // The stream may have been purged of the log's newest message, or have lost it.
    let first = async |from| patiently(async || nats::first(&stream, old, from).await).await;
    let newest = first(tip.sequence.max(1)).await?;
    let is_another = newest
        .filter(|message| message.sequence == tip.sequence)
        .is_some_and(|message| MessageHash::of(&message.bytes) != tip.hash);
    // Otherwise the stream has lost everything after the log, and takes nothing more in its place.
    let goes_on = tip.sequence == last || first(tip.sequence + 1).await?.is_some();
    if goes_on && !is_another { Err(ClusterError::StreamLives(old.stream())) } else { Ok(()) }
}

/// Refuses to begin with a log that is shorter than another node's, or lacks messages that another node has, as far as the members have
/// said so.
async fn has_the_most(succession: &Succession, name: &str) -> Result<(), ClusterError> {
    let Succession { membership, client, context, old } = succession;
    if patiently(async || nats::find(context, &format!("KV_{}", old.members())).await).await?.is_none() {
        return Ok(());
    }
    let bucket = patiently(async || members::open(client, old).await).await?;
    let (own, own_sequence) = (membership.head()?.get(), membership.newest().tip.sequence);
    let members = patiently(async || members::list(&bucket).await).await?;
    let others = members.into_iter().filter(|member| member.name != name);
    match others.max_by_key(|member| (member.head, member.sequence)) {
        Some(Member { name, head, .. }) if head > own => Err(ClusterError::Ahead { name, head, own }),
        // A message without events may bring tokens and webhooks.
        Some(Member { name, head, sequence, .. }) if head == own && sequence > own_sequence => {
            Err(ClusterError::HasMore { name, sequence, own: own_sequence })
        }
        _ => Ok(()),
    }
}
