//! The golden log: the export of an earlier version, with checkpoints by two keys. Every later version must verify the log and restore
//! it to the same bytes. The files are never edited.

use std::fs;
use std::path::PathBuf;

use crate::support::cli::{cli, on};

fn golden(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden")).join(name)
}

/// The second key signs from its introduction at position 6 on; it stands under the signature of the first.
const SECOND: &str =
    "jobledger/05778802-cf36-430c-9450-543570895494+cf01fa4c+AQxs1l6K0JdUuaaubfEdP64N+YXTV5Bl/L4hMvYzMZPS";

#[test]
fn the_golden_log_is_verified_by_each_of_its_keys() {
    let first = fs::read_to_string(golden("vkey")).unwrap();
    let verify = |key: &str, checkpoints: &[&str]| {
        let command = cli(["verify", "export", "--vkey", key]).arg(golden("export.ndjson"));
        checkpoints.iter().fold(command, |command, name| command.arg("--since").arg(golden(name))).run()
    };
    let both = ["6.checkpoint", "12.checkpoint"];
    for key in [first.trim(), SECOND] {
        let told = verify(key, &both).expect(0).stdout;
        assert!(told.contains("LGNlPxi/7Axjuvq5rXZsqwGf3BG1kwW54mcOhv+z9nA="), "{told}");
        verify(key, &both[1..]).expect(0);
    }
    // The older checkpoint proves the first half of the log.
    verify(first.trim(), &both[..1]).expect(7);
    verify("another+4a1c2f3d+AYKUeYW9s4lRoK27EOX5ii7b0GLeKu4yfGfw0aHVySUJ", &both).expect(1);
}

#[test]
fn the_golden_log_is_restored_to_the_same_bytes_and_the_same_tree() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("copy");
    on(&data, "import", &[golden("export.ndjson").to_str().unwrap()]).expect(0);
    let again = on(&data, "export", &[]).expect(0).stdout;
    assert!(again == fs::read_to_string(golden("export.ndjson")).unwrap());
    // An imported log has no checkpoint of its own, and `verify` says so. The log contains the held checkpoints.
    let done = cli(["verify", "db", "--json"]).arg(&data).arg("--since").arg(golden("12.checkpoint")).run();
    assert_eq!(done.json_lines()[0]["report"]["held"], 1, "{}", done.stdout);
}
