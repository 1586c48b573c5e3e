//! `jobledger cluster init`, `join`, `status`, `leave`, `reseed`, `rotate`.
//!
//! Not here: `serve --cluster`, which runs a node.

mod options;
mod status;

pub(super) use options::ClusterOptions;

use clap::{Args, Subcommand};

use super::output::say;
use super::size::size;
use super::{AnchorDir, Data, Failure, Outcome};
use crate::cluster::{self, ClusterError, Founded, Reseeding, Rotated, Settings};
use crate::ledger::Folder;

/// Several machines that share one ledger through NATS JetStream
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  jobledger cluster init --config node.toml
  jobledger cluster status --config node.toml")]
pub(super) struct Cluster {
    #[command(subcommand)]
    command: ClusterCommand,
}

#[derive(Debug, Subcommand)]
enum ClusterCommand {
    /// Make a ledger on one machine the first node of a cluster; no server may have the folder
    ///
    /// Makes the stream in NATS, whose first message continues the ledger. Then start `jobledger serve --cluster` on the folder.
    #[command(after_long_help = "Examples:
  jobledger cluster init --config node.toml
  jobledger cluster init --data ledger --cluster nats://a,nats://b,nats://c --node a --node-url https://a:8347")]
    Init(Init),
    /// Make a backup of a node a node of its own
    ///
    /// The folder needs ledger.key and lease.key of the first node beside the backup.
    #[command(after_long_help = "Examples:
  jobledger cluster join --config node.toml
  jobledger cluster join --data ledger --cluster nats://a,nats://b,nats://c --node a --node-url https://a:8347")]
    Join(Member),
    /// Show the stream and the nodes
    #[command(after_long_help = "Examples:
  jobledger cluster status --config node.toml
  jobledger cluster status --data ledger --cluster nats://a,nats://b,nats://c")]
    Status(status::Status),
    /// End the membership of a node; no server may have the folder
    ///
    /// The folder then holds a ledger on one machine, with the same name and key. Only one such ledger may take writes: to end a whole
    /// cluster, let the other nodes leave first, and do not start them again.
    #[command(after_long_help = "Examples:
  jobledger cluster leave --config node.toml
  jobledger cluster leave --config node.toml --gone c")]
    Leave(Leave),
    /// Make a lost stream again, on the node that has the most; no server may have the folder
    ///
    /// Stop all nodes first. `jobledger verify db` shows the position of each: the node with the newest has every answered event. The
    /// stream of the next generation continues its log. Start this node afterwards, and then the others, which take from it what they
    /// lack.
    #[command(after_long_help = "Examples:
  jobledger cluster reseed --config node.toml
  jobledger cluster reseed --config node.toml --force")]
    Reseed(Reseed),
    /// Add a key that signs for the ledger of a cluster; no server may have the folder
    ///
    /// Stop all nodes first, a node that lacks nothing of the stream last, and run this command on that node. An event names the new
    /// key, as after `jobledger key rotate`, and the next generation of the stream begins with it. Then bring `ledger.key` and
    /// `ledger.key.previous` to the other nodes. Start this node first, and then the others, which take the event from it.
    #[command(after_long_help = "Examples:
  jobledger cluster rotate --config node.toml
  jobledger cluster rotate --config node.toml --stream-bytes 8GiB")]
    Rotate(Init),
}

#[derive(Debug, Args)]
struct Member {
    #[command(flatten)]
    data: Data,

    #[command(flatten)]
    anchor: AnchorDir,

    #[command(flatten)]
    options: ClusterOptions,
}

#[derive(Debug, Args)]
struct Leave {
    #[command(flatten)]
    member: Member,

    /// Instead remove another node, whose machine is gone for good; this node's server may run
    #[arg(long, value_name = "NODE", conflicts_with = "offline")]
    gone: Option<String>,

    /// Without NATS, which is gone for good; needs no options of the cluster
    #[arg(long)]
    offline: bool,
}

#[derive(Debug, Args)]
struct Init {
    #[command(flatten)]
    member: Member,

    #[command(flatten)]
    bytes: StreamBytes,
}

#[derive(Debug, Args)]
struct Reseed {
    #[command(flatten)]
    member: Member,

    #[command(flatten)]
    bytes: StreamBytes,

    /// Also if the old stream has its messages, or if another node was ahead: answered events may be lost
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Args)]
struct StreamBytes {
    /// Most bytes of the stream on each NATS server, which the server reserves; a full stream refuses writes
    #[arg(long, env = "JOBLEDGER_STREAM_BYTES", default_value = "4GiB", value_name = "SIZE", value_parser = size)]
    stream_bytes: u64,
}

impl StreamBytes {
    fn most(&self) -> i64 {
        i64::try_from(self.stream_bytes).unwrap_or(i64::MAX)
    }
}

impl Cluster {
    pub(super) fn run(self) -> Outcome {
        match self.command {
            ClusterCommand::Init(init) => {
                let most = init.bytes.most();
                let Founded { stream, head, .. } =
                    init.member.run(async |settings, folder| cluster::init(settings, folder, most).await)?;
                say!("`{stream}` continues the ledger after position {head}; this node is its only member");
            }
            ClusterCommand::Join(member) => {
                let Founded { stream, head, members } = member.run(cluster::join)?;
                say!("joined `{stream}` at position {head}; it has {members} members");
            }
            ClusterCommand::Leave(Leave { member, offline: true, .. }) => {
                let head = cluster::leave_offline(&member.folder())?;
                say!("left the cluster at position {head}, without NATS");
            }
            ClusterCommand::Leave(Leave { member, gone: None, .. }) => {
                let Founded { stream, head, members } = member.run(cluster::leave)?;
                say!("left `{stream}` at position {head}; it has {members} members");
            }
            ClusterCommand::Leave(Leave { member, gone: Some(gone), .. }) => {
                let members = member.run(async |settings, folder| cluster::forget(settings, folder, &gone).await)?;
                say!("removed the member `{gone}`; the cluster has {members} members");
            }
            ClusterCommand::Reseed(Reseed { member, bytes, force }) => {
                let how = Reseeding { max_bytes: bytes.most(), force };
                let Founded { stream, head, .. } =
                    member.run(async |settings, folder| cluster::reseed(settings, folder, how).await)?;
                say!("`{stream}` continues the ledger after position {head}; start this node first, then the others");
            }
            ClusterCommand::Rotate(Init { member, bytes }) => {
                let most = bytes.most();
                let Rotated { key, founded: Founded { stream, head, .. } } =
                    member.run(async |settings, folder| cluster::rotate(settings, folder, most).await)?;
                say!("added a key at position {head}, with which `{stream}` begins");
                say!("{key}");
                say!(
                    "bring ledger.key and ledger.key.previous to the other nodes; start this node first, then the others"
                );
            }
            ClusterCommand::Status(status) => return status.run(),
        }
        Ok(())
    }
}

impl Member {
    fn folder(&self) -> Folder {
        self.anchor.of(self.data.folder())
    }

    fn run<T>(self, change: impl AsyncFnOnce(&Settings, &Folder) -> Result<T, ClusterError>) -> Result<T, Failure> {
        let settings = self.options.required()?;
        let folder = self.folder();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        Ok(runtime.block_on(change(&settings, &folder))?)
    }
}
