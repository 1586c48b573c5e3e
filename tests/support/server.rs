//! A server inside the test's own process.

use std::path::Path;
use std::thread::JoinHandle;

use jobledger::access::{Access, NewToken, Role};
use jobledger::http::HttpOptions;
use jobledger::job::OrgId;
use jobledger::ledger::{Clock, Folder, FolderError, OpenError, Options, system_clock};
use jobledger::server::{Server, StartError};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::client::Client;
use super::wait::until_some;

/// A running server and its folder; both end with it.
pub struct TestServer {
    pub url: String,
    dir: Option<TempDir>,
    path: std::path::PathBuf,
    clock: Clock,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl TestServer {
    /// On an empty folder.
    pub fn start() -> TestServer {
        TestServer::start_with(system_clock())
    }

    /// On an empty folder, with another clock.
    pub fn start_with(clock: Clock) -> TestServer {
        let dir = tempfile::tempdir().unwrap();
        let mut server = TestServer::on(dir.path(), clock);
        server.dir = Some(dir);
        server
    }

    /// On a folder that stays after it.
    pub fn on(path: &Path, clock: Clock) -> TestServer {
        TestServer::open(path, Options { clock, ..Options::default() })
    }

    /// On an empty folder, with connections served as `http` says.
    pub fn serving(http: HttpOptions) -> TestServer {
        let dir = tempfile::tempdir().unwrap();
        let mut server = TestServer::open_serving(dir.path(), Options::default(), http);
        server.dir = Some(dir);
        server
    }

    /// On a folder that stays after it, opened as `options` say.
    pub fn open(path: &Path, options: Options) -> TestServer {
        TestServer::open_serving(path, options, HttpOptions::default())
    }

    /// On a folder that stays after it, opened as `options` say, with connections served as `http` says;
    /// the folder is made if it is missing.
    pub fn open_serving(path: &Path, options: Options, http: HttpOptions) -> TestServer {
        let options = Options { create: true, ..options };
        let (stop, stopping) = watch::channel(false);
        let (send_url, url) = std::sync::mpsc::channel();
        let folder = Folder::new(path);
        let clock = options.clock.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async {
                let server = opened(&folder, &options, &http, &stopping);
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                send_url.send(format!("http://{}", listener.local_addr().unwrap())).unwrap();
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

    /// A token of `role` in `org`, made as `jobledger token create` makes it: through the file, beside the server.
    pub fn token(&self, name: &str, role: Role, org: OrgId) -> String {
        let token = NewToken::new(name, role, org);
        self.access().create(&token, (self.clock)()).unwrap().reveal().to_owned()
    }

    /// A client with a fresh token of `role` in the default organisation; its name (the actor) is the role's.
    pub fn client(&self, role: Role) -> Client {
        let token = self.token(role.as_str(), role, OrgId::default());
        Client::new(&self.url, Some(&token))
    }

    /// A client with a fresh token of `role` under a name of its own.
    pub fn client_named(&self, role: Role, name: &str) -> Client {
        Client::new(&self.url, Some(&self.token(&format!("{name}-{role}"), role, OrgId::default())))
    }

    /// A client without a token.
    pub fn anonymous(&self) -> Client {
        Client::new(&self.url, None)
    }

    /// Stops the server cleanly; the folder stays until this is dropped.
    pub fn stop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }

    /// Stops it and starts it again on the same folder and another port.
    pub fn restart(&mut self) {
        self.stop();
        let mut again = TestServer::on(&self.path, self.clock.clone());
        std::mem::swap(&mut self.url, &mut again.url);
        std::mem::swap(&mut self.stop, &mut again.stop);
        std::mem::swap(&mut self.thread, &mut again.thread);
    }
}

/// A process that another test has just started holds every lock of this one between its fork and its exec, so a folder that
/// was given up may still be in use for a moment.
fn opened(folder: &Folder, options: &Options, http: &HttpOptions, stopping: &watch::Receiver<bool>) -> Server {
    until_some("the folder is free", || {
        match Server::open(folder.clone(), options.clone(), http.clone(), stopping.clone()) {
            Err(StartError::Ledger(OpenError::Folder(FolderError::InUse(_)))) => None,
            opened => Some(opened.unwrap()),
        }
    })
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // A server that panicked has said so; a second panic here would only hide it.
            let _ = thread.join();
        }
    }
}
