//! A server inside the test's own process.

use std::path::Path;
use std::thread::JoinHandle;

use jobledger::access::{Access, NewToken, Role};
use jobledger::http::HttpOptions;
use jobledger::job::OrgId;
use jobledger::ledger::{Clock, Folder, Options, system_clock};
use jobledger::server::Server;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::client::Client;

/// A running server. Dropping the value stops the server and, if the folder is a temporary one, deletes the folder.
pub struct TestServer {
    pub url: String,
    dir: Option<TempDir>,
    path: std::path::PathBuf,
    clock: Clock,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
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
        let (stop, stopping) = watch::channel(false);
        let (send_url, url) = std::sync::mpsc::channel();
        let folder = Folder::new(path);
        let clock = options.clock.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async {
                let scheme = if http.transport.tls().is_some() { "https" } else { "http" };
                let server = Server::open(folder, options, http, stopping).unwrap();
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                send_url.send(format!("{scheme}://{}", listener.local_addr().unwrap())).unwrap();
                server.run(listener).await;
            });
        });
        let url = url.recv().expect("the server starts");
        TestServer { url, dir: None, path: path.to_owned(), clock, stop, thread: Some(thread) }
    }

    /// The data folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The tokens, as the commands beside a running server open them.
    pub fn access(&self) -> Access {
        Access::open(&Folder::new(&self.path).access()).unwrap()
    }

    /// Makes a token of `role` in `org` as `jobledger token create` does: in `access.db`, beside the running server.
    pub fn token(&self, name: &str, role: Role, org: OrgId) -> String {
        let token = NewToken::new(name, role, org);
        self.access().create(&token, (self.clock)()).unwrap().reveal().to_owned()
    }

    /// A client with a fresh token of `role` in the default organisation. The token's name, which is the actor, is the role's name.
    pub fn client(&self, role: Role) -> Client {
        let token = self.token(role.as_str(), role, OrgId::default());
        Client::new(&self.url, Some(&token))
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
        self.stop.send_replace(true);
    }

    /// Stops the server cleanly. The folder stays until the value is dropped.
    pub fn stop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }

    /// Stops the server and starts it again on the same folder, on another port.
    pub fn restart(&mut self) {
        self.stop();
        let mut again = TestServer::on(&self.path, self.clock.clone());
        std::mem::swap(&mut self.url, &mut again.url);
        std::mem::swap(&mut self.stop, &mut again.stop);
        std::mem::swap(&mut self.thread, &mut again.thread);
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // If the server panicked, its message was printed. A second panic here would hide that message.
            let _ = thread.join();
        }
    }
}
