//! A NATS server for the nodes of a cluster.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde::Deserialize;

use super::wait::until_some_paced;

/// Between two looks at a server.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(20);

/// `nats-server`, if this machine has it.
pub fn program() -> Option<PathBuf> {
    let named = std::env::var_os("JOBLEDGER_TEST_NATS").map(PathBuf::from);
    let in_path = || {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).map(|folder| folder.join("nats-server")).find(|program| program.exists())
    };
    named.or_else(in_path)
}

/// One server on free ports. It ends with the process that started it.
pub struct Nats {
    pub url: String,
    pub monitor: String,
    /// The shell that runs the server. It kills the server when its stdin ends, so also after a test that was killed.
    _shell: Child,
}

/// The ports that the server took.
#[derive(Deserialize)]
struct Ports {
    nats: Vec<String>,
    monitoring: Vec<String>,
}

impl Nats {
    /// Starts a server, with its files in `folder`.
    pub fn start(program: &Path, folder: &Path) -> Nats {
        let config = folder.join("nats.conf");
        let text = format!(
            "listen: 127.0.0.1:-1\nhttp: 127.0.0.1:-1\nmax_payload: 8MB\nports_file_dir: {folder:?}\n\
             jetstream {{ store_dir: {folder:?}, sync_interval: always, max_file_store: 1TB }}\n"
        );
        std::fs::write(&config, text).unwrap();
        let shell = Command::new("sh")
            .args(["-c", r#""$0" --config "$1" & read -r _; kill $!; wait"#])
            .args([program, &config])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let ports = until_some_paced("NATS listens", PAUSE, || {
            let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
            let file = files.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "ports"))?;
            serde_json::from_slice::<Ports>(&std::fs::read(file).ok()?).ok()
        });
        Nats { url: ports.nats[0].clone(), monitor: ports.monitoring[0].clone(), _shell: shell }
    }
}
