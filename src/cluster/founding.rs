//! How a ledger becomes a cluster, how a node joins it, and how it leaves.

use async_nats::jetstream::kv::Store;
use async_nats::{Client, jetstream};

use super::nats::{Beginning, Names, NatsError, patiently};
use super::{ClusterError, Member, Settings, lease, members, nats, servers};
use crate::access::Access;
use crate::job::Position;
use crate::ledger::{Folder, Founding, Membership, OpenError, system_clock};

/// The generation of a new cluster.
const FIRST: u32 = 1;

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
/// The stream and the entry of the node are made first, and the log notes the stream afterwards. A crash in between leaves a stream
/// without messages, which the next attempt takes.
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
    let beginning = Beginning { start: founding.start(FIRST)?.tip.hash, key: founding.verifier_key().clone() };
    let bucket = make(settings, &client, &names, &beginning, max_bytes).await?;
    enter(settings, &bucket).await?;
    let head = founding.begin(FIRST)?;
    Ok(Founded { stream: names.stream(), head, members: 1 })
}

/// Enters the node among the members.
pub(super) async fn enter(settings: &Settings, bucket: &Store) -> Result<(), NatsError> {
    patiently(async || members::put(bucket, &Member::new(settings, system_clock()())).await).await
}

/// Makes the stream of a generation and its buckets. Answers the bucket of the members.
pub(super) async fn make(
    settings: &Settings,
    client: &Client,
    names: &Names,
    beginning: &Beginning,
    max_bytes: i64,
) -> Result<Store, NatsError> {
    let (context, replicas) = (jetstream::new(client.clone()), settings.replicas);
    patiently(async || nats::create(&context, names, beginning, replicas, max_bytes).await).await?;
    patiently(async || lease::create(client, names, replicas).await).await?;
    patiently(async || members::create(client, names, replicas).await).await
}

/// Makes the copy of a node in `folder`, a backup with the ledger's key, a node of its own.
///
/// # Errors
///
/// The folder is not the copy of a node, lacks the key, or another node has the name.
pub async fn join(settings: &Settings, folder: &Folder) -> Result<Founded, ClusterError> {
    let membership = Membership::open(folder)?;
    // From now on the node's confirmations count, so a power cut must not take the copied log and keys.
    folder.sync_files().map_err(OpenError::from)?;
    let own = super::names(folder)?;
    servers::check(settings).await?;
    let client = nats::connect(&settings.login, &settings.name).await?;
    let names = patiently(async || super::newest_names(&client, &own).await).await?;
    let context = jetstream::new(client.clone());
    patiently(async || nats::open(&context, &names, settings.replicas).await).await?;
    let bucket = patiently(async || members::open(&client, &names).await).await?;
    let before = patiently(async || members::list(&bucket).await).await?;
    if before.iter().any(|member| member.name == settings.name && member.url != settings.url) {
        return Err(ClusterError::Taken(settings.name.clone()));
    }
    enter(settings, &bucket).await?;
    let members = patiently(async || members::list(&bucket).await).await?.len();
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
    let own = super::names(folder)?;
    let client = nats::connect(&settings.login, &settings.name).await?;
    let names = patiently(async || super::newest_names(&client, &own).await).await?;
    let bucket = patiently(async || members::open(&client, &names).await).await?;
    patiently(async || members::remove(&bucket, &settings.name).await).await?;
    let members = patiently(async || members::list(&bucket).await).await?.len();
    let head = end(membership, folder)?;
    Ok(Founded { stream: names.stream(), head, members })
}

/// As [`leave`], if NATS is gone for good: the entry among the members stays where it is. Answers the newest position.
///
/// # Errors
///
/// A server has the folder, or it is not a node's.
pub fn leave_offline(folder: &Folder) -> Result<Position, ClusterError> {
    end(Membership::open(folder)?, folder)
}

/// Makes the folder that of a ledger on one machine. Answers the newest position.
fn end(membership: Membership, folder: &Folder) -> Result<Position, ClusterError> {
    let head = membership.head()?;
    if folder.access().exists() {
        Access::open(&folder.access())?.is_alone()?;
    }
    membership.end()?;
    Ok(head)
}

/// Removes the entry of a member whose machine is gone. It no longer counts for a majority, and the stream keeps nothing for it. A member
/// that is alive enters itself again. Answers how many members are left.
///
/// # Errors
///
/// The folder is not a node's, no member has the name, or the servers do not answer.
pub async fn forget(settings: &Settings, folder: &Folder, gone: &str) -> Result<usize, ClusterError> {
    let own = super::names(folder)?;
    let client = nats::connect(&settings.login, &settings.name).await?;
    let names = patiently(async || super::newest_names(&client, &own).await).await?;
    let bucket = patiently(async || members::open(&client, &names).await).await?;
    let before = patiently(async || members::list(&bucket).await).await?;
    if !before.iter().any(|member| member.name == gone) {
        return Err(ClusterError::NoMember(gone.to_owned()));
    }
    patiently(async || members::remove(&bucket, gone).await).await?;
    Ok(before.len() - 1)
}
