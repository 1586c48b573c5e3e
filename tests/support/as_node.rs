//! Every test server as a node of a cluster, if `JOBLEDGER_TEST_NODE` says so: what holds on one machine must hold on each of three.
//!
//! With `leads` the test talks to the node that leads, with `follows` to one that follows. Two more nodes run beside it.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use jobledger::cluster::nats::Login;
use jobledger::cluster::{self, Confirm, Settings};
use jobledger::http::{HttpOptions, Transport};
use jobledger::job::Time;
use jobledger::ledger::{Folder, Ledger, Options, Role};
use jobledger::server::Server;
use rusqlite::Connection;
use tempfile::TempDir;

use super::nats_server::{Nats, program};
use super::server::Running;
use super::wait::until;

/// What the node of a test does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Leads,
    Follows,
}

/// What the environment asks for; `None` for a ledger on one machine.
pub fn side() -> Option<Side> {
    match std::env::var("JOBLEDGER_TEST_NODE").ok().as_deref() {
        None => None,
        Some("leads") => Some(Side::Leads),
        Some("follows") => Some(Side::Follows),
        Some(other) => panic!("expected JOBLEDGER_TEST_NODE to be `leads` or `follows`, found `{other}`"),
    }
}

/// The server of NATS that all tests of this process share.
fn nats() -> &'static Nats {
    static NATS: OnceLock<(TempDir, Nats)> = OnceLock::new();
    let (_, nats) = NATS.get_or_init(|| {
        let program = program().expect("nats-server, in JOBLEDGER_TEST_NATS or in the path");
        let folder = tempfile::tempdir().unwrap();
        let nats = Nats::start(&program, folder.path());
        (folder, nats)
    });
    nats
}

/// Three nodes of one ledger.
pub struct Three {
    /// The node of the test, then the two others.
    pub nodes: Vec<Running>,
    pub others: Others,
}

/// The folders of a cluster that are not the test's own.
pub struct Others {
    /// The folder of the node that leads.
    pub leader: PathBuf,
    /// Where it serves.
    pub leader_url: String,
    _folders: TempDir,
}

impl Three {
    /// Makes the ledger at `path` one of three nodes, and starts them. Makes the ledger if it is missing.
    pub fn start(path: &Path, options: &Options, http: &HttpOptions, side: Side) -> Three {
        let others = tempfile::tempdir().unwrap();
        let folders = [path.to_owned(), others.path().join("n1"), others.path().join("n2")];
        found(path, options);
        for folder in &folders[1..] {
            copy(path, folder);
        }
        let first = match side {
            Side::Leads => 0,
            Side::Follows => 1,
        };
        // The other nodes end no TLS, so the test's node needs no certificate of them.
        let mut in_clear = http.clone();
        if http.transport.tls().is_some() {
            in_clear.transport = Transport::Clear;
        }
        let start = |at: usize| node(at, &folders[at], options, if at == 0 { http } else { &in_clear });
        let leader = start(first);
        until("the node leads", || leader.role() == Some(Role::Leads));
        until("tokens can be changed", || may_change_tokens(&folders[first], (options.clock)()));
        let leader_url = leader.url.clone();
        let mut nodes: Vec<Running> = (0..folders.len()).filter(|at| *at != first).map(start).collect();
        nodes.insert(first, leader);
        Three { nodes, others: Others { leader: folders[first].clone(), leader_url, _folders: others } }
    }
}

/// Whether the node in `folder` has noted that it leads.
fn may_change_tokens(folder: &Path, now: Time) -> bool {
    let leads_until: Result<i64, rusqlite::Error> = Connection::open(Folder::new(folder).access())
        .and_then(|conn| conn.query_row("SELECT leads_until FROM node", [], |row| row.get(0)));
    leads_until.is_ok_and(|until| until > now.micros())
}

fn settings(at: usize, url: String) -> Settings {
    Settings {
        name: format!("n{at}"),
        url,
        login: Login { servers: vec![nats().url.clone()], user: None, authority: None, certificate: None },
        monitors: vec![nats().monitor.clone()],
        replicas: 1,
        confirm: Confirm::Majority,
    }
}

/// Makes the ledger at `path` the first node of a cluster, unless it is a node already.
fn found(path: &Path, options: &Options) {
    let folder = Folder::new(path);
    match Ledger::open(folder.clone(), options.clone()) {
        Ok(ledger) => ledger.close(),
        Err(_) => return,
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(cluster::init(&settings(0, "http://n0".into()), &folder, 32 << 20)).unwrap();
}

/// Copies what a node needs to be another one.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for file in ["log.db", "log.db-wal", "ledger.key", "lease.key", "access.db", "access.db-wal"] {
        if from.join(file).exists() {
            std::fs::copy(from.join(file), to.join(file)).unwrap();
        }
    }
}

/// Starts the node in `folder`.
fn node(at: usize, folder: &Path, options: &Options, http: &HttpOptions) -> Running {
    let (folder, options) = (Folder::new(folder), options.clone());
    Running::start(http.clone(), move |http, stopping, url| async move {
        Server::open_node(folder, options, http, stopping, settings(at, url)).await.unwrap()
    })
}
