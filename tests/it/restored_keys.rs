//! Backups from before a rotation of the key, opened with older and newer keys.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::cli::{cli, on};
use crate::support::exports::{append_to, small_ledger};
use crate::support::noted;

/// A ledger that was backed up, and whose key was rotated after that.
fn rotated(dir: &Path) -> (PathBuf, PathBuf, Vec<u8>) {
    let (folder, backup) = (small_ledger(dir), dir.join("backup"));
    on(&folder, "backup", &[backup.to_str().unwrap()]).expect(0);
    let own = fs::read(folder.join("ledger.key")).unwrap();
    on(&folder, "key rotate", &[]).expect(0);
    (folder, backup, own)
}

fn takes_writes(folder: &Path) {
    append_to(folder, &noted("a", "on"), &[]);
    let key = on(folder, "key show", &[]).expect(0).stdout;
    cli(["verify", "db", "--vkey", key.lines().next().unwrap()]).arg(folder).run().expect(0);
}

#[test]
fn a_backup_opens_with_its_own_key() {
    let dir = tempfile::tempdir().unwrap();
    let (_, backup, own) = rotated(dir.path());
    fs::write(backup.join("ledger.key"), own).unwrap();
    takes_writes(&backup);
}

#[test]
fn a_backup_opens_with_the_keys_of_today_its_own_being_the_previous_one() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, backup, own) = rotated(dir.path());
    for name in ["ledger.key", "ledger.key.previous"] {
        fs::copy(folder.join(name), backup.join(name)).unwrap();
    }
    assert_eq!(fs::read(backup.join("ledger.key.previous")).unwrap(), own);
    takes_writes(&backup);
    // A rotation in the backup keeps both its own key and the key of the rotation that the backup does not know.
    let unknown = fs::read(backup.join("ledger.key")).unwrap();
    on(&backup, "key rotate", &[]).expect(0);
    assert_eq!(fs::read(backup.join("ledger.key.previous")).unwrap(), own);
    let files = fs::read_dir(&backup).unwrap().map(|file| file.unwrap().path());
    let kept = files.into_iter().find(|path| path.to_str().unwrap().contains("ledger.key.unknown-")).unwrap();
    assert_eq!(fs::read(kept).unwrap(), unknown);
    takes_writes(&backup);
}

#[test]
fn a_backup_between_two_rotations_opens_with_either_place_of_its_key() {
    let dir = tempfile::tempdir().unwrap();
    let folder = small_ledger(dir.path());
    on(&folder, "key rotate", &[]).expect(0);
    let backup = dir.path().join("backup");
    on(&folder, "backup", &[backup.to_str().unwrap()]).expect(0);
    let (own, first) = (folder.join("ledger.key"), folder.join("ledger.key.previous"));
    for name in ["its own keys", "the key alone"] {
        let copy = dir.path().join(name);
        fs::create_dir(&copy).unwrap();
        fs::copy(backup.join("log.db"), copy.join("log.db")).unwrap();
        fs::copy(&own, copy.join("ledger.key")).unwrap();
        if name == "its own keys" {
            fs::copy(&first, copy.join("ledger.key.previous")).unwrap();
        }
        takes_writes(&copy);
    }
    fs::remove_file(&first).unwrap();
    on(&folder, "key rotate", &[]).expect(0);
    for name in ["ledger.key", "ledger.key.previous"] {
        fs::copy(folder.join(name), backup.join(name)).unwrap();
    }
    takes_writes(&backup);
}

#[test]
fn the_key_of_a_rotation_that_the_log_does_not_know_is_told_apart_from_a_foreign_one() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, backup, _) = rotated(dir.path());
    fs::copy(folder.join("ledger.key"), backup.join("ledger.key")).unwrap();
    let append = cli(["append", "-", "--data"]).arg(&backup);
    append.run_with(noted("a", "x").to_string()).refused(1, &["read-only", "a rotation that came later", "recover"]);
}
