//! A cluster of three nodes on three NATS servers, each in a process of its own on this machine.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use jobledger::access::Role;

use super::nats::{Servers, free_port, program};
use super::{Connection, Serving, get, token};

const NAMES: [&str; 3] = ["a", "b", "c"];

/// The cluster. Its processes end with the value.
pub struct Nodes {
    folder: PathBuf,
    nats: Servers,
    ports: [u16; 3],
    pub serving: [Option<Serving>; 3],
    pub token: String,
}

impl Nodes {
    /// Starts the cluster in `folder`; `None` without NATS.
    pub fn start(folder: &Path) -> Option<Nodes> {
        let program = program()?;
        let nats = Servers::start(&program, folder);
        let ports = std::array::from_fn(|_| free_port());
        let first = folder.join("a");
        drop(Serving::start(&first, &[]));
        let token = token(&first, Role::Admin);
        let mut nodes = Nodes { folder: folder.to_owned(), nats, ports, serving: [None, None, None], token };
        nodes.command(0, &["cluster", "init", "--stream-bytes", "2GiB"]);
        for at in [1, 2] {
            let copied = Command::new(env!("CARGO_BIN_EXE_jobledger"))
                .args(["backup", "--data"])
                .args([first.as_path(), &nodes.data(at)])
                .output()
                .expect("the program starts");
            assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
            for key in ["ledger.key", "lease.key"] {
                std::fs::copy(first.join(key), nodes.data(at).join(key)).expect("the key is copied");
            }
            nodes.command(at, &["cluster", "join"]);
        }
        (0..3).for_each(|at| nodes.serve(at));
        Some(nodes)
    }

    fn data(&self, at: usize) -> PathBuf {
        self.folder.join(NAMES[at])
    }

    fn options(&self, at: usize) -> Vec<String> {
        let url = format!("http://127.0.0.1:{}", self.ports[at]);
        let pairs = [
            ("--node", NAMES[at].to_owned()),
            ("--node-url", url),
            ("--cluster", self.nats.urls()),
            ("--cluster-monitor", self.nats.monitors()),
        ];
        pairs.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
    }

    fn command(&self, at: usize, words: &[&str]) {
        let done = Command::new(env!("CARGO_BIN_EXE_jobledger"))
            .args(words)
            .arg("--data")
            .arg(self.data(at))
            .args(self.options(at))
            .output()
            .expect("the program starts");
        assert!(done.status.success(), "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
    }

    /// Starts a node, or starts it again.
    pub fn serve(&mut self, at: usize) {
        let options = self.options(at);
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        self.serving[at] = Some(Serving::on(&self.data(at), &format!("127.0.0.1:{}", self.ports[at]), &options));
    }

    /// Kills a node.
    pub fn kill(&mut self, at: usize) {
        self.serving[at] = None;
    }

    /// Where a node that serves listens.
    pub fn address(&self, at: usize) -> SocketAddr {
        self.serving[at].as_ref().expect("the node serves").address
    }

    /// A figure of a node's `/metrics`.
    pub async fn figure(&self, at: usize, name: &str) -> u64 {
        let mut connection = Connection::open(self.address(at)).await;
        connection.ask(&get("/metrics", &self.token, "text/plain")).await;
        let text = String::from_utf8_lossy(connection.body()).into_owned();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        value.unwrap_or_else(|| panic!("no {name}"))
    }

    /// The node that leads; waits for one.
    pub async fn leader(&self) -> usize {
        loop {
            for at in (0..3).filter(|at| self.serving[*at].is_some()) {
                if self.figure(at, "jobledger_cluster_leads").await == 1 {
                    return at;
                }
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
}
