//! A mirror: the published files of a log, in a folder with the paths of the routes, and files that an auditor kept from earlier.

use std::fs;
use std::path::{Path, PathBuf};

use jobledger::access::Role;
use jobledger::ledger::identity;
use jobledger::log::Reader;
use jobledger::tree::{Checkpoint, Size, Tile, TileKind, VerifierKey};
use tempfile::TempDir;

use crate::support::{Client, TestServer};

/// The folder that `verify.go` and `root.py` read.
pub struct Mirror(TempDir);

impl Mirror {
    pub fn new() -> Mirror {
        Mirror(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// The newest checkpoint, without a check of its signature.
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint::claimed(&fs::read_to_string(self.file("checkpoint")).unwrap()).unwrap()
    }

    /// Puts a file into the mirror.
    pub fn keep(&self, name: &str, bytes: &[u8]) {
        let path = self.file(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Changes a file of the mirror.
    pub fn change(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = fs::read(self.file(name)).unwrap();
        change(&mut bytes);
        self.keep(name, &bytes);
    }

    /// Fetches the newest checkpoint, and the tiles of its tree that the mirror lacks, because tiles never change. A file that the
    /// server refuses stays missing, and a verifier that needs it cannot verify. Returns the size of the tree.
    #[track_caller]
    pub fn fetch(&self, from: &Client) -> u64 {
        self.get(from, "checkpoint", "checkpoint");
        let size = self.checkpoint().head.size;
        for tile in tiles(size).map(|tile| tile.to_string()) {
            if !self.file(&tile).exists() {
                let answer = from.get(&format!("/ledger/{tile}"));
                if answer.status == 200 {
                    self.keep(&tile, &answer.body);
                }
            }
        }
        size.get()
    }

    /// Fetches the receipt of an event under the newest checkpoint.
    pub fn fetch_receipt(&self, from: &Client, position: u64) {
        let name = format!("receipts/{position}-of-{}", self.checkpoint().head.size);
        self.get(from, &format!("events/{position}/proof"), &name);
    }

    /// Fetches the proof that the log of `new` events begins with that of `old`.
    pub fn fetch_consistency(&self, from: &Client, old: u64, new: u64) {
        self.get(from, &format!("consistency?from={old}&to={new}"), &format!("consistency/{old}-{new}"));
    }

    #[track_caller]
    fn get(&self, from: &Client, path: &str, name: &str) {
        self.keep(name, &from.get(&format!("/ledger/{path}")).expect(200).body);
    }

    /// Keeps the newest checkpoint for later.
    pub fn hold(&self) {
        let held = fs::read(self.file("checkpoint")).unwrap();
        self.keep(&format!("held/{}", self.checkpoint().head.size), &held);
    }
}

/// Every tile of a tree: tiles of hashes and tiles of entries.
pub fn tiles(size: Size) -> impl Iterator<Item = Tile> {
    let kinds = (0..8).map(|level| TileKind::Hashes { level }).chain([TileKind::Entries]);
    kinds.flat_map(move |kind| (0..).map_while(move |index| Tile::of(size, kind, index)))
}

/// A server's verifier key, as the operator gives it to auditors.
pub fn key(server: &TestServer) -> VerifierKey {
    let conn = Reader::open(&server.path().join("log.db")).unwrap();
    identity(&Reader::new(&conn)).unwrap().verifier_key().clone()
}

/// A server whose log grows to given sizes.
pub struct Grown {
    pub server: TestServer,
    pub auditor: Client,
    worker: Client,
    size: u64,
}

impl Grown {
    pub fn new() -> Grown {
        let server = TestServer::start();
        let (worker, auditor) = (server.client(Role::Worker), server.client(Role::Auditor));
        Grown { server, auditor, worker, size: 1 }
    }

    /// Appends events in large batches until the log has `size` events, the genesis event included. All events are alike, except for
    /// their ids: event 12 is `grant-db_reader-12`.
    pub fn to(&mut self, size: u64) {
        while self.size < size {
            let until = size.min(self.size + 1000);
            let job = format!("batch-{}", self.size);
            let events = (self.size..until).map(|position| {
                let (kind, data) = match position - self.size {
                    0 => ("job.created", r#"{"kind":"task","spec":{"job_type":"full_sync"}}"#),
                    1 => ("job.started", "{}"),
                    _ => ("job.progress", r#"{"progress":1}"#),
                };
                format!(
                    r#"{{"specversion":"1.0","source":"/tests/grants","id":"grant-db_reader-{position}","type":"{kind}","subject":"{job}","data":{data}}}"#
                )
            });
            let batch = format!("[{}]", events.collect::<Vec<_>>().join(","));
            self.worker.post("application/cloudevents-batch+json", batch.as_bytes()).expect(201);
            self.size = until;
        }
    }
}
