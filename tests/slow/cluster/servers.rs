//! Three NATS servers on loopback. The bench `cluster` starts them too.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use crate::support::wait::until_paced;

/// Between two looks at a server.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

/// The three servers. They end with the value.
pub struct Servers {
    program: PathBuf,
    configs: [PathBuf; 3],
    clients: [u16; 3],
    monitors: [u16; 3],
    children: [Option<Child>; 3],
}

/// `nats-server`, if this machine has it.
pub fn program() -> Option<PathBuf> {
    let named = std::env::var_os("JOBLEDGER_TEST_NATS").map(PathBuf::from);
    let in_path = || {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).map(|folder| folder.join("nats-server")).find(|program| program.exists())
    };
    named.or_else(in_path)
}

/// A port that is free. It is not one of those that the system gives to clients, which could take it before the server does.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(20_000);
    loop {
        let port = NEXT.fetch_add(1, Ordering::Relaxed);
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

impl Servers {
    /// Servers that sync every message.
    pub fn start(program: &Path, folder: &Path) -> Servers {
        Servers::start_with(program, folder, "sync_interval: always")
    }

    /// Servers with these settings of JetStream.
    pub fn start_with(program: &Path, folder: &Path, settings: &str) -> Servers {
        let ports = || std::array::from_fn::<u16, 3, _>(|_| free_port());
        let (clients, monitors, routes) = (ports(), ports(), ports());
        let all = routes.map(|port| format!("nats://127.0.0.1:{port}")).join(", ");
        let configs = std::array::from_fn(|at| {
            let (path, store) = (folder.join(format!("nats-{at}.conf")), folder.join(format!("nats-{at}")));
            let text = format!(
                "server_name: n{at}\nmax_payload: 8MB\nlisten: 127.0.0.1:{}\nhttp: 127.0.0.1:{}\n\
                 jetstream {{ store_dir: \"{}\", {settings} }}\n\
                 cluster {{ name: jobledger, listen: 127.0.0.1:{}, routes: [{all}] }}\n",
                clients[at],
                monitors[at],
                store.display(),
                routes[at]
            );
            std::fs::write(&path, text).unwrap();
            path
        });
        let mut servers =
            Servers { program: program.to_owned(), configs, clients, monitors, children: [None, None, None] };
        for at in 0..3 {
            servers.start_again(at);
        }
        let is_ready = |monitor: &u16| {
            ureq::get(format!("http://127.0.0.1:{monitor}/healthz?js-enabled-only=true")).call().is_ok()
                && ureq::get(format!("http://127.0.0.1:{monitor}/jsz")).call().is_ok_and(|mut answer| {
                    // The group of all servers has a leader once they have found each other.
                    answer.body_mut().read_to_string().is_ok_and(|text| text.contains("\"leader\""))
                })
        };
        until_paced("NATS has a leader", PAUSE, || servers.monitors.iter().all(is_ready));
        servers
    }

    /// The URLs for clients.
    pub fn urls(&self) -> String {
        self.clients.map(|port| format!("nats://127.0.0.1:{port}")).join(",")
    }

    /// The URLs that show each server's state.
    pub fn monitors(&self) -> String {
        self.monitors.map(|port| format!("http://127.0.0.1:{port}")).join(",")
    }

    pub fn kill(&mut self, at: usize) {
        let mut child = self.children[at].take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    pub fn start_again(&mut self, at: usize) {
        let mut command = Command::new(&self.program);
        command.arg("-c").arg(&self.configs[at]).stdout(Stdio::null()).stderr(Stdio::null());
        self.children[at] = Some(command.spawn().unwrap());
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for child in self.children.iter_mut().flatten() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
