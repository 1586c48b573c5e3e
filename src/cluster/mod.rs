//! A cluster: nodes of one ledger on several machines, which share its commits through NATS JetStream.
//!
//! [`Cluster`] is a node's connection to the others. It says whether the node should lead, where the leader is, and up to where the
//! other nodes are durable. Safety rests on none of it: the chain of messages (`stream`) and the confirmations decide.
//!
//! Not here: what counts in the stream (`stream`), the thread that writes (`ledger`), and requests of clients (`http`).

mod agent;
mod condition;
mod confirm;
mod erase;
mod error;
mod files;
mod founding;
mod hearing;
mod lease;
mod members;
pub mod nats;
mod notices;
mod peers;
mod purge;
mod reseed;
mod rotate;
mod servers;
mod settings;
mod state;
mod succession;
mod used;

pub use agent::Agent;
pub use condition::Condition;
pub use error::ClusterError;
pub use founding::{Founded, forget, init, join, leave, leave_offline};
pub use members::Member;
pub use purge::Held;
pub use reseed::{Reseeding, reseed};
pub use rotate::{Rotated, rotate};
pub use settings::{BadConfirm, Confirm, Settings, check_name};
pub use state::{State, state};

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use async_nats::jetstream::kv::Store;
use async_nats::{Client, jetstream};
use tokio::runtime::Handle;
use tokio::sync::watch;

use self::nats::{Engine, Names, NatsError, patiently};
use crate::access::LiveAccess;
use crate::ledger::{Confirmations, Folder, Ledger, OpenError, Replication, identity, own_key};
use crate::log::Reader;

/// A node's connection to the cluster. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Cluster {
    settings: Arc<Settings>,
    client: Client,
    names: Names,
    lease: watch::Sender<bool>,
    leases: Store,
    members: Store,
    confirmations: Arc<Confirmations>,
    agent: Agent,
    /// Whether all checked servers of NATS keep what they accept.
    keeps: Arc<AtomicBool>,
    held: watch::Sender<Held>,
    apart: watch::Sender<bool>,
    giving: Arc<peers::Giving>,
    noting: files::Noting,
}

impl Cluster {
    /// Connects the node whose ledger is in `folder`, and checks the servers and the stream.
    ///
    /// # Errors
    ///
    /// The folder is not a node's, a server is not set as it must be or does not answer, or the stream is gone.
    pub async fn connect(settings: Settings, folder: &Folder) -> Result<(Cluster, Replication), ClusterError> {
        let own = names(folder)?;
        servers::check(&settings).await?;
        let agent = agent::agent(settings.login.authority.as_deref())?;
        let client = nats::connect(&settings.login, &settings.name).await?;
        // A node also starts while the servers of NATS choose their leaders.
        let names = patiently(async || newest_names(&client, &own).await).await?;
        let replicas = settings.replicas;
        let engine = patiently(async || Engine::open(client.clone(), names.clone(), replicas).await).await?;
        has_key(&client, &names, folder).await?;
        let leases = patiently(async || lease::open(&client, &names).await).await?;
        let members = patiently(async || members::open(&client, &names).await).await?;
        let (lease, has_lease) = watch::channel(false);
        let confirmations = Arc::new(Confirmations::default());
        let replication = Replication {
            name: settings.name.clone(),
            url: settings.url.clone(),
            generation: names.generation(),
            bell: engine.bell(),
            log: Box::new(engine),
            peers: Box::new(peers::Others {
                client: client.clone(),
                names: names.clone(),
                name: settings.name.clone(),
                members: members.clone(),
                runtime: Handle::current(),
            }),
            lease: has_lease,
            confirmations: confirmations.clone(),
            runtime: Handle::current(),
        };
        let cluster = Cluster {
            settings: Arc::new(settings),
            client,
            names,
            lease,
            leases,
            members,
            confirmations,
            agent,
            keeps: Arc::new(AtomicBool::new(true)),
            held: watch::Sender::new(Held::default()),
            apart: watch::Sender::new(false),
            giving: Arc::default(),
            noting: files::Noting::default(),
        };
        // Before the node leads: its first commit must already wait for enough nodes.
        patiently(async || cluster.count_members().await).await?;
        Ok((cluster, replication))
    }

    /// Keeps the node in the cluster: the lease, the confirmations, its entry among the members, and the use of its tokens. Never
    /// returns.
    pub async fn run(self, ledger: Ledger, access: LiveAccess) {
        tokio::join!(
            self.clone().compete(ledger.clone()),
            self.clone().confirm(ledger.clone()),
            self.clone().hear_confirmations(ledger.clone()),
            self.clone().tell_of_itself(ledger.clone()),
            self.clone().answer_questions(ledger.clone()),
            self.clone().watch_stream(ledger.clone()),
            self.clone().check_servers(),
            self.clone().watch_hearing(ledger.clone()),
            self.clone().hear_used(ledger.clone(), access),
            self.clone().send_files(ledger),
        );
    }

    /// The node's settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The connections to the other nodes.
    pub fn agent(&self) -> &Agent {
        &self.agent
    }

    /// Whether the client is connected to a server.
    pub fn is_connected(&self) -> bool {
        self.client.connection_state() == async_nats::connection::State::Connected
    }

    /// The confirmations of the other nodes.
    pub fn confirmations(&self) -> &Confirmations {
        &self.confirmations
    }
}

/// The names in NATS of the newest generation of a ledger: a node whose log is of an older one takes the rest from the others.
async fn newest_names(client: &Client, own: &Names) -> Result<Names, NatsError> {
    Ok(own.of(nats::newest(&jetstream::new(client.clone()), own).await?))
}

/// Refuses a node whose key is another than that with which the generation began, as after a rotation on another node. A node without
/// a key shows what its log has.
async fn has_key(client: &Client, names: &Names, folder: &Folder) -> Result<(), ClusterError> {
    let context = jetstream::new(client.clone());
    let began_with = patiently(async || nats::key_of(&context, names).await).await?;
    let own = own_key(folder).map_err(OpenError::from)?.map(|key| key.to_string());
    match (began_with, own) {
        (Some(expected), Some(found)) if expected != found => Err(ClusterError::OtherKey { expected, found }),
        _ => Ok(()),
    }
}

/// The names in NATS of the ledger in `folder`.
fn names(folder: &Folder) -> Result<Names, ClusterError> {
    let conn = Reader::open(&folder.log())?;
    let log = Reader::new(&conn);
    let newest = log.newest_message()?.ok_or_else(|| ClusterError::NotANode(folder.path().to_owned()))?;
    Ok(Names::new(&identity(&log)?.origin, newest.generation))
}
