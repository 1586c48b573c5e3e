//! `jobledger verify url`: an honest server, and servers that lie.

use std::fs;
use std::path::PathBuf;

use jobledger::access::Role;
use jobledger::tree::leaf_hash;
use serde_json::json;
use tempfile::TempDir;

use crate::support::cli::{Done, Serving, cli, on, token};
use crate::support::published::{Published, tile};
use crate::support::{TestServer, completed, noted, reports, started, task_job};

/// The published files of a log of 304 events, the pinned verifier key, and two checkpoints that an auditor kept: of 4 events, and the
/// newest.
struct Log {
    published: Published,
    key: String,
    kept: PathBuf,
    newest: PathBuf,
    _folder: TempDir,
}

fn log() -> Log {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("log");
    let server = TestServer::open(&data, jobledger::ledger::Options::default());
    let (worker, auditor) = (server.client(Role::Worker), server.client(Role::Auditor));
    let keep = |name: &str| {
        let path = folder.path().join(name);
        fs::write(&path, auditor.get("/ledger/checkpoint").expect(200).body).unwrap();
        path
    };
    worker.append(&json!([task_job("a"), started("a"), noted("a", "db_reader")])).expect(201);
    let kept = keep("4.checkpoint");
    reports("a", 299).iter().for_each(|batch| drop(worker.append(batch).expect(201)));
    worker.append(&completed("a")).expect(201);
    let key = on(&data, "key show", &[]).expect(0).stdout.trim().to_owned();
    Log { published: Published::of(&auditor), key, kept, newest: keep("newest.checkpoint"), _folder: folder }
}

impl Log {
    fn verify(&self, published: &Published, since: &[&PathBuf]) -> Done {
        let liar = published.clone().serve();
        let command = cli(["verify", "url", "--json", "--token", "jl_x", "--vkey", &self.key, &liar.url]);
        since.iter().fold(command, |command, path| command.arg("--since").arg(path)).run()
    }
}

#[track_caller]
fn first_fault(done: &Done) -> (serde_json::Value, String) {
    let fault = done.json_lines()[0]["report"]["faults"][0].clone();
    (fault["position"].clone(), fault["what"].as_str().unwrap().to_owned())
}

#[test]
fn an_honest_server_is_verified() {
    let log = log();
    let done = log.verify(&log.published, &[&log.kept, &log.newest]).expect(0);
    let report = &done.json_lines()[0]["report"];
    assert_eq!((&report["events"], &report["held"], &report["faulty"]), (&json!(304), &json!(2), &json!(0)));
    assert!(done.stdout.contains("what only the folder has"), "{}", done.stdout);
    let liar = log.published.clone().serve();
    cli(["verify", "url", "--token", "jl_x", &liar.url]).run().expect(7);
}

#[test]
fn a_running_server_is_verified_by_an_auditor_alone() {
    let folder = tempfile::tempdir().unwrap();
    let server = Serving::start(folder.path());
    let key = on(folder.path(), "key show", &[]).expect(0).stdout.trim().to_owned();
    let verify = |token: &str| cli(["verify", "url", &server.url, "--token", token, "--vkey", &key]).run();
    let (worker, auditor) = (token(folder.path(), "worker"), token(folder.path(), "auditor"));
    // A log with the genesis event alone.
    verify(&auditor).expect(0);
    server.client(&worker).append(&json!([task_job("a"), started("a")])).expect(201);
    assert!(verify(&auditor).expect(0).stdout.contains("events       3"));
    verify(&worker).refused(2, &["/ledger/export", "auditor"]);
    verify("jl_nobody").refused(2, &["401"]);
    server.end("TERM").expect(0);
    cli(["verify", "url", &server_that_is_gone(), "--token", "x"]).run().expect(2);
}

/// An address at which no server listens any more.
fn server_that_is_gone() -> String {
    Published(Default::default()).serve().url.clone()
}

#[test]
fn a_key_that_was_added_is_trusted_because_the_pinned_one_vouched_for_it() {
    let folder = tempfile::tempdir().unwrap();
    Serving::start(folder.path()).end("TERM").expect(0);
    let first = on(folder.path(), "key show", &[]).expect(0).stdout.trim().to_owned();
    on(folder.path(), "key rotate", &[]).expect(0);
    fs::remove_file(folder.path().join("ledger.key.previous")).unwrap();
    let server = Serving::start(folder.path());
    server.client(&token(folder.path(), "worker")).append(&task_job("a")).expect(201);
    let published = Published::of(&server.client(&token(folder.path(), "auditor")));
    server.end("TERM").expect(0);
    let verify = |published: &Published| {
        let liar = published.clone().serve();
        cli(["verify", "url", &liar.url, "--token", "x", "--vkey", &first, "--json"]).run()
    };
    verify(&published).expect(0);
    // A server that shows another key in its place is found by the commitment to the event's data.
    let second = on(folder.path(), "key show", &[]).expect(0).stdout;
    let second = second.lines().next().unwrap();
    let strange = jobledger::tree::SigningKey::from_seed(second.split('+').next().unwrap(), &[9; 32]).unwrap();
    let lie = published.with("/ledger/export", second, &strange.verifier().to_string());
    let done = verify(&lie).expect(3);
    assert!(first_fault(&done).1.contains("commits to"), "{}", done.stdout);
}

