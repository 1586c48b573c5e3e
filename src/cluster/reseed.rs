//! The next generation of a stream that is lost: an operator's act, on the node that has the most.
//!
//! The node begins the generation with its log. A node that has less takes the rest from it at its next start (`ledger`), and a node
//! whose log is not the beginning of this one stops.

use super::nats::NatsError;
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
    let Some(stream) = nats::find(context, &old.stream()).await? else { return Ok(()) };
    let (tip, state) = (membership.newest().tip, &stream.cached_info().state);
    let has_tip = match tip.sequence {
        0 => true,
        tip if tip > state.last_sequence => false,
        // Purged, so it reaches further than this log.
        tip if tip < state.first_sequence => true,
        sequence => {
            let found = stream.get_raw_message(sequence).await.map_err(NatsError::doing("read the old stream"))?;
            MessageHash::of(&found.payload) == tip.hash
        }
    };
    if has_tip { Err(ClusterError::StreamLives(old.stream())) } else { Ok(()) }
}

/// Refuses to begin with a log that is shorter than another node's, as far as the members have said so.
async fn has_the_most(succession: &Succession, name: &str) -> Result<(), ClusterError> {
    let Succession { membership, client, context, old } = succession;
    if nats::find(context, &format!("KV_{}", old.members())).await?.is_none() {
        return Ok(());
    }
    let bucket = members::open(client, old).await?;
    let own = membership.head()?.get();
    let others = members::list(&bucket).await?.into_iter().filter(|member| member.name != name);
    match others.max_by_key(|member| member.head).filter(|member| member.head > own) {
        Some(Member { name, head, .. }) => Err(ClusterError::Ahead { name, head, own }),
        None => Ok(()),
    }
}
