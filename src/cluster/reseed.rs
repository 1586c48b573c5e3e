//! The next generation of a stream that is lost: an operator's act, on the node that has the most.
//!
//! The node begins the generation with its log. A node that has less takes the rest from it at its next start (`ledger`), and a node
//! whose log is not the beginning of this one stops.

use async_nats::Client;
use async_nats::jetstream::{self, Context};

use super::founding::{enter, make};
use super::nats::{Names, NatsError};
use super::{ClusterError, Founded, Member, Settings, members, nats, servers};
use crate::ledger::{Folder, Membership};
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
/// The stream is made first, and the log notes it afterwards. A crash in between leaves a stream without messages, which the next
/// attempt takes. The stream names the log with which it begins, so of two nodes with different logs one alone begins.
///
/// # Errors
///
/// The folder is not a node's, the old stream has its messages, another node was ahead of this one or has begun the generation, or the
/// servers do not answer.
pub async fn reseed(settings: &Settings, folder: &Folder, how: Reseeding) -> Result<Founded, ClusterError> {
    let mut membership = Membership::open(folder)?;
    servers::check(settings).await?;
    let client = nats::connect(&settings.login, &settings.name).await?;
    let context = jetstream::new(client.clone());
    let old = Names::new(membership.origin(), membership.newest().generation);
    let names = old.of(old.generation() + 1);
    let begun = nats::find(&context, &names.stream()).await?;
    if nats::newest(&context, &old).await? > names.generation()
        || begun.is_some_and(|stream| stream.cached_info().state.last_sequence > 0)
    {
        return Err(ClusterError::Reseeded(old.stream()));
    }
    if !how.force {
        is_lost(&context, &old, &membership).await?;
        has_the_most(settings, &client, &old, &membership).await?;
    }
    if nats::find(&context, &old.stream()).await?.is_some() {
        context.delete_stream(old.stream()).await.map_err(NatsError::doing("remove the old stream"))?;
    }
    let start = membership.start(names.generation())?;
    let bucket = make(settings, &client, &names, start.tip.hash, how.max_bytes).await?;
    membership.begin(&start)?;
    enter(settings, &bucket).await?;
    Ok(Founded { stream: names.stream(), head: membership.head()?, members: 1 })
}

/// Refuses to replace a stream that continues the log.
async fn is_lost(context: &Context, old: &Names, membership: &Membership) -> Result<(), ClusterError> {
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
async fn has_the_most(
    settings: &Settings,
    client: &Client,
    old: &Names,
    membership: &Membership,
) -> Result<(), ClusterError> {
    let context = jetstream::new(client.clone());
    if nats::find(&context, &format!("KV_{}", old.members())).await?.is_none() {
        return Ok(());
    }
    let bucket = members::open(client, old).await?;
    let own = membership.head()?.get();
    let others = members::list(&bucket).await?.into_iter().filter(|member| member.name != settings.name);
    match others.max_by_key(|member| member.head).filter(|member| member.head > own) {
        Some(Member { name, head, .. }) => Err(ClusterError::Ahead { name, head, own }),
        None => Ok(()),
    }
}
