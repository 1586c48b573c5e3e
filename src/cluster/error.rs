//! Errors of a cluster.

use std::path::PathBuf;

use super::nats::NatsError;
use crate::access::AccessError;
use crate::ledger::{MembershipError, OpenError, RotateError};
use crate::log;
use crate::stream::ChainError;

/// Why a node cannot take part in its cluster.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// NATS.
    #[error(transparent)]
    Nats(#[from] NatsError),
    /// The log.
    #[error(transparent)]
    Log(#[from] log::Error),
    /// The tokens.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] OpenError),
    /// The folder is not a node's.
    #[error("`{}` is not a node of a cluster; make it one with `jobledger cluster init` or `jobledger cluster join`", .0.display())]
    NotANode(PathBuf),
    /// The membership.
    #[error(transparent)]
    Membership(#[from] MembershipError),
    /// The name has a wrong form.
    #[error("expected a node's name of 1 to 64 of `A-Z a-z 0-9 _ -`, found `{0}`")]
    BadName(String),
    /// Another node has the name.
    #[error("the cluster has a node `{0}` already, at another URL; give this node another name")]
    Taken(String),
    /// No member has the name.
    #[error("the cluster has no member `{0}`; `jobledger cluster status` lists the members")]
    NoMember(String),
    /// The stream is not lost.
    #[error(
        "the stream `{0}` still has what continues this log; start the node with `jobledger serve --cluster`, or give --force to replace \
         the stream all the same: events that this node lacks are then lost"
    )]
    StreamLives(String),
    /// Another node has more.
    #[error(
        "node `{name}` has said that it has position {head}, and this one has {own}; run this command on that node, or give --force if \
         its folder is gone: later events are then lost"
    )]
    Ahead {
        /// The node.
        name: String,
        /// Its newest position.
        head: u64,
        /// This node's newest position.
        own: u64,
    },
    /// Another node has the same events, and later messages.
    #[error(
        "node `{name}` has said that it has message {sequence} of the stream, and this one has {own}; run this command on that node, or \
         give --force if its folder is gone: the latest changes of tokens and webhooks are then lost"
    )]
    HasMore {
        /// The node.
        name: String,
        /// Its newest message.
        sequence: u64,
        /// This node's newest message.
        own: u64,
    },
    /// Another node has made a later stream.
    #[error(
        "another node has replaced the stream `{0}`; start this node with `jobledger serve --cluster`: it takes the rest from that node"
    )]
    Reseeded(String),
    /// The key.
    #[error(transparent)]
    Rotate(#[from] RotateError),
    /// A message of the stream cannot be judged.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A node leads.
    #[error("node `{0}` leads, or was killed within the last 10 s; stop all nodes, and run this command again")]
    Leads(String),
    /// The log lacks a message.
    #[error(
        "this node lacks message {sequence} of the stream `{stream}`; start it with `jobledger serve --cluster` until it has the \
         others' position, stop it, and run this command again"
    )]
    Lacks {
        /// The stream.
        stream: String,
        /// The message.
        sequence: u64,
    },
    /// The stream has lost messages.
    #[error("the stream `{0}` has lost messages that this log has; see `jobledger cluster reseed`")]
    StreamBehind(String),
    /// The node has an earlier key.
    #[error(
        "the cluster's key is `{expected}`, and this folder's `ledger.key` is `{found}`; after a rotation bring `ledger.key` and \
         `ledger.key.previous` of the node that rotated"
    )]
    OtherKey {
        /// The key with which the generation began.
        expected: String,
        /// The folder's key.
        found: String,
    },
    /// The certificates of the authority cannot be read.
    #[error("cannot read the certificates in `{}`", .path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        cause: std::io::Error,
    },
    /// Not every server is checked.
    #[error(
        "expected the monitoring URL of each of the {servers} NATS servers, found {found}; give them by --cluster-monitor, so that the \
         node can check that each server syncs every message (`sync_interval: always`)"
    )]
    Unchecked {
        /// How many servers there are.
        servers: usize,
        /// How many URLs there are.
        found: usize,
    },
    /// A server's state cannot be read.
    #[error("cannot read the state of the NATS server at `{url}`")]
    Monitor {
        /// Its URL.
        url: String,
        /// The cause.
        #[source]
        cause: Box<ureq::Error>,
    },
    /// A server does not sync.
    #[error(
        "the NATS server at `{0}` does not sync every message: a power cut can lose answered events; set `sync_interval: always` in \
         its block `jetstream`"
    )]
    NoSync(String),
    /// A server is too old.
    #[error("the NATS server at `{url}` has version {found}, and 2.12 or newer is needed")]
    OldServer {
        /// Its URL.
        url: String,
        /// Its version.
        found: String,
    },
}
