//! Servers inside the bench's process, each in a runtime of its own with as many threads as `jobledger serve` takes.

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;

use jobledger::access::{Access, NewToken, Role};
use jobledger::http::{Bound, Bounds, HttpOptions};
use jobledger::job::OrgId;
use jobledger::ledger::{Folder, Ledger, Options, system_clock};
use jobledger::server::Server;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// A server on a thread of its own. Dropping this value stops the server.
pub struct Running {
    pub address: SocketAddr,
    stop: watch::Sender<bool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Running {
    /// Runs `serve` with a listener on a free port of loopback.
    pub fn start<F: Future<Output = ()>>(
        serve: impl FnOnce(TcpListener, watch::Receiver<bool>) -> F + Send + 'static,
    ) -> Running {
        let (stop, stopping) = watch::channel(false);
        let (send_address, address) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let mut runtime = tokio::runtime::Builder::new_multi_thread();
            if let Some(workers) = super::option("workers") {
                runtime.worker_threads(workers.parse().expect("a number of threads"));
            }
            let runtime = runtime.enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
                send_address.send(listener.local_addr().expect("an address")).expect("the bench waits");
                serve(listener, stopping).await;
            });
        });
        Running { address: address.recv().expect("it starts"), stop, thread: Some(thread) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The ledger's own server, as `jobledger serve` runs it.
pub struct BenchServer {
    pub running: Running,
    pub ledger: Ledger,
    pub token: String,
}

impl BenchServer {
    pub fn start(path: &Path) -> BenchServer {
        let folder = Folder::new(path);
        let (send_ledger, ledger) = std::sync::mpsc::channel();
        let running = Running::start(move |listener, stopping| async move {
            // A bench opens all its streams with one token, so the limit per token is lifted.
            let tails = Bound { total: 100_000, per_token: 100_000 };
            let http = HttpOptions { bounds: Bounds { tails, ..Bounds::default() }, ..HttpOptions::default() };
            let options = Options { create: true, ..Options::default() };
            let server = Server::open(folder, options, http, stopping).expect("the ledger opens");
            send_ledger.send(server.ledger().clone()).expect("the bench waits");
            server.run(listener).await;
        });
        BenchServer { running, ledger: ledger.recv().expect("it opens"), token: token(path, Role::Admin) }
    }

    pub fn address(&self) -> SocketAddr {
        self.running.address
    }
}

/// A new token, made through `access.db` beside the server, as `jobledger token create` does.
pub fn token(path: &Path, role: Role) -> String {
    let access = Access::open(&Folder::new(path).access()).expect("access.db opens");
    let name = format!("bench-{}", uuid::Uuid::new_v4().simple());
    let token = NewToken::new(name, role, OrgId::default());
    access.create(&token, system_clock()()).expect("a new name").reveal().to_owned()
}
