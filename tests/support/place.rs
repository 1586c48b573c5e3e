//! The place of a worker: a server of its own, a token, and a folder for the spool.

use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;

use super::Client;
use super::cli::{Serving, token};

/// A folder with a server, the token of a worker, and a folder for the spool.
pub struct Place {
    pub dir: TempDir,
    pub server: Serving,
    pub token: String,
}

impl Place {
    pub fn new() -> Place {
        let dir = tempfile::tempdir().unwrap();
        let server = Serving::start(&dir.path().join("ledger"));
        let token = token(&dir.path().join("ledger"), "worker");
        Place { dir, server, token }
    }

    pub fn client(&self) -> Client {
        self.server.client(&self.token)
    }

    pub fn spool(&self) -> PathBuf {
        self.dir.path().join("spool")
    }

    pub fn job(&self, id: &str) -> Value {
        self.client().get(&format!("/ledger/jobs/{id}")).expect(200).json()
    }

    /// The events of the job, oldest first.
    pub fn events(&self, id: &str) -> Vec<Value> {
        let page = self.client().get(&format!("/ledger/jobs/{id}/events?limit=1000")).expect(200).json();
        page["events"].as_array().unwrap().clone()
    }
}
