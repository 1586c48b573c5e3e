//! The options by which a node finds its cluster.

use std::path::PathBuf;

use clap::Args;

use crate::cli::Failure;
use crate::cluster::nats::Login;
use crate::cluster::{Confirm, Settings, check_name};

/// How many copies the stream has.
const REPLICAS: usize = 3;

/// The NATS servers of a cluster, and this node in it.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct ClusterOptions {
    /// The NATS servers that the nodes of the ledger share; makes the ledger in the folder a node of the cluster
    #[arg(long, env = "JOBLEDGER_CLUSTER", value_name = "NATS-URL", value_delimiter = ',')]
    cluster: Vec<String>,

    /// This node's name in the cluster
    #[arg(long, env = "JOBLEDGER_NODE", value_name = "NAME")]
    node: Option<String>,

    /// The URL at which the other nodes reach this one, such as https://a.example:8347
    #[arg(long, env = "JOBLEDGER_NODE_URL", value_name = "URL")]
    node_url: Option<String>,

    /// The monitoring URL of each NATS server, by which the node checks that each syncs every message
    #[arg(long, env = "JOBLEDGER_CLUSTER_MONITOR", value_name = "URL", value_delimiter = ',')]
    cluster_monitor: Vec<String>,

    /// How many nodes must have a commit before its appends are answered: a majority of the members, or the leader alone (1)
    #[arg(long, env = "JOBLEDGER_CONFIRM", value_name = "majority|1", default_value = "majority")]
    confirm: Confirm,

    /// This node's user in NATS
    #[arg(long, env = "JOBLEDGER_NATS_USER", value_name = "NAME", requires = "nats_password_file")]
    nats_user: Option<String>,

    /// A file with the password of that user
    #[arg(long, env = "JOBLEDGER_NATS_PASSWORD_FILE", value_name = "FILE", requires = "nats_user")]
    nats_password_file: Option<PathBuf>,

    /// Certificates of the authority that signs the certificates of NATS and of the nodes, PEM
    #[arg(long, env = "JOBLEDGER_CLUSTER_CA", value_name = "FILE")]
    cluster_ca: Option<PathBuf>,

    /// This node's certificate for NATS, PEM
    #[arg(long, env = "JOBLEDGER_NATS_CERT", value_name = "FILE", requires = "nats_key")]
    nats_cert: Option<PathBuf>,

    /// Key of the certificate for NATS, PEM
    #[arg(long, env = "JOBLEDGER_NATS_KEY", value_name = "FILE", requires = "nats_cert")]
    nats_key: Option<PathBuf>,
}

impl ClusterOptions {
    /// The settings of a node; `None` without `--cluster`.
    pub(in crate::cli) fn settings(&self) -> Result<Option<Settings>, Failure> {
        if self.cluster.is_empty() { Ok(None) } else { self.required().map(Some) }
    }

    /// How a command that is no node reaches NATS.
    pub(super) fn login(&self) -> Result<Login, Failure> {
        let servers = self.cluster.clone();
        if servers.is_empty() {
            return Err(Failure::CouldNotRun(
                "expected the NATS servers of the cluster in --cluster, found none".into(),
            ));
        }
        Ok(Login {
            servers,
            user: self.nats_user.clone().zip(self.nats_password_file.clone()),
            authority: self.cluster_ca.clone(),
            certificate: self.nats_cert.clone().zip(self.nats_key.clone()),
        })
    }

    /// The settings of a node.
    pub(in crate::cli) fn required(&self) -> Result<Settings, Failure> {
        let missing = |option| Failure::CouldNotRun(format!("a node of a cluster needs {option}"));
        let login = self.login()?;
        let name = self.node.clone().ok_or_else(|| missing("--node"))?;
        check_name(&name)?;
        let url = self.node_url.clone().ok_or_else(|| missing("--node-url"))?;
        let url = url.trim_end_matches('/').to_owned();
        let is_url = url.starts_with("https://") || url.starts_with("http://");
        if !is_url || url.len() > MAX_URL {
            return Err(Failure::CouldNotRun(format!(
                "--node-url: expected an http(s) URL of at most {MAX_URL} bytes"
            )));
        }
        Ok(Settings {
            name,
            url,
            login,
            monitors: self.cluster_monitor.clone(),
            replicas: REPLICAS,
            confirm: self.confirm,
        })
    }
}

/// Most bytes of a node's URL, which goes into messages.
const MAX_URL: usize = 255;
