//! A disk without space, and a sync that fails.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use crate::support::cli::{Serving, cli, token};
use crate::support::{Client, event, task_job};

/// A server whose writes to `log.db-wal` fail while a trigger file is there.
struct Faulty {
    // The field order drops the server before its folder.
    server: Serving,
    client: Client,
    dir: TempDir,
    shim: PathBuf,
}

impl Faulty {
    fn start() -> Faulty {
        let dir = tempfile::tempdir().unwrap();
        let shim = compile(dir.path());
        let server = Faulty::serve(dir.path(), &shim);
        let client = server.client(&token(&dir.path().join("data"), "worker"));
        Faulty { server, client, dir, shim }
    }

    fn serve(dir: &Path, shim: &Path) -> Serving {
        let serve = cli(["serve", "--create", "--listen", "127.0.0.1:0", "--data"]).arg(dir.join("data"));
        Serving::of(serve.env("LD_PRELOAD", shim).env("FAULT_FILE", "log.db-wal").env("FAULT_DIR", dir))
    }

    fn trigger(&self, name: &str) {
        std::fs::write(self.dir.path().join(name), "").unwrap();
    }

    fn mend(&self, name: &str) {
        std::fs::remove_file(self.dir.path().join(name)).unwrap();
    }

    fn restart(&mut self) {
        self.server = Faulty::serve(self.dir.path(), &self.shim);
        self.client = self.client.at(&self.server.url);
    }
}

/// Compiles `fault/shim.c` with the C compiler that also builds SQLite.
fn compile(dir: &Path) -> PathBuf {
    let shim = dir.join("shim.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fault/shim.c");
    let done = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&shim).arg(source).arg("-ldl").status();
    assert!(done.expect("a C compiler, which SQLite needs too").success());
    shim
}

#[test]
fn a_full_disk_is_reported_and_no_answered_event_is_lost() {
    let faulty = Faulty::start();
    faulty.client.append(&task_job("a")).expect(201);
    faulty.trigger("fail-write");
    let (start, other) = (event("job.started", "a", json!({})), task_job("b"));
    for event in [&start, &other] {
        let refused = faulty.client.append(event).expect(503).json();
        assert_eq!(refused["code"], "outcome-unknown");
    }
    // Reads go on, and show what was answered and nothing else.
    assert_eq!(faulty.client.get("/ledger/jobs/a").expect(200).json()["status"], "pending");
    faulty.client.get("/ledger/jobs/b").expect(404);
    faulty.mend("fail-write");
    // Nothing of the failed commits stayed in memory: the same events follow the last durable one.
    assert_eq!(faulty.client.append(&start).expect(201).json()["position"], 2);
    assert_eq!(faulty.client.append(&other).expect(201).json()["position"], 3);
    assert_eq!(faulty.client.append(&start).expect(200).json()["position"], 2);
    assert_eq!(faulty.client.get("/ledger/jobs/a").expect(200).json()["status"], "running");
}

#[test]
fn a_failed_sync_ends_the_process_and_the_next_start_shows_the_durable_events() {
    let mut faulty = Faulty::start();
    faulty.client.append(&task_job("a")).expect(201);
    faulty.trigger("fail-sync");
    let start = event("job.started", "a", json!({}));
    assert!(faulty.client.try_append(&start).is_err(), "no answer: whether it is on the disk is not known");
    assert_eq!(faulty.server.ended().code, 2);
    faulty.mend("fail-sync");
    faulty.restart();
    faulty.client.get("/ledger/jobs/a").expect(200);
    let again = faulty.client.append(&start);
    assert!(again.status == 200 || again.status == 201, "{}", again.text());
    assert_eq!(again.json()["position"], 2);
    assert_eq!(faulty.client.get("/ledger/jobs/a").expect(200).json()["status"], "running");
}

#[test]
fn a_thread_that_panics_ends_the_process_with_its_name() {
    for name in ["writer", "projector", "anchor"] {
        let mut faulty = Faulty::start();
        faulty.client.append(&task_job("a")).expect(201);
        let started = event("job.started", "a", json!({}));
        // A failing clock makes a thread panic. The allocator asks it too and does not mind; then the trigger is set again.
        while faulty.server.is_running() {
            std::fs::write(faulty.dir.path().join("fail-clock"), name).unwrap();
            (0..50).find(|_| faulty.client.try_append(&started).is_err());
        }
        let done = faulty.server.ended().expect(2);
        assert!(done.stderr.contains(&format!("the {name} has panicked and the process ends")), "{}", done.stderr);
        let _ = std::fs::remove_file(faulty.dir.path().join("fail-clock"));
        faulty.restart();
        let again = faulty.client.append(&started);
        assert!(again.status == 200 || again.status == 201, "{}", again.text());
    }
}
