//! How one generation of a stream follows another. No server may have the folder of the node that begins it.

use async_nats::Client;
use async_nats::jetstream::{self, Context};

use super::founding::{enter, make};
use super::nats::{Beginning, Names, patiently};
use super::{ClusterError, Founded, Settings, nats, servers};
use crate::ledger::{Folder, Membership};

/// A node whose log the next generation may continue.
pub(super) struct Succession {
    pub membership: Membership,
    pub client: Client,
    pub context: Context,
    /// The names of the generation that the log has.
    pub old: Names,
}

impl Succession {
    /// Takes the folder, and connects to the servers.
    ///
    /// # Errors
    ///
    /// The folder is not a node's, another node has begun the next generation, or the servers do not answer or are not set as they must
    /// be.
    pub async fn of(settings: &Settings, folder: &Folder) -> Result<Succession, ClusterError> {
        let membership = Membership::open(folder)?;
        servers::check(settings).await?;
        let client = nats::connect(&settings.login, &settings.name).await?;
        let context = jetstream::new(client.clone());
        let old = Names::new(membership.origin(), membership.newest().generation);
        let next = old.of(old.generation() + 1);
        let begun = patiently(async || nats::find(&context, &next.stream()).await).await?;
        if patiently(async || nats::newest(&context, &old).await).await? > next.generation()
            || begun.is_some_and(|stream| stream.cached_info().state.last_sequence > 0)
        {
            return Err(ClusterError::Reseeded(old.stream()));
        }
        Ok(Succession { membership, client, context, old })
    }

    /// Begins the next generation. Deletes the stream before it if NATS still has it.
    ///
    /// The stream and the entry of the node are made first, and the log notes the stream afterwards. A crash in between leaves a stream
    /// without messages, which the next attempt takes. The stream names the log with which it begins, so of two nodes with different
    /// logs one alone begins.
    ///
    /// # Errors
    ///
    /// Another node with another log begins, the log cannot be written, or the servers do not answer.
    pub async fn begin(self, settings: &Settings, max_bytes: i64) -> Result<Founded, ClusterError> {
        let Succession { mut membership, client, context, old } = self;
        let names = old.of(old.generation() + 1);
        patiently(async || nats::delete(&context, &old.stream()).await).await?;
        let start = membership.start(names.generation())?;
        let beginning = Beginning { start: start.tip.hash, key: membership.verifier_key().clone() };
        let bucket = make(settings, &client, &names, &beginning, max_bytes).await?;
        enter(settings, &bucket).await?;
        membership.begin(&start)?;
        Ok(Founded { stream: names.stream(), head: membership.head()?, members: 1 })
    }
}
