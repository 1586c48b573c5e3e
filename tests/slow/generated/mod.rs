//! Clients that common generators make from the API description, used against a running server.

use std::path::{Path, PathBuf};
use std::process::Command;

use jobledger::access::Role;

use crate::python::python;
use crate::support::{TestServer, skipped};

const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/slow/generated");
/// The variable that names a Python with the packages of `requirements.txt`.
const PYTHON: &str = "JOBLEDGER_TEST_GENERATORS";

/// The folder with the generators' programs. If one is missing, says so on stderr and returns `None`.
fn generators() -> Option<PathBuf> {
    let python = python(PYTHON, "generators");
    let has = Command::new(&python)
        .args(["-c", "import openapi_generator_cli, openapi_python_client, dateutil, urllib3"])
        .output();
    let java = Command::new("java").arg("-version").output();
    if java.is_err() || !has.is_ok_and(|has| has.status.success()) {
        skipped("java, and a Python in target/generators with tests/slow/generated/requirements.txt");
        return None;
    }
    python.parent().map(Path::to_owned)
}

#[track_caller]
fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success(), "{command:?}: {}", said.concat());
}

#[test]
fn generated_clients_append_read_cancel_and_page() {
    let Some(programs) = generators() else { return };
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    let dir = tempfile::tempdir().unwrap();
    let description = dir.path().join("openapi.json");
    std::fs::write(&description, server.anonymous().get("/openapi.json").expect(200).body).unwrap();

    let mut one = Command::new(programs.join("openapi-python-client"));
    one.args(["generate", "--meta", "none", "--path"]).arg(&description);
    // The client is formatted by a program that lies beside the generator.
    let path = std::env::join_paths(
        [programs.clone()].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    run(one.arg("--output-path").arg(dir.path().join("one")).env("PATH", path.unwrap()));
    let mut other = Command::new(programs.join("openapi-generator-cli"));
    other.args(["generate", "--generator-name", "python", "--package-name", "other", "--input-spec"]).arg(&description);
    run(other.arg("--output").arg(dir.path()));

    let mut clients = Command::new(programs.join("python"));
    clients.arg(format!("{HERE}/clients.py")).args([&server.url, admin.token.as_ref().unwrap()]);
    run(clients.env("PYTHONPATH", dir.path()));
    assert_eq!(admin.head(), 2 * 12, "each client appended its events once");
}
