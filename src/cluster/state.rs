//! What an operator sees of a cluster: the stream, and each member.

use async_nats::jetstream;

use super::{ClusterError, Member, Settings, members, nats};
use crate::ledger::Folder;

/// The state of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct State {
    /// The stream's name.
    pub stream: String,
    /// The NATS server that leads the stream; `None` during an election.
    pub nats_leader: Option<String>,
    /// The replicas of the stream that have all of it, the leader included.
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
pub async fn state(settings: &Settings, folder: &Folder) -> Result<State, ClusterError> {
    let own = super::names(folder)?;
    let client = nats::connect(&settings.login, &settings.name).await?;
    let names = super::newest_names(&client, &own).await?;
    let stream = nats::open(&jetstream::new(client.clone()), &names, settings.replicas).await?;
    let members = members::list(&members::open(&client, &names).await?).await?;
    let info = stream.cached_info();
    let replicas = info.cluster.as_ref();
    Ok(State {
        stream: names.stream(),
        nats_leader: replicas.and_then(|replicas| replicas.leader.clone()),
        current_replicas: replicas.map_or(0, |found| {
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
