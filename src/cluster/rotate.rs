//! The rotation of the ledger's key in a cluster: an operator's act, while all nodes are stopped.
//!
//! The key of the stream follows from the ledger's key, so the log continues in the next generation. Its beginning brings the event that
//! names the new key. The other nodes get that event from this node at their next start, and need the two key files by then.

use super::nats::{NatsError, patiently};
use super::succession::Succession;
use super::{ClusterError, Founded, Settings, lease, nats};
use crate::ledger::{Folder, system_clock};
use crate::stream::{Chain, Judged};
use crate::tree::VerifierKey;

/// What a rotation has made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotated {
    /// The new key.
    pub key: VerifierKey,
    /// The generation that begins with it.
    pub founded: Founded,
}

/// Adds a key that signs to the log of the node in `folder`, which no server may have, and begins the next generation of the stream, of
/// at most `max_bytes`.
///
/// The log has the key first. A crash afterwards leaves a node that does not start, and the next attempt goes on from there.
///
/// # Errors
///
/// The folder is not a node's, another node leads, this node lacks messages of the stream, two keys sign already, or the servers do not
/// answer.
pub async fn rotate(settings: &Settings, folder: &Folder, max_bytes: i64) -> Result<Rotated, ClusterError> {
    let mut succession = Succession::of(settings, folder).await?;
    if !succession.membership.has_rotated()? {
        leads_no_more(&succession).await?;
        has_the_end(&succession).await?;
    }
    let key = succession.membership.rotate(&system_clock())?;
    Ok(Rotated { key, founded: succession.begin(settings, max_bytes).await? })
}

/// Refuses while a node leads, because it may write into the old stream.
async fn leads_no_more(Succession { client, old, .. }: &Succession) -> Result<(), ClusterError> {
    let leases = patiently(async || lease::open(client, old).await).await?;
    match patiently(async || lease::holder(&leases).await).await? {
        Some(name) => Err(ClusterError::Leads(name)),
        None => Ok(()),
    }
}

/// Refuses a log that lacks a message of the stream.
async fn has_the_end(Succession { membership, context, old, .. }: &Succession) -> Result<(), ClusterError> {
    let found = patiently(async || nats::find(context, &old.stream()).await).await?;
    let stream = found.ok_or_else(|| NatsError::NoStream(old.stream()))?;
    let newest = membership.newest();
    let last = patiently(async || nats::newest_place(&stream, old, newest.tip.sequence + 1).await).await?;
    let mut chain = Chain::new(membership.stream_key()?, newest.generation, newest.tip);
    while chain.next() <= last {
        let sequence = chain.next();
        let message = patiently(async || nats::first(&stream, old, sequence).await).await?;
        let message = message.filter(|message| message.sequence == sequence);
        // A message that the stream has lost may count: another node may have it.
        let counts = match message {
            Some(message) => matches!(chain.judge(sequence, &message.bytes)?, Judged::Valid(_)),
            None => true,
        };
        if counts {
            return Err(ClusterError::Lacks { stream: old.stream(), sequence });
        }
    }
    match newest.tip.sequence > last {
        true => Err(ClusterError::StreamBehind(old.stream())),
        false => Ok(()),
    }
}
