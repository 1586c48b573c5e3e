//! A server inside the test's own process.

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

use jobledger::access::{Access, AccessError, NewToken, Role, TokenInfo};
use jobledger::http::HttpOptions;
use jobledger::job::OrgId;
use jobledger::ledger::{Clock, Folder, Node, NodeState, Options, system_clock};
use jobledger::server::Server;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::as_node::{self, Others, Three};
use super::client::Client;
use super::wait::{until_paced, until_some_paced};

/// Between two looks at the tokens of a node.
const PAUSE: Duration = Duration::from_millis(10);

/// A running server. Dropping the value stops the server and, if the folder is a temporary one, deletes the folder.
///
/// With `JOBLEDGER_TEST_NODE` the server is a node of a cluster (`as_node`).
pub struct TestServer {
    pub url: String,
    path: PathBuf,
    clock: Clock,
    /// The server, and the other nodes of its cluster. They end before the folders below are deleted.
    running: Vec<Running>,
    /// The cluster's folders; `None` for a server on one machine.
    others: Option<Others>,
    dir: Option<TempDir>,
}

/// One server of this process, on a thread of its own.
pub struct Running {
    pub url: String,
    node: Option<watch::Receiver<NodeState>>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// Starts the server that `open` opens, and waits until it listens.
    pub fn start<O: Future<Output = Server>>(
        http: HttpOptions,
        open: impl FnOnce(HttpOptions, watch::Receiver<bool>, String) -> O + Send + 'static,
    ) -> Running {
        let (stop, stopping) = watch::channel(false);
        let (send, started) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async {
                let scheme = if http.transport.tls().is_some() { "https" } else { "http" };
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let url = format!("{scheme}://{}", listener.local_addr().unwrap());
                let server = open(http, stopping, url.clone()).await;
                send.send((url, server.ledger().node().map(Node::watch))).unwrap();
                server.run(listener).await;
            });
        });
        let (url, node) = started.recv().expect("the server starts");
        Running { url, node, stop, thread: Some(thread) }
    }

    /// What the node does; `None` for a server on one machine.
    pub fn role(&self) -> Option<jobledger::ledger::Role> {
        self.node.as_ref().map(|node| node.borrow().role)
    }

    fn tell_to_stop(&self) {
        self.stop.send_replace(true);
    }

    fn stop(&mut self) {
        self.tell_to_stop();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.tell_to_stop();
        if let Some(thread) = self.thread.take() {
            // If the server panicked, its message was printed. A second panic here would hide that message.
            let _ = thread.join();
        }
    }
}

impl TestServer {
    /// Starts a server on an empty folder.
    pub fn start() -> TestServer {
        TestServer::start_with(system_clock())
    }

    /// Starts a server on an empty folder, with another clock.
    pub fn start_with(clock: Clock) -> TestServer {
        let dir = tempfile::tempdir().unwrap();
        let mut server = TestServer::on(dir.path(), clock);
        server.dir = Some(dir);
        server
    }

    /// Starts a server on `path`, a folder that stays after the server.
    pub fn on(path: &Path, clock: Clock) -> TestServer {
        TestServer::open(path, Options { clock, ..Options::default() })
    }

    /// Starts a server on an empty folder, with the options `http`.
    pub fn serving(http: HttpOptions) -> TestServer {
        let dir = tempfile::tempdir().unwrap();
        let mut server = TestServer::open_serving(dir.path(), Options::default(), http);
        server.dir = Some(dir);
        server
    }

    /// Starts a server on `path`, a folder that stays after the server, with the ledger's `options`.
    pub fn open(path: &Path, options: Options) -> TestServer {
        TestServer::open_serving(path, options, HttpOptions::default())
    }

    /// Starts a server on `path`, a folder that stays after the server, with the ledger's `options` and the options `http`. Makes the
    /// folder if it is missing.
    pub fn open_serving(path: &Path, options: Options, http: HttpOptions) -> TestServer {
        let options = Options { create: true, ..options };
        let clock = options.clock.clone();
        let (running, others) = match as_node::side() {
            Some(side) => {
                let Three { nodes, others } = Three::start(path, &options, &http, side);
                (nodes, Some(others))
            }
            None => {
                let folder = Folder::new(path);
                let open = |http, stopping, _| async { Server::open(folder, options, http, stopping).unwrap() };
                (vec![Running::start(http, open)], None)
            }
        };
        TestServer { url: running[0].url.clone(), dir: None, path: path.to_owned(), clock, running, others }
    }

    /// The data folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The tokens, as the commands beside a running server open them.
    pub fn access(&self) -> Access {
        let folder = self.others.as_ref().map_or(&self.path, |others| &others.leader);
        Access::open(&Folder::new(folder).access()).unwrap()
    }

    /// Makes a token of `role` in `org` as `jobledger token create` does: in `access.db`, beside the running server.
    pub fn token(&self, name: &str, role: Role, org: OrgId) -> String {
        let token = NewToken::new(name, role, org);
        // A clock that the test moves on takes the leader's word for a moment.
        let secret =
            until_some_paced("the token is made", PAUSE, || match self.access().create(&token, (self.clock)()) {
                Err(AccessError::NotLeading) => None,
                made => Some(made.unwrap().reveal().to_owned()),
            });
        if self.others.is_some() {
            let file = Folder::new(&self.path).access();
            let is_new = |known: &TokenInfo| known.org == org && known.name == name && known.revoked.is_none();
            until_paced("the node has the token", PAUSE, || {
                Access::open_to_read(&file).is_ok_and(|access| access.list().unwrap().iter().any(is_new))
            });
        }
        secret
    }

    /// A client with a fresh token of `role` in the default organisation. The token's name, which is the actor, is the role's name.
    pub fn client(&self, role: Role) -> Client {
        let token = self.token(role.as_str(), role, OrgId::default());
        Client::new(&self.url, Some(&token))
    }

    /// A client of the node that leads, for figures that this node alone counts. On one machine, of the server itself.
    pub fn leading(&self, role: Role) -> Client {
        let url = self.others.as_ref().map_or(&self.url, |others| &others.leader_url);
        self.client_named(role, "leading").at(url)
    }

    /// A client with a fresh token of `role`. The token's name, which is the actor, is `NAME-ROLE`.
    pub fn client_named(&self, role: Role, name: &str) -> Client {
        Client::new(&self.url, Some(&self.token(&format!("{name}-{role}"), role, OrgId::default())))
    }

    /// A client without a token.
    pub fn anonymous(&self) -> Client {
        Client::new(&self.url, None)
    }

    /// Tells the server to stop, and does not wait for its end.
    pub fn tell_to_stop(&self) {
        self.running[0].tell_to_stop();
    }

    /// Stops the server cleanly, and the other nodes of its cluster. The folder stays until the value is dropped.
    pub fn stop(&mut self) {
        self.running.iter_mut().for_each(Running::stop);
    }

    /// Stops the server and starts it again on the same folder, on another port.
    pub fn restart(&mut self) {
        self.stop();
        let again = TestServer::on(&self.path, self.clock.clone());
        let dir = self.dir.take();
        *self = TestServer { dir, ..again };
    }
}
