//! nginx in front of a server.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::support::skipped;
use crate::support::wait::until;

/// nginx with its defaults and those of Debian, in front of one server. Dropping the value ends it.
pub struct Nginx {
    process: Child,
    pub url: String,
    _folder: TempDir,
}

impl Nginx {
    /// Starts nginx before the server at the address `server`; `None`, with a word on stderr, if this machine has none.
    pub fn before(server: &str) -> Option<Nginx> {
        let folder = tempfile::tempdir().unwrap();
        // nginx takes no port 0. The port of a listener that was just closed is free.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        // The lines that Debian's nginx.conf has beside the folders, which are its own here.
        let config = format!(
            "daemon off; pid nginx.pid; error_log error.log; events {{ worker_connections 768; }}\n\
             http {{ sendfile on; tcp_nopush on; types_hash_max_size 2048; gzip on; access_log off;\n\
             client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;\n\
             server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass {server}; }} }} }}"
        );
        std::fs::write(folder.path().join("nginx.conf"), config).unwrap();
        let mut command = Command::new("nginx");
        command.arg("-p").arg(folder.path()).args(["-c", "nginx.conf", "-e", "error.log"]);
        let Ok(process) = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn() else {
            skipped("nginx");
            return None;
        };
        let nginx = Nginx { process, url: format!("http://127.0.0.1:{port}"), _folder: folder };
        until("nginx listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Some(nginx)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // SIGTERM ends the workers too.
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
    }
}
