//! How a ledger becomes a cluster, how a node joins it, and how it leaves.

use std::time::Duration;

use async_nats::jetstream;

use super::nats::{Names, NatsError};
use super::{ClusterError, Member, Settings, lease, members, nats, servers};
use crate::access::Access;
use crate::job::Position;
use crate::ledger::{Folder, Founding, Membership, system_clock};

/// The generation of a new cluster.
const FIRST: u32 = 1;
/// How often a request to NATS is sent at the most.
const ATTEMPTS: u32 = 10;
/// Pause between two attempts.
const PAUSE: Duration = Duration::from_secs(1);

/// What a change of the membership has made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Founded {
    /// The stream's name.
    pub stream: String,
    /// The newest position of this folder.
    pub head: Position,
    /// How many members the cluster has.
    pub members: usize,
}

/// Makes the ledger in `folder`, which no server may have, the first node of a cluster. The first message of the stream names the
/// ledger's head.
///
/// The stream is made first, and the log notes it afterwards. A crash in between leaves a stream without messages, which the next
/// attempt takes.
///
/// # Errors
///
/// The ledger is a node already or takes no writes, a server is not set as it must be or not ready within 10 s, or the stream of this
/// name has messages.
pub async fn init(settings: &Settings, folder: &Folder, max_bytes: i64) -> Result<Founded, ClusterError> {
    let founding = Founding::open(folder)?;
    servers::check(settings).await?;
    let client = nats::connect(&settings.login, &settings.name).await?;
    let names = Names::new(founding.origin(), FIRST);
    let (context, replicas) = (jetstream::new(client.clone()), settings.replicas);
    patiently(async || nats::create(&context, &names, replicas, max_bytes).await).await?;
    patiently(async || lease::create(&client, &names, replicas).await).await?;
    let bucket = patiently(async || members::create(&client, &names, replicas).await).await?;
    let head = founding.begin(FIRST)?;
    members::put(&bucket, &Member::new(settings, system_clock()())).await?;
    Ok(Founded { stream: names.stream(), head, members: 1 })
}

/// Asks again while the servers of NATS choose their leaders, for 10 s.
async fn patiently<T>(mut ask: impl AsyncFnMut() -> Result<T, NatsError>) -> Result<T, NatsError> {
    for _ in 1..ATTEMPTS {
        match ask().await {
            Err(error @ NatsError::Request { .. }) => {
                tracing::info!(error = &error as &dyn std::error::Error, "NATS is not ready; the command tries again");
                tokio::time::sleep(PAUSE).await;
            }
            answered => return answered,
        }
    }
    ask().await
}

/// Makes the copy of a node in `folder`, a backup with the ledger's key, a node of its own.
///
/// # Errors
///
/// The folder is not the copy of a node, lacks the key, or another node has the name.
pub async fn join(settings: &Settings, folder: &Folder) -> Result<Founded, ClusterError> {
    let membership = Membership::open(folder)?;
    let names = super::names(folder)?;
    servers::check(settings).await?;
    let client = nats::connect(&settings.login, &settings.name).await?;
    nats::open(&jetstream::new(client.clone()), &names, settings.replicas).await?;
    let bucket = members::open(&client, &names).await?;
    let before = members::list(&bucket).await?;
    if before.iter().any(|member| member.name == settings.name && member.url != settings.url) {
        return Err(ClusterError::Taken(settings.name.clone()));
    }
    members::put(&bucket, &Member::new(settings, system_clock()())).await?;
    let members = members::list(&bucket).await?.len();
    Ok(Founded { stream: names.stream(), head: membership.head()?, members })
}

/// Ends the membership of the node in `folder`, which no server may have. The folder holds a ledger on one machine afterwards, with the
/// same name and key: only one such ledger may take writes.
///
/// # Errors
///
/// The folder is not a node's, or the servers do not answer.
pub async fn leave(settings: &Settings, folder: &Folder) -> Result<Founded, ClusterError> {
    let membership = Membership::open(folder)?;
    let names = super::names(folder)?;
    let client = nats::connect(&settings.login, &settings.name).await?;
    let bucket = members::open(&client, &names).await?;
    bucket.delete(&settings.name).await.map_err(NatsError::doing("remove the entry of this node"))?;
    let members = members::list(&bucket).await?.len();
    let head = membership.head()?;
    if folder.access().exists() {
        Access::open(&folder.access())?.is_alone()?;
    }
    membership.end()?;
    Ok(Founded { stream: names.stream(), head, members })
}

/// Removes the entry of a member whose machine is gone. It no longer counts for a majority, and the stream keeps nothing for it. A member
/// that is alive enters itself again. Answers how many members are left.
///
/// # Errors
///
/// The folder is not a node's, no member has the name, or the servers do not answer.
pub async fn forget(settings: &Settings, folder: &Folder, gone: &str) -> Result<usize, ClusterError> {
    let names = super::names(folder)?;
    let client = nats::connect(&settings.login, &settings.name).await?;
    let bucket = members::open(&client, &names).await?;
    if !members::list(&bucket).await?.iter().any(|member| member.name == gone) {
        return Err(ClusterError::NoMember(gone.to_owned()));
    }
    bucket.delete(gone).await.map_err(NatsError::doing("remove the entry of a member"))?;
    Ok(members::list(&bucket).await?.len())
}