#[test]
fn each_lie_of_a_server_is_found() {
    let log = log();
    let (entries, hashes) = (tile("entries", 0, 256), tile("0", 0, 256));
    let published = &log.published;
    let leaf = |change: fn(&str) -> String| {
        let line = published.0["/ledger/export"].split(|byte| *byte == b'\n').nth(3).unwrap();
        let line: serde_json::Value = serde_json::from_slice(line).unwrap();
        change(line["leaf"].as_str().unwrap())
    };
    // An entry and its tile changed together, under the genuine checkpoint. Verifiers that trust tiles do not find this. The audit
    // finds the commit, and cannot tell which of its events is changed.
    let (genuine, forged) = (leaf(str::to_owned), leaf(|leaf| leaf.replace("\"worker\"", "\"forger\"")));
    assert_eq!(genuine.len(), forged.len());
    let mut together = published.with(&entries, &genuine, &forged);
    let quoted = |text: &str| serde_json::to_string(text).unwrap();
    together = together.with("/ledger/export", &quoted(&genuine), &quoted(&forged));
    let tile = together.0.get_mut(&hashes).unwrap();
    tile[3 * 32..4 * 32].copy_from_slice(leaf_hash(forged.as_bytes()).as_bytes());

    let mut short = published.clone();
    short.0.get_mut("/ledger/export").unwrap().truncate(40_000);
    for (what, position, lie) in [
        ("an entry", json!(3), published.with(&entries, &genuine, &forged)),
        ("an entry and its tile", json!(1), together.clone()),
        ("data", json!(3), published.with("/ledger/export", "db_reader", "db_owner!")),
        ("an export that breaks off", json!(null), short),
        ("a tile of the second level", json!(null), {
            let mut lie = published.clone();
            lie.0.get_mut("/ledger/tile/1/000.p/1").unwrap()[9] ^= 1;
            lie
        }),
        ("a partial tile", json!(256), {
            let mut lie = published.clone();
            lie.0.get_mut("/ledger/tile/0/001.p/48").unwrap()[9] ^= 1;
            lie
        }),
    ] {
        let done = log.verify(&lie, &[&log.kept]);
        assert_eq!(done.code, 3, "{what}: {}{}", done.stdout, done.stderr);
        let (found, said) = first_fault(&done);
        assert!(what.starts_with("an export") || found == position, "{what}: {found} {said}");
    }
    // The root shows the changed entry, although the export has the same change.
    assert!(log.verify(&together, &[]).expect(3).stdout.contains("not the one that was signed"));
}

#[test]
fn verify_finds_withheld_entries_too() {
    let log = log();
    let published = &log.published;
    let mut gone = published.clone();
    gone.0.remove(&tile("entries", 1, 48)).unwrap();
    log.verify(&gone, &[]).refused(2, &["tile/entries/001.p/48"]);
    // An older state of the log is consistent. Only the holder of a newer checkpoint finds the missing entries.
    let old = fs::read_to_string(&log.kept).unwrap();
    let mut rolled_back = published.clone();
    rolled_back.0.insert("/ledger/checkpoint".into(), old.clone().into_bytes());
    let cut = |bytes: &[u8]| -> Vec<u8> {
        let lengths = |at: usize| usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]])) + 2;
        let end = (0..4).fold(0, |at, _| at + lengths(at));
        bytes[..end].to_vec()
    };
    let entries = cut(&published.0[&tile("entries", 0, 256)]);
    rolled_back.0.insert(tile("entries", 0, 4), entries);
    rolled_back.0.insert(tile("0", 0, 4), published.0[&tile("0", 0, 256)][..128].to_vec());
    log.verify(&rolled_back, &[]).expect(0);
    let done = log.verify(&rolled_back, &[&log.newest]).expect(5);
    assert!(first_fault(&done).1.contains("rolled back"), "{}", done.stdout);
}

#[test]
fn verify_url_refuses_checkpoints_that_the_log_did_not_sign() {
    let log = log();
    let published = &log.published;
    let list = "/ledger/checkpoints?from=1&limit=1000";
    let note = String::from_utf8(published.0["/ledger/checkpoint"].clone()).unwrap();
    let end: String = note.trim_end().chars().rev().take(8).collect::<Vec<_>>().into_iter().rev().collect();
    let flip = |text: &str| text.chars().map(|c| if c == 'A' { 'B' } else { 'A' }).collect::<String>();
    // The same change in both places, or a change in one place alone.
    let newest = published.with("/ledger/checkpoint", &end, &flip(&end));
    log.verify(&newest.with(list, &end, &flip(&end)), &[]).expect(4);
    log.verify(&newest, &[]).expect(4);
    log.verify(&published.with(list, "\"number\":2,", "\"number\":9,"), &[]).expect(2);
    log.verify(&published.with("/ledger/checkpoint", "\n304\n", "\n305\n"), &[]).expect(2);
    // An endless list of checkpoints, and an endless note.
    let mut endless = published.clone();
    for (from, next) in [(1, 200_000), (200_001, 400_000)] {
        let page = json!({"checkpoints": [{"number": next, "size": 1, "note": "x"}], "next": next + 1});
        endless.0.insert(format!("/ledger/checkpoints?from={from}&limit=1000"), page.to_string().into_bytes());
    }
    log.verify(&endless, &[]).refused(2, &["more checkpoints than its entries can have"]);
    let long = published.with(list, "\"note\":\"", &format!("\"note\":\"{}", "x".repeat(70_000)));
    log.verify(&long, &[]).refused(2, &["longer than any"]);
    let mut garbage = published.clone();
    garbage.0.insert("/ledger/checkpoint".into(), b"nothing".to_vec());
    log.verify(&garbage, &[]).expect(4);
}
