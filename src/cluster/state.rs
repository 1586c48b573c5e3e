//! What an operator sees of a cluster: the stream, and each member.

use async_nats::jetstream;

use super::nats::{Login, NatsError};
use super::{ClusterError, Member, members, nats};
use crate::ledger::Folder;

/// The state of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct State {
    /// The stream's name.
    pub stream: String,
    /// The NATS server that leads the stream; `None` during an election.
    pub nats_leader: Option<String>,
    /// How many copies the stream has.
    pub replicas: usize,
    /// The copies that have all of it, the leader's included.
    pub current_replicas: usize,
    /// The newest message.
    pub last: u64,
    /// How many messages the stream still has.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Most bytes that the stream may have.
    pub most_bytes: i64,
    /// The members, by name.
    pub members: Vec<Member>,
}

/// Asks for the state of the cluster of the node in `folder`. A server may have the folder.
///
/// # Errors
///
/// The folder is not a node's, or the servers do not answer.
pub async fn state(login: &Login, folder: &Folder) -> Result<State, ClusterError> {
    let own = super::names(folder)?;
    let client = nats::connect(login, "status").await?;
    let names = super::newest_names(&client, &own).await?;
    let stream = nats::find(&jetstream::new(client.clone()), &names.stream()).await?;
    let stream = stream.ok_or_else(|| NatsError::NoStream(names.stream()))?;
    let members = members::list(&members::open(&client, &names).await?).await?;
    let info = stream.cached_info();
    let servers = info.cluster.as_ref();
    Ok(State {
        stream: names.stream(),
        nats_leader: servers.and_then(|servers| servers.leader.clone()),
        replicas: info.config.num_replicas,
        current_replicas: servers.map_or(0, |found| {
            usize::from(found.leader.is_some())
                + found.replicas.iter().filter(|replica| replica.current && !replica.offline).count()
        }),
        last: info.state.last_sequence,
        messages: info.state.messages,
        bytes: info.state.bytes,
        most_bytes: info.config.max_bytes,
        members,
    })
}
