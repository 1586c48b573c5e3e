//! Evidence bundles over the life of a log: its keys change, it grows after the checkpoint that a verifier holds, and a copy continues it.

use std::fs;
use std::path::Path;

use jobledger::access::Role;
use serde_json::json;

use crate::evidence::{key, ledger};
use crate::support::bundles::{Bundle, verify};
use crate::support::cli::{cli, on};
use crate::support::exports::{append_to, import};
use crate::support::{noted, started, task_job};

#[test]
fn a_bundle_is_verified_with_any_key_that_the_log_had() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, file) = (dir.path().join("log"), dir.path().join("evidence.tar"));
    append_to(&folder, &json!([task_job("a")]), &[]);
    let mut keys = vec![key(&folder)];
    for n in 0..2 {
        on(&folder, "key rotate", &[]).expect(0);
        keys.push(key(&folder));
        append_to(&folder, &noted("a", &n.to_string()), &[]);
        fs::remove_file(folder.join("ledger.key.previous")).unwrap();
    }
    append_to(&folder, &json!([started("a")]), &[]);
    let make = |folder: &Path| {
        cli(["evidence", "a", "--data"]).arg(folder).arg("-o").arg(&file).run().expect(0);
        Bundle::read(&fs::read(&file).unwrap())
    };
    let bundle = make(&folder);
    for key in &keys {
        assert_eq!(bundle.verdict(Some(key)), 0, "{key}");
    }
    assert_eq!(bundle.verdict(None), 7);
    // Without a signature by the keys before it a new key is not trusted.
    let vouched: Vec<String> =
        bundle.files.iter().map(|(name, _)| name.clone()).filter(|name| name.contains("vouched")).collect();
    assert_eq!(vouched.len(), 2);
    for name in &vouched {
        let mut without = bundle.clone();
        without.remove(name);
        assert!([4, 7].contains(&without.verdict(Some(&keys[0]))), "{name}");
        let mut forged = bundle.clone();
        forged.proof(name, |proof| proof.proof[0].0[0] ^= 1);
        assert_eq!(forged.verdict(Some(&keys[0])), 3, "{name}");
        let mut signed = bundle.clone();
        let last = |note: &str| format!("{}\n", note.trim_end().rsplit_once('\n').unwrap().0);
        signed.proof(name, |proof| {
            let newest_key = keys.iter().find(|key| proof.checkpoint.contains(key.as_str()));
            assert_eq!(newest_key, None);
            proof.checkpoint = last(&proof.checkpoint);
        });
        // One of two signatures is left: either that of the older key, which is enough, or that of the new one alone.
        assert!([0, 4].contains(&signed.verdict(Some(&keys[0]))), "{name}");
    }

    // A copy that goes on under another name is vouched for by no key, and says so.
    let copy = dir.path().join("copy");
    import(&copy, on(&folder, "export", &[]).expect(0).stdout).expect(0);
    cli(["evidence", "a", "--data"]).arg(&copy).arg("-o").arg(&file).run().refused(1, &["no checkpoint", "recover"]);
    on(&copy, "recover", &[]).expect(0);
    let continued = make(&copy);
    assert_eq!(continued.verdict(Some(&key(&copy))), 0);
    assert_eq!(continued.verdict(Some(&keys[0])), 7);
    assert_eq!(continued.verdict(Some(&keys[2])), 7);
}

#[test]
fn a_bundle_proves_that_the_log_continues_an_older_checkpoint() {
    let (server, worker) = ledger();
    let dir = tempfile::tempdir().unwrap();
    let keep = |name: &str, text: String| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let old = keep("old.checkpoint", worker.get("/ledger/checkpoint").expect(200).text());
    worker.append(&noted("finished", "later")).expect(201);
    let same = keep("same.checkpoint", worker.get("/ledger/checkpoint").expect(200).text());
    let file = dir.path().join("evidence.tar");
    let make = |since: &[&Path]| {
        let command = cli(["evidence", "finished", "--data"]).arg(server.path()).arg("-o").arg(&file);
        since.iter().fold(command, |command, path| command.arg("--since").arg(path)).run().expect(0);
    };
    let key = key(server.path());
    let check = |held: &Path| verify(&file, &["--vkey", &key, "--since", held.to_str().unwrap()]);
    make(&[]);
    assert_eq!(check(&same).expect(0).json_lines()[0]["report"]["held"], 1);
    let told = check(&old).expect(0).stdout;
    assert!(told.contains("ask for a bundle with that as --since"), "{told}");
    make(&[&old]);
    let report = check(&old).expect(0).json_lines()[0]["report"].clone();
    assert_eq!(report["held"], 1);
    assert!(!report["unchecked"].to_string().contains("--since"), "{report}");
    let bundle = Bundle::read(&fs::read(&file).unwrap());
    let size = bundle.files.iter().find_map(|(name, _)| name.strip_prefix("consistency/")).unwrap().to_owned();
    let answer = worker.get(&format!("/ledger/jobs/finished/evidence?since={size}")).expect(200);
    assert!(answer.body == bundle.tar() || Bundle::read(&answer.body) == bundle);

    // The log's own key signs another history: its holder sees that.
    let secret = fs::read_to_string(server.path().join("ledger.key")).unwrap();
    let secret = jobledger::tree::SigningKey::parse(secret.trim_end()).unwrap();
    for held in [&old, &same] {
        let text = fs::read_to_string(held).unwrap();
        let mut checkpoint = jobledger::tree::Checkpoint::claimed(&text).unwrap();
        checkpoint.head.root.0[0] ^= 1;
        check(&keep("forked", checkpoint.sign(&[&secret]).unwrap())).expect(5);
        let broken = text.replacen(&format!("\n{}\n", checkpoint.head.size), "\n1\n", 1);
        check(&keep("broken", broken)).expect(4);
    }
    let (other, _) = ledger();
    check(&keep("another", other.client(Role::Admin).get("/ledger/checkpoint").expect(200).text())).expect(5);
    worker.append(&noted("finished", "still later")).expect(201);
    let newer = keep("newer", worker.get("/ledger/checkpoint").expect(200).text());
    assert!(check(&newer).expect(0).stdout.contains("the bundle of"));
    cli(["evidence", "finished", "--data"])
        .arg(other.path())
        .arg("-o")
        .arg(&file)
        .arg("--since")
        .arg(&newer)
        .run()
        .refused(1, &["newest"]);
}
