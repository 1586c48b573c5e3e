//! The members of a cluster: an entry for each, which the node itself brings up to date.

use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::kv::Store;
use futures_util::TryStreamExt;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::nats::{Names, NatsError, create_bucket, open_bucket};
use super::{Cluster, ClusterError, Settings, lease};
use crate::job::Time;
use crate::ledger::{Leader, Ledger, Node};

/// How often a node brings its entry up to date, and counts the members.
const TELL: Duration = Duration::from_secs(3);
/// How long a node waits for NATS when it stops, and when it looks for the leader.
const ANSWER: Duration = Duration::from_secs(2);

/// A member, as it says itself. Only how many members there are counts for an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// The URL at which other nodes reach it.
    pub url: String,
    /// The version of its program.
    pub version: String,
    /// What it does, as one word.
    pub role: String,
    /// The newest message that its log has durably.
    pub sequence: u64,
    /// Its newest position.
    pub head: u64,
    /// When it said so, in milliseconds since 1970.
    pub at_ms: i64,
}

impl Member {
    /// The entry of a node that has not served yet.
    pub(super) fn new(settings: &Settings, now: Time) -> Member {
        Member {
            name: settings.name.clone(),
            url: settings.url.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            role: "joined".into(),
            sequence: 0,
            head: 0,
            at_ms: now.micros() / 1000,
        }
    }
}

/// Opens the bucket of the members.
pub(super) async fn open(client: &Client, names: &Names) -> Result<Store, NatsError> {
    open_bucket(client, names.members(), "open the bucket of the members").await
}

/// Makes the bucket of the members.
pub(super) async fn create(client: &Client, names: &Names, replicas: usize) -> Result<Store, NatsError> {
    create_bucket(client, names.members(), replicas, Duration::ZERO, "make the bucket of the members").await
}

/// Every member, by name. An entry that cannot be read is left out.
pub(super) async fn list(members: &Store) -> Result<Vec<Member>, NatsError> {
    let doing = "read the members";
    let mut names: Vec<String> =
        members.keys().await.map_err(NatsError::doing(doing))?.try_collect().await.map_err(NatsError::doing(doing))?;
    names.sort();
    let mut found = Vec::with_capacity(names.len());
    for name in names {
        let entry = members.get(&name).await.map_err(NatsError::doing(doing))?;
        found.extend(entry.and_then(|bytes| serde_json::from_slice(&bytes).ok()));
    }
    Ok(found)
}

/// Writes a member's entry.
pub(super) async fn put(members: &Store, member: &Member) -> Result<(), NatsError> {
    let bytes = serde_json::to_vec(member).expect("text and numbers are JSON");
    members.put(&member.name, bytes.into()).await.map_err(NatsError::doing("write the entry of a member")).map(|_| ())
}

/// Removes a member's entry.
pub(super) async fn remove(members: &Store, name: &str) -> Result<(), NatsError> {
    members.delete(name).await.map_err(NatsError::doing("remove the entry of a member"))
}

impl Cluster {
    /// Every member, as it says itself.
    ///
    /// # Errors
    ///
    /// The servers do not answer.
    pub async fn members(&self) -> Result<Vec<Member>, ClusterError> {
        Ok(list(&self.members).await?)
    }

    /// Counts the members: a majority of them has to confirm. Answers them.
    pub(super) async fn count_members(&self) -> Result<Vec<Member>, NatsError> {
        let members = list(&self.members).await?;
        self.confirmations.need(self.settings.confirm.others(members.len()));
        Ok(members)
    }

    /// Tells the members this node's last position, before it stops: `cluster reseed` compares the positions of stopped nodes.
    pub async fn tell_last_position(&self, ledger: &Ledger) {
        let Some(node) = ledger.node() else { return };
        // Without an answer the entry is some seconds old.
        let _ = timeout(ANSWER, put(&self.members, &self.member(ledger, node))).await;
    }

    /// This node's entry.
    fn member(&self, ledger: &Ledger, node: &Node) -> Member {
        let state = node.state();
        Member {
            role: state.role.as_str().into(),
            sequence: state.durable.sequence,
            head: ledger.head().get(),
            ..Member::new(&self.settings, ledger.now())
        }
    }

    /// Takes the holder of the lease for the leader, if no message says who leads.
    async fn look_for_leader(&self, node: &Node, members: &[Member]) {
        if node.knows_leader() {
            return;
        }
        // Without an answer the node asks again in a moment.
        let holder = timeout(ANSWER, lease::holder(&self.leases)).await.ok().and_then(Result::ok).flatten();
        let leader = members.iter().find(|member| holder.as_ref() == Some(&member.name));
        leader.into_iter().for_each(|Member { name, url, .. }| {
            node.believe(Leader { name: name.clone(), url: url.clone() });
        });
    }

    /// Brings this node's entry up to date. Never returns.
    pub(super) async fn tell_of_itself(self, ledger: Ledger) {
        let Some(node) = ledger.node() else { return std::future::pending().await };
        loop {
            let told = put(&self.members, &self.member(&ledger, node)).await;
            let counted = self.count_members().await;
            match told.and(counted) {
                Ok(members) => self.look_for_leader(node, &members).await,
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "the members cannot be told of this node now"
                    );
                }
            }
            tokio::time::sleep(TELL).await;
        }
    }
}
