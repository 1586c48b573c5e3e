//! Commands that only read, in a folder where SQLite cannot write: as another user, or on read-only media.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::support::cli::{Done, Serving, cli, on, token};
use crate::support::exports::{append_to, small_ledger};
use crate::support::noted;

/// A folder that another user may read and only root may write, and how that user runs commands.
struct Media {
    folder: PathBuf,
    program: PathBuf,
    dir: tempfile::TempDir,
}

/// Where files of the other user go.
const OUT: &str = "out";

impl Media {
    /// A copy of the files of `folder` for whose names `are_there` returns true.
    fn of(folder: &Path, are_there: impl Fn(&str) -> bool) -> Media {
        let dir = tempfile::tempdir().unwrap();
        let media = Media { folder: dir.path().join("media"), program: dir.path().join("jobledger"), dir };
        fs::create_dir(&media.folder).unwrap();
        fs::create_dir(media.out()).unwrap();
        for file in fs::read_dir(folder).unwrap().map(Result::unwrap).filter(|file| file.path().is_file()) {
            if are_there(file.file_name().to_str().unwrap()) {
                fs::copy(file.path(), media.folder.join(file.file_name())).unwrap();
                set(&media.folder.join(file.file_name()), 0o444);
            }
        }
        fs::copy(env!("CARGO_BIN_EXE_jobledger"), &media.program).unwrap();
        set(&media.folder, 0o555);
        set(&media.out(), 0o777);
        set(media.dir.path(), 0o755);
        media
    }

    fn out(&self) -> PathBuf {
        self.dir.path().join(OUT)
    }

    fn run(&self, command: &str, more: &[&str]) -> Done {
        let run = cli(command.split(' ')).by_other_user(&self.program);
        let run = if command == "verify db" { run.arg(&self.folder) } else { run.arg("--data").arg(&self.folder) };
        run.args(more).run()
    }

    /// Checks that every command that only reads prints the same as for the owner of `original`, and changes no file.
    fn is_read_as(&self, original: &Path) {
        let before = names(&self.folder);
        let key = on(original, "key show", &[]).expect(0).stdout;
        assert_eq!(self.run("key show", &[]).expect(0).stdout, key);
        let verified = self.run("verify db", &["--vkey", key.trim_end()]).expect(0).stdout;
        assert!(!verified.contains("the views, which"), "{verified}");
        for (command, more) in [("export", &[][..]), ("replay", &["a"]), ("token list", &[])] {
            assert_eq!(self.run(command, more).expect(0).stdout, on(original, command, more).expect(0).stdout);
        }
        let out = |name: &str| self.out().join(name).to_str().unwrap().to_owned();
        self.run("evidence", &["a", "-o", &out("bundle")]).expect(0);
        cli(["verify", "bundle", "--vkey", key.trim_end(), &out("bundle")]).run().expect(0);
        self.run("backup", &[&out("backup")]).expect(0);
        let copy = self.out().join("backup");
        assert_eq!(on(&copy, "export", &[]).expect(0).stdout, on(original, "export", &[]).expect(0).stdout);
        // A server does not start in this folder, and says so.
        let serve = self.run("serve", &["--listen", "127.0.0.1:0"]);
        serve.refused(2, &["cannot write in", "media"]);
        assert_eq!(names(&self.folder), before);
    }
}

impl Drop for Media {
    fn drop(&mut self) {
        set(&self.folder, 0o755);
    }
}

fn set(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A ledger with tokens, after a clean end or, if `killed`, after its server was killed.
fn ledger(dir: &Path, killed: bool) -> PathBuf {
    let folder = small_ledger(dir);
    let worker = token(&folder, "worker");
    let server = Serving::start(&folder);
    let worker = server.client(&worker);
    worker.append(&noted("a", "in the WAL")).expect(201);
    // This read waits until the views show the event.
    worker.get("/ledger/jobs/a").expect(200);
    match killed {
        true => drop(server.end("KILL")),
        false => drop(server.end("TERM").expect(0)),
    }
    folder
}

#[test]
fn a_ledger_without_a_wal_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let folder = ledger(dir.path(), false);
    for media in [Media::of(&folder, |name| name.ends_with(".db")), Media::of(&folder, |name| name.contains(".db"))] {
        media.is_read_as(&folder);
    }
}

#[test]
fn a_ledger_with_a_wal_is_read_with_the_newest_events() {
    let dir = tempfile::tempdir().unwrap();
    let folder = ledger(dir.path(), true);
    // With and without `log.db-shm`, which a copy to other media lacks.
    let media = [Media::of(&folder, |name| name.contains(".db")), Media::of(&folder, |name| !name.ends_with("-shm"))];
    // A read by the owner may copy the WAL back, so the test makes the media first.
    for media in media {
        assert!(media.folder.join("log.db-wal").metadata().unwrap().len() > 0);
        media.is_read_as(&folder);
    }
}

#[test]
fn a_ledger_that_a_server_writes_is_read_by_another_user() {
    let dir = tempfile::tempdir().unwrap();
    let folder = ledger(dir.path(), false);
    let media = Media::of(&folder, |_| false);
    let server = Serving::start(&folder);
    server.client(&token(&folder, "auditor")).get("/ledger/jobs/a").expect(200);
    // The owner lets others read.
    set(dir.path(), 0o755);
    set(&folder, 0o755);
    for name in names(&folder).iter().filter(|name| name.contains(".db")) {
        set(&folder.join(name), 0o644);
    }
    let read = |command: &str, more: &[&str]| {
        cli(command.split(' ')).by_other_user(&media.program).arg("--data").arg(&folder).args(more).run()
    };
    for (command, more) in [("export", &[][..]), ("replay", &["a"]), ("token list", &[]), ("key show", &[])] {
        assert_eq!(read(command, more).expect(0).stdout, on(&folder, command, more).expect(0).stdout);
    }
    server.end("TERM").expect(0);
}

#[test]
fn a_command_that_would_have_to_write_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let folder = ledger(dir.path(), true);
    let media = Media::of(&folder, |name| name.contains(".db"));
    // SQLite cannot open this file without writing, because a server may have it open.
    set(&media.folder.join("log.db-shm"), 0o000);
    media.run("export", &[]).refused(2, &["log.db", "as the user that the ledger belongs to", "copy `log.db`"]);
    append_to(&folder, &noted("a", "the owner goes on"), &[]);
}
