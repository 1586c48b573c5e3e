//! Changes of `log.db` by an insider, and the verifiers that find each. Our verifiers check the folder, its export, a server on it and
//! the bundle of a job. Other projects' verifiers check the files that the server publishes.

use std::fs;
use std::path::{Path, PathBuf};

use jobledger::access::Role;
use jobledger::tree::{Checkpoint, Hash, SigningKey, leaf_hash};
use rusqlite::Connection;
use tempfile::TempDir;

use super::mirror::Mirror;
use super::tools::{Tools, tools};
use crate::support::cli::{cli, on};
use crate::support::insider::{Log, copied, log, open, regrow, replaced};
use crate::support::rows::{FOLLOW_THE_CUT, leaves, seal};
use crate::support::shell::lacking;
use crate::support::{Client, TestServer, bundles, noted, skipped};

/// A changed folder, a server on it, the files fetched from the server, and the key and checkpoint that an auditor has.
struct Case<'t> {
    folder: TempDir,
    server: TestServer,
    auditor: Client,
    mirror: Mirror,
    key: String,
    held: PathBuf,
    tools: &'t Tools,
}

type Verifier = fn(&Case<'_>) -> i32;

/// Every verifier, with the function that runs it: the columns of the table below.
const VERIFIERS: [(&str, Verifier); 7] = [
    ("verify db", database),
    ("verify export", export),
    ("verify url", url),
    ("verify.go", go),
    ("root.py", python),
    ("verify bundle", bundle),
    ("verify.py", script),
];

fn database(case: &Case<'_>) -> i32 {
    let verify = cli(["verify", "db", "--vkey", &case.key]).arg(case.folder.path());
    verify.arg("--since").arg(&case.held).run().code
}

fn export(case: &Case<'_>) -> i32 {
    let file = case.mirror.file("export.ndjson");
    on(case.folder.path(), "export", &["-o", file.to_str().unwrap()]).expect(0);
    let verify = cli(["verify", "export", "--vkey", &case.key]).arg(file);
    verify.arg("--since").arg(case.mirror.file("checkpoint")).arg("--since").arg(&case.held).run().code
}

fn url(case: &Case<'_>) -> i32 {
    let token = case.auditor.token.as_deref().unwrap();
    let verify = cli(["verify", "url", &case.server.url, "--token", token, "--vkey", &case.key]);
    verify.arg("--since").arg(&case.held).run().code
}

fn go(case: &Case<'_>) -> i32 {
    case.tools.go(case.mirror.path(), &case.key).code
}

fn python(case: &Case<'_>) -> i32 {
    case.tools.python(case.mirror.path(), &case.key).code
}

/// The bundle of job `a`. If the server cannot make it, the file is missing, and a verifier exits with 2.
fn evidence(case: &Case<'_>) -> PathBuf {
    let answer = case.auditor.get("/ledger/jobs/a/evidence?org=00000000-0000-0000-0000-000000000000");
    case.mirror.keep("a.tar", if answer.status == 200 { &answer.body } else { b"" });
    case.mirror.file("a.tar")
}

fn bundle(case: &Case<'_>) -> i32 {
    bundles::verify(&evidence(case), &["--vkey", &case.key]).code
}

/// Runs `verify.py`, which is part of each bundle.
fn script(case: &Case<'_>) -> i32 {
    bundles::python(&evidence(case), &["--vkey", &case.key]).expect("a Python and openssl").code
}

/// A change: its description, the exit code of each verifier in their order (0 if it cannot find the change), and the code that makes
/// it.
struct Row {
    what: &'static str,
    codes: [i32; VERIFIERS.len()],
    change: Box<dyn FnOnce(&Path)>,
}

fn row(what: &'static str, codes: [i32; VERIFIERS.len()], change: impl FnOnce(&Path) + 'static) -> Row {
    Row { what, codes, change: Box::new(change) }
}

/// A change by SQL alone.
fn sql(what: &'static str, codes: [i32; VERIFIERS.len()], sql: impl Into<String>) -> Row {
    let sql = sql.into();
    row(what, codes, move |folder| open(folder).execute_batch(&sql).unwrap())
}

/// A change by SQL, after which the nodes are made again, as an insider who knows the format does.
fn clever(what: &'static str, codes: [i32; VERIFIERS.len()], sql: impl Into<String>) -> Row {
    let sql = sql.into();
    row(what, codes, move |folder| {
        let conn = open(folder);
        conn.execute_batch(&sql).unwrap();
        regrow(&conn);
    })
}

/// A change of the newest checkpoint.
fn checkpoint(what: &'static str, codes: [i32; VERIFIERS.len()], change: fn(&str) -> String) -> Row {
    row(what, codes, move |folder| newest(&open(folder), change))
}

fn newest(conn: &Connection, change: impl FnOnce(&str) -> String) {
    let sql = "SELECT note FROM checkpoint WHERE size = 7";
    let note: Vec<u8> = conn.query_row(sql, [], |row| row.get(0)).unwrap();
    let changed = change(std::str::from_utf8(&note).unwrap());
    conn.execute("UPDATE checkpoint SET note = ?1 WHERE size = 7", [changed.as_bytes()]).unwrap();
}

/// The content of a checkpoint.
fn said(note: &str) -> Checkpoint {
    Checkpoint::claimed(note).unwrap()
}

/// Another root under the same signature.
fn with_root(note: &str, root: &Hash) -> String {
    note.replace(&said(note).head.root.to_string(), &root.to_string())
}

/// A change of one bit in a column of event 4. In data and leaf the bit is inside a text, which stays valid.
fn bit(what: &'static str, codes: [i32; VERIFIERS.len()], column: &'static str) -> Row {
    row(what, codes, move |folder| {
        let conn = open(folder);
        let sql = format!("SELECT {column} FROM event WHERE position = 4");
        let mut bytes: Vec<u8> = conn.query_row(&sql, [], |row| row.get(0)).unwrap();
        let at = bytes.len() - 3;
        bytes[at] ^= 1;
        conn.execute(&format!("UPDATE event SET {column} = ?1 WHERE position = 4"), [bytes]).unwrap();
    })
}

/// SQL that exchanges these columns of the events 4 and 5.
fn swapped(columns: &[&str]) -> String {
    let set = columns.iter().map(|c| format!("{c} = (SELECT {c} FROM was WHERE was.position = 9 - event.position)"));
    let set = set.collect::<Vec<_>>().join(", ");
    format!("CREATE TEMP TABLE was AS SELECT * FROM event; UPDATE event SET {set} WHERE position IN (4, 5)")
}

/// SQL that inserts an event at `position`, which must be free: a copy of the event before it.
fn inserted(position: u32) -> String {
    let (before, columns) = (position - 1, "source, 'forged', type, version, kind, recorded, leaf, salt, data");
    let copy = format!("SELECT {position}, org, job, {before}, {columns} FROM event WHERE position = {before}");
    let (was, is) = (format!("\"position\":\"{before}\""), format!("\"position\":\"{position}\""));
    format!("INSERT INTO event {copy}; {}", replaced("leaf", &was, &is, position))
}

fn without_views(folder: &Path) {
    fs::remove_file(folder.join("views.db")).unwrap();
}

fn views(what: &'static str, codes: [i32; VERIFIERS.len()], sql: &'static str) -> Row {
    row(what, codes, move |folder| Connection::open(folder.join("views.db")).unwrap().execute_batch(sql).unwrap())
}

/// The table. The log has `a` at 1, 2, 4, 6 and `b` at 3, 5. Event 4 is a note by `worker`.
#[rustfmt::skip]
fn rows() -> Vec<Row> {
    let typed = || replaced("leaf", "job.noted", "job.faked", 4);
    let time = || replaced("leaf", "\"time\":\"20", "\"time\":\"19", 4);
    let actor = || replaced("leaf", "\"actor\":\"worker\"", "\"actor\":\"nobody\"", 4);
    let position = || replaced("leaf", "\"position\":\"4\"", "\"position\":\"9\"", 4);
    let job = || replaced("leaf", "\"subject\":\"a\"", "\"subject\":\"b\"", 4);
    vec![
        // 2: the server makes no bundle of what contradicts itself, or what it made has not the form of one.
        //                                        db, export, url, Go, root.py, bundle, verify.py
        sql("nothing",                                  [0, 0, 0, 0, 0, 0, 0], ""),
        // Data and salt are in no tile.
        bit("a bit of the data",                        [3, 3, 3, 0, 0, 3, 3], "data"),
        bit("a bit of the salt",                        [3, 3, 3, 0, 0, 3, 3], "salt"),
        sql("the data is gone",                         [6, 6, 6, 0, 0, 2, 2], "UPDATE event SET data = NULL, salt = NULL WHERE position = 4"),
        bit("a bit of the leaf",                        [3, 3, 3, 3, 3, 3, 3], "leaf"),
        sql("the type",                                 [3, 3, 3, 3, 3, 2, 2], typed()),
        sql("the time",                                 [3, 3, 3, 3, 3, 3, 3], time()),
        sql("the actor",                                [3, 3, 3, 3, 3, 3, 3], actor()),
        sql("the position",                             [3, 3, 3, 3, 3, 2, 2], position()),
        sql("the job",                                  [3, 3, 3, 3, 3, 3, 3], job()),
        clever("the type, nodes made again",            [3, 3, 3, 3, 3, 2, 2], typed()),
        clever("the time, nodes made again",            [3, 3, 3, 3, 3, 3, 3], time()),
        clever("the actor, nodes made again",           [3, 3, 3, 3, 3, 3, 3], actor()),
        clever("the position, nodes made again",        [3, 3, 3, 3, 3, 3, 3], position()),
        clever("the job, nodes made again",             [3, 3, 3, 3, 3, 3, 3], job()),
        row("the actor, nodes and signed root to fit",  [3, 3, 3, 4, 4, 4, 4], move |folder| {
            let conn = open(folder);
            conn.execute_batch(&actor()).unwrap();
            let head = regrow(&conn);
            newest(&conn, |note| with_root(note, &head.root));
        }),
        row("an entry and its tile together",           [3, 3, 3, 3, 3, 3, 3], move |folder| {
            let conn = open(folder);
            conn.execute_batch(&actor()).unwrap();
            let sql = "UPDATE node SET hash = ?1 WHERE level = 0 AND idx = 4";
            conn.execute(sql, [leaf_hash(&leaves(&conn)[4]).as_bytes()]).unwrap();
        }),
        sql("a node that is in a tile",                 [3, 0, 3, 3, 0, 0, 0], "UPDATE node SET hash = zeroblob(32) WHERE level = 0 AND idx = 2"),
        sql("a node that is in none",                   [3, 0, 0, 0, 0, 3, 3], "UPDATE node SET hash = zeroblob(32) WHERE level = 1 AND idx = 0"),
        sql("two entries swapped",                      [3, 3, 3, 3, 3, 3, 3], swapped(&["leaf"])),
        clever("two events swapped, nodes made again",  [3, 3, 3, 3, 3, 3, 3], swapped(&["leaf", "salt", "data"])),
        // Its bundle has an entry too few: it cannot be read, or is no bundle.
        sql("one deleted",                              [3, 3, 2, 2, 2, 0, 0], "DELETE FROM event WHERE position = 3"),
        clever("one deleted, the rest moved up",        [3, 3, 3, 3, 3, 3, 3],
            format!("DELETE FROM event WHERE position = 5; UPDATE event SET position = 5 WHERE position = 6; \
                     DELETE FROM checkpoint WHERE size = 7; {FOLLOW_THE_CUT}")),
        // Behind the newest checkpoint nothing is served, so no client can be shown it.
        clever("one inserted at the end",               [3, 3, 0, 0, 0, 0, 0], inserted(7)),
        clever("one inserted, the rest moved down",     [3, 3, 3, 3, 3, 3, 3],
            format!("UPDATE event SET position = 7 WHERE position = 6; {}", inserted(6))),
        checkpoint("a bit of the signature",            [4, 4, 4, 4, 4, 4, 4], |note| {
            let at = note.len() - 20;
            let other = if note.as_bytes()[at] == b'A' { "B" } else { "A" };
            format!("{}{other}{}", &note[..at], &note[at + 1..])
        }),
        checkpoint("a bit of the signed root",          [4, 4, 4, 4, 4, 3, 3], |note| {
            let mut root = said(note).head.root;
            root.0[0] ^= 1;
            with_root(note, &root)
        }),
        checkpoint("signed with a foreign key",         [4, 4, 4, 4, 4, 4, 4], |note| {
            let checkpoint = said(note);
            checkpoint.sign(&[&SigningKey::from_seed(&checkpoint.origin, &[7; 32]).unwrap()]).unwrap()
        }),
        checkpoint("a checkpoint of another origin",    [4, 5, 4, 4, 4, 4, 4], |note| {
            let checkpoint = Checkpoint { origin: "jobledger/strange".into(), ..said(note) };
            checkpoint.sign(&[&SigningKey::from_seed("jobledger/strange", &[7; 32]).unwrap()]).unwrap()
        }),
        row("the tail cut, with all that tells of it",  [5, 5, 5, 5, 5, 0, 0], |folder| {
            open(folder).execute_batch("DELETE FROM event WHERE position > 4; DELETE FROM node WHERE number > 7;
                DELETE FROM checkpoint WHERE size > 5").unwrap();
            open(folder).execute_batch(FOLLOW_THE_CUT).unwrap();
            without_views(folder);
        }),
        // By an insider with the key: only a checkpoint held outside tells.
        row("written anew, signed with the log's key",  [5, 3, 5, 5, 5, 0, 0], move |folder| {
            let conn = open(folder);
            conn.execute_batch(&actor()).unwrap();
            conn.execute_batch("DELETE FROM node; DELETE FROM checkpoint").unwrap();
            seal(&conn, folder);
            without_views(folder);
        }),
        row("another log in its place",                 [4, 4, 4, 4, 4, 4, 4], |folder| {
            let other = log();
            for file in ["log.db", "views.db", "ledger.key"] {
                fs::copy(other.data().join(file), folder.join(file)).unwrap();
            }
        }),
        // Views prove nothing, and are never given away as a proof.
        views("another message in the views",           [3, 0, 0, 0, 0, 0, 0], "UPDATE job SET message = 'x'"),
        views("a remark less in the views",             [3, 0, 0, 0, 0, 0, 0], "DELETE FROM note"),
    ]
}

/// The tools that the verifiers of all columns need; `None` if this machine lacks one.
fn all_tools() -> Option<&'static Tools> {
    match lacking(&["python3", "openssl"]) {
        Some(tool) => {
            skipped(tool);
            None
        }
        None => tools(),
    }
}

/// The exit code of every verifier for a folder after `change`. The auditor holds the checkpoint `held`.
fn judged(tools: &Tools, log: &Log, held: &Path, change: impl FnOnce(&Path)) -> [i32; VERIFIERS.len()] {
    let folder = log.copy(change);
    // A server may make the views again: it gets a copy of its own.
    let served = copied(folder.path());
    let server = TestServer::on(served.path(), jobledger::ledger::system_clock());
    let (auditor, mirror) = (server.client(Role::Auditor), Mirror::new());
    mirror.fetch(&auditor);
    mirror.keep("held/newest", &fs::read(held).unwrap());
    let case = Case { folder, server, auditor, mirror, key: log.key.clone(), held: held.to_owned(), tools };
    VERIFIERS.map(|(_, verifier)| verifier(&case))
}

#[test]
fn each_change_is_seen_by_each_verifier_that_can_see_it() {
    let Some(tools) = all_tools() else { return };
    let log = log();
    let mut wrong = Vec::new();
    for Row { what, codes, change } in rows() {
        let found = judged(tools, &log, &log.newest, change);
        if found != codes {
            wrong.push(format!("{what}: expected {codes:?}, found {found:?}"));
        }
        if codes == [0; VERIFIERS.len()] && what != "nothing" {
            wrong.push(format!("{what}: no verifier sees it"));
        }
    }
    let names = VERIFIERS.map(|(name, _)| name);
    assert!(wrong.is_empty(), "exit codes of {names:?}\n{}", wrong.join("\n"));
}

#[test]
fn a_log_that_is_rolled_back_is_found_with_a_newer_checkpoint() {
    let Some(tools) = all_tools() else { return };
    let log = log();
    // The ledger went on, and an auditor has its newest checkpoint; then the file of before was put back.
    let later = log.copy(|_| {});
    let mut server = TestServer::on(later.path(), jobledger::ledger::system_clock());
    server.client(Role::Admin).append(&noted("a", "later")).expect(201);
    let newest = server.client(Role::Auditor).get("/ledger/checkpoint").expect(200).text();
    server.stop();
    let held = later.path().join("held.checkpoint");
    fs::write(&held, newest).unwrap();
    // A bundle is of one job, and `verify.py` is given no checkpoint from outside.
    assert_eq!(judged(tools, &log, &held, |_| {}), [5, 5, 5, 5, 5, 0, 0]);
    // Without it no verifier can know.
    assert_eq!(judged(tools, &log, &log.newest, |_| {}), [0; VERIFIERS.len()]);
}
