//! The real program as a process of its own, which can be killed.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use jobledger::access::{Access, NewToken, Role};
use jobledger::job::OrgId;
use jobledger::ledger::{Folder, system_clock};

use super::client::Client;

/// A running `jobledger serve`; killed when dropped.
pub struct Process {
    child: Child,
    pub url: String,
}

impl Process {
    /// Starts a server on `data`, with more of an environment.
    pub fn serve(data: &Path, env: &[(&str, &str)]) -> Process {
        let mut child = Command::new(env!("CARGO_BIN_EXE_jobledger"))
            .args(["serve", "--listen", "127.0.0.1:0", "--log", "error", "--data"])
            .arg(data)
            .envs(env.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        let url = first.trim().strip_prefix("listening on ").expect("the first line").to_owned();
        Process { child, url }
    }

    /// A client with a new token.
    pub fn client(&self, data: &Path, name: &str, role: Role) -> Client {
        let access = Access::open(&Folder::new(data).access()).unwrap();
        let token = NewToken { name: name.into(), role, org: OrgId::default(), expires: None };
        Client::new(&self.url, Some(access.create(&token, system_clock()()).unwrap().reveal()))
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until the process has ended by itself.
    pub fn ended(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
