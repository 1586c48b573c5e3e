//! Only the owner may read and write a ledger's files, under any umask.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::support::cli::{Serving, cli, token};
use crate::support::exports::small_ledger;
use crate::support::{noted, task_job};

/// Runs `jobledger` in a shell whose umask lets every user read.
fn openly(args: &[&str]) -> String {
    let mut command = Command::new("sh");
    command.args(["-c", "umask 022; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_jobledger")]).args(args).env_clear();
    let done = command.output().unwrap();
    assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

/// Everything below `path`, itself included.
fn all(path: &Path) -> Vec<PathBuf> {
    let below = fs::read_dir(path).into_iter().flatten().flat_map(|entry| all(&entry.unwrap().path()));
    std::iter::once(path.to_owned()).chain(below).collect()
}

/// The files below `path` that other users may read, write or run, with their modes.
fn open_to_others(path: &Path) -> Vec<(String, u32)> {
    let modes = all(path).into_iter().map(|path| (path.display().to_string(), mode(&path)));
    modes.filter(|(_, mode)| mode & 0o077 != 0).collect()
}

#[test]
fn every_command_makes_private_files() {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let [data, copy, restored, events, export, bundle] =
        ["made/data", "copies/backup", "restored", "events", "export", "bundle"].map(|name| {
            let path = dir.path().join(name);
            path.to_str().unwrap().to_owned()
        });
    fs::write(&events, json!([task_job("a"), noted("a", "x")]).to_string()).unwrap();
    fs::set_permissions(&events, fs::Permissions::from_mode(0o600)).unwrap();
    openly(&["token", "create", "--name", "w", "--role", "worker", "--data", &data]);
    openly(&["append", &events, "--create", "--data", &data]);
    openly(&["key", "rotate", "--data", &data]);
    openly(&["backup", &copy, "--data", &data]);
    openly(&["recover", "--data", &copy]);
    openly(&["export", "-o", &export, "--data", &data]);
    openly(&["evidence", "a", "-o", &bundle, "--data", &data]);
    openly(&["import", &export, "--data", &restored]);
    openly(&["rebuild", "--data", &data]);
    assert_eq!(open_to_others(dir.path()), []);
}

#[test]
fn a_server_makes_private_files_in_an_open_folder() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).unwrap();
    let server = Serving::start(&data);
    server.client(&token(&data, "worker")).append(&task_job("a")).expect(201);
    assert!(data.join("log.db-wal").exists());
    assert_eq!(open_to_others(&data), []);
    server.end("TERM").expect(0);
    assert_eq!(open_to_others(&data), []);
}

#[test]
fn the_next_start_makes_the_files_of_an_older_ledger_private_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let data = small_ledger(dir.path());
    token(&data, "worker");
    for path in all(&data) {
        let open = if path.is_dir() { 0o755 } else { 0o644 };
        fs::set_permissions(&path, fs::Permissions::from_mode(open)).unwrap();
    }
    // The ledger does not change a file that is not its own.
    let other = data.join("notes.txt");
    fs::write(&other, "x").unwrap();
    fs::set_permissions(&other, fs::Permissions::from_mode(0o644)).unwrap();
    let serve = || Serving::of(cli(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&data)).end("TERM").expect(0);
    let said = serve().stderr;
    assert!(said.contains("other users could read the folder") && said.contains("755"), "{said}");
    assert_eq!(open_to_others(&data), [(other.display().to_string(), 0o644)]);
    let said = serve().stderr;
    assert!(!said.contains("other users"), "{said}");
}
