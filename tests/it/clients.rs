//! The Python client passes its own tests, and the examples report what they did. `client_rust.rs` tests the client in Rust.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::cli::{Serving, token};
use crate::support::shell::{lacking, said};
use crate::support::skipped;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A command that finds the Python client, and gets no other variables of the test's process than `PATH`.
fn command(program: impl Into<PathBuf>) -> Command {
    let mut command = Command::new(program.into());
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    command.env("PYTHONPATH", root().join("clients/python")).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

#[track_caller]
fn succeeded(output: Output) -> String {
    assert!(output.status.success(), "{}{}", said(&output), String::from_utf8_lossy(&output.stderr));
    said(&output)
}

/// A ledger with a token for a worker.
struct Ledger {
    dir: tempfile::TempDir,
    server: Serving,
    token: String,
}

impl Ledger {
    fn start() -> Ledger {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("ledger");
        let server = Serving::start(&folder);
        let token = token(&folder, "worker");
        Ledger { dir, server, token }
    }

    /// Runs a worker in a temporary folder, and returns what it printed.
    fn run(&self, mut worker: Command) -> String {
        let worker = worker.env("JOBLEDGER_URL", &self.server.url).env("JOBLEDGER_TOKEN", &self.token);
        succeeded(worker.current_dir(self.dir.path()).output().unwrap())
    }

    fn read(&self, path: &str) -> Value {
        self.server.client(&self.token).get(path).expect(200).json()
    }

    /// Fails unless the import that printed `printed` is recorded, and its people are in the SQLite file.
    #[track_caller]
    fn expect_import(&self, printed: &str) {
        let job = printed.trim_end().rsplit('/').next().unwrap();
        let shown = self.read(&format!("/ledger/jobs/{job}"));
        let counts = [&shown["records_processed"], &shown["total_records"], &shown["records_created"]];
        assert_eq!(counts, [1000, 1000, 999], "{shown}");
        assert_eq!((&shown["status"], &shown["progress"]), (&json!("completed"), &json!(100)), "{shown}");
        let items = shown["items"].as_array().unwrap();
        assert_eq!(items.len(), 1, "{shown}");
        let item = [&items[0]["item"], &items[0]["status"], &items[0]["message"]];
        assert_eq!(item, ["person-617", "failed", "no e-mail address"]);
        let output = "people.csv has 1000 records\n999 of 1000 records are in people.db\n";
        assert_eq!(shown["hook"]["output"], output);
        let people = Connection::open(self.dir.path().join("people.db")).unwrap();
        let count: i64 = people.query_row("SELECT count(*) FROM person", [], |row| row.get(0)).unwrap();
        assert_eq!(count, 999);
    }
}

#[test]
fn the_python_client_passes_its_tests() {
    if let Some(tool) = lacking(&["python3", "openssl"]) {
        return skipped(tool);
    }
    let mut tests = command("python3");
    tests.arg(root().join("clients/python/test_jobledger.py"));
    succeeded(tests.env("JOBLEDGER_TEST_PROGRAM", env!("CARGO_BIN_EXE_jobledger")).output().unwrap());
}

#[test]
fn the_python_client_has_the_version_of_the_ledger() {
    let project = fs::read_to_string(root().join("clients/python/pyproject.toml")).unwrap();
    assert!(project.contains(&format!("\nversion = \"{}\"\n", env!("CARGO_PKG_VERSION"))), "{project}");
}

#[test]
fn the_import_in_python_is_recorded() {
    if let Some(tool) = lacking(&["python3"]) {
        return skipped(tool);
    }
    let ledger = Ledger::start();
    let mut import = command("python3");
    import.arg(root().join("examples/import.py")).args(["people.csv", "people.db"]);
    ledger.expect_import(&ledger.run(import));
}

#[test]
fn the_import_in_shell_is_recorded() {
    if let Some(tool) = lacking(&["curl", "sqlite3"]) {
        return skipped(tool);
    }
    let ledger = Ledger::start();
    let mut import = command(root().join("examples/import.sh"));
    import.args(["people.csv", "people.db"]);
    ledger.expect_import(&ledger.run(import));
}

#[test]
fn the_import_in_rust_is_recorded() {
    let ledger = Ledger::start();
    // `cargo test` builds the examples beside the folder of this test's program; `cargo test --test it` does not.
    let test = std::env::current_exe().unwrap();
    let program = test.parent().unwrap().with_file_name("examples").join("import");
    assert!(program.exists(), "run `cargo build --example import` first");
    let mut import = command(program);
    import.args(["people.csv", "people.db"]);
    ledger.expect_import(&ledger.run(import));
}

#[test]
fn the_worker_of_the_guide_is_recorded() {
    if let Some(tool) = lacking(&["python3"]) {
        return skipped(tool);
    }
    let page = fs::read_to_string(root().join("docs/guide/worker.md")).unwrap();
    let worker = page.split_once("```python\n").unwrap().1.split_once("```").unwrap().0;
    assert_eq!(worker.lines().filter(|line| !line.is_empty()).count(), 10, "the guide promises ten lines");
    let ledger = Ledger::start();
    let mut python = command("python3");
    python.args(["-c", worker]);
    assert_eq!(ledger.run(python), "");
    let jobs = ledger.read("/ledger/jobs");
    let job = &jobs["jobs"][0];
    assert_eq!((&job["status"], &job["records_processed"]), (&json!("completed"), &json!(3)), "{jobs}");
}
