//! Changed evidence bundles. Both verifiers must refuse each change with the same exit code.

use std::fs;

use jobledger::access::Role;
use serde_json::json;
use tar::{Builder, EntryType};

use crate::support::bundles::{Bundle, add, stranger, verdict, verify};
use crate::support::cli::{cli, on};
use crate::support::{TestServer, completed, noted, started, task_job};

/// A bundle of the job `a`, at 1, 2, 4, 6 and 7 of a log of 9 entries, one of the job `b` of the same log, and the log's key.
fn bundles() -> (Bundle, Bundle, String) {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let rest = [noted("b", "two"), completed("a"), noted("a", "end"), noted("b", "three")];
    worker.append(&json!([task_job("a"), started("a"), task_job("b"), noted("a", "one")])).expect(201);
    worker.append(&json!(rest)).expect(201);
    let of = |job: &str| Bundle::read(&worker.get(&format!("/ledger/jobs/{job}/evidence")).expect(200).body);
    let key = on(server.path(), "key show", &[]).expect(0).stdout.trim_end().to_owned();
    (of("a"), of("b"), key)
}

#[test]
fn each_change_of_content_is_refused() {
    let (good, other, key) = bundles();
    assert_eq!(good.verdict(Some(&key)), 0);
    type Change = Box<dyn Fn(&mut Bundle)>;
    let leaf =
        |n: usize, from: &'static str, to: &'static str| -> Change { Box::new(move |bundle| bundle.leaf(n, from, to)) };
    let mut all: Vec<(&str, Change)> = vec![
        ("data", Box::new(|b| b.replace("data.ndjson", "one", "two"))),
        ("data of two events", Box::new(|b| b.line("data.ndjson", |lines| lines.swap(0, 2)))),
        ("data without its salt", Box::new(|b| b.line("salts.txt", |lines| lines[2] = "null".into()))),
        ("salt without its data", Box::new(|b| b.line("data.ndjson", |lines| lines[2] = "null".into()))),
        ("salt", Box::new(|b| b.line("salts.txt", |lines| lines[1] = "0".repeat(64)))),
        ("salt that is no hex", Box::new(|b| b.line("salts.txt", |lines| lines[1] = "x".repeat(64)))),
        ("the type", leaf(2, "job.noted", "job.faked")),
        ("the time", leaf(1, "\"time\":\"20", "\"time\":\"19")),
        ("the actor", leaf(1, "\"actor\":\"worker\"", "\"actor\":\"nobody\"")),
        ("the job", leaf(1, "\"subject\":\"a\"", "\"subject\":\"b\"")),
        ("the organisation", leaf(1, "\"orgid\":\"0", "\"orgid\":\"1")),
        ("the kind", leaf(1, "\"jobkind\":\"task\"", "\"jobkind\":\"rule\"")),
        ("the name", leaf(1, "\"source\":\"/tests/worker\"", "\"source\":\"/tests/nobody\"")),
        ("the recorded time", leaf(1, "\"recordedtime\":\"20", "\"recordedtime\":\"30")),
        ("the commitment", leaf(1, "\"datadigest\":\"", "\"datadigest\":\"0")),
        ("the link", leaf(2, "\"prev\":\"2\"", "\"prev\":\"1\"")),
        ("no link", leaf(1, ",\"prev\":\"1\"", "")),
        ("a space", leaf(1, ",\"prev\"", ", \"prev\"")),
        ("a member too many", leaf(1, "{\"spec", "{\"a\":\"b\",\"spec")),
        ("a member that is no text", leaf(1, "\"prev\":\"1\"", "\"prev\":1")),
        (
            "the leaf, not in its proof",
            Box::new(|b| b.replace("leaves.ndjson", "\"actor\":\"worker\"", "\"actor\":\"nobody\"")),
        ),
        ("no leaf", Box::new(|b| b.line("leaves.ndjson", |lines| lines[1] = "{}".into()))),
        ("no JSON", Box::new(|b| b.line("leaves.ndjson", |lines| lines[1] = "[".repeat(9000)))),
        ("the order", Box::new(|b| b.lines(|lines| lines.swap(1, 2)))),
        ("an event dropped", Box::new(|b| b.lines(|lines| drop(lines.remove(2))))),
        ("the first dropped", Box::new(|b| b.lines(|lines| drop(lines.remove(0))))),
        ("all dropped", Box::new(|b| b.lines(Vec::clear))),
        ("an event twice", Box::new(|b| b.lines(|lines| lines.insert(2, lines[2].clone())))),
        ("a line less", Box::new(|b| b.line("salts.txt", |lines| drop(lines.pop())))),
        ("a line more", Box::new(|b| b.line("data.ndjson", |lines| lines.push("{}".into())))),
        ("half a line", Box::new(|b| b.edit("leaves.ndjson", |text| text.trim_end().to_owned()))),
        ("a hash", Box::new(|b| b.proof("proofs/2.tlog-proof", |proof| proof.proof[1].0[9] ^= 4))),
        ("a hash less", Box::new(|b| b.proof("proofs/2.tlog-proof", |proof| proof.proof.truncate(3)))),
        ("a spare hash", Box::new(|b| b.proof("proofs/2.tlog-proof", |proof| proof.proof.push(proof.proof[0])))),
        ("no hash", Box::new(|b| b.proof("proofs/2.tlog-proof", |proof| proof.proof.clear()))),
        ("hashes swapped", Box::new(|b| b.proof("proofs/2.tlog-proof", |proof| proof.proof.swap(0, 1)))),
        ("the index", Box::new(|b| b.proof("proofs/2.tlog-proof", |proof| proof.index = 3))),
        ("an index beyond", Box::new(|b| b.proof("proofs/2.tlog-proof", |proof| proof.index = u64::MAX))),
        (
            "the leaf in the proof",
            Box::new(|b| b.proof("proofs/2.tlog-proof", |proof| proof.extra = Some(b"{}".to_vec()))),
        ),
        ("a proof without its leaf", Box::new(|b| b.proof("proofs/2.tlog-proof", |proof| proof.extra = None))),
        ("no proof", Box::new(|b| *b.bytes("proofs/2.tlog-proof") = b"proof".to_vec())),
        ("a proof that is no text", Box::new(|b| *b.bytes("proofs/2.tlog-proof") = b"\xff\xfe".to_vec())),
        ("the proof of another", Box::new(|b| *b.bytes("proofs/2.tlog-proof") = b.text("proofs/4.tlog-proof").into())),
        (
            "the ledger's own data",
            Box::new(|b| b.replace("ledger/data.ndjson", "\"leaf_format\":1", "\"leaf_format\":2")),
        ),
        (
            "the ledger's own leaf",
            Box::new(|b| b.replace("ledger/leaves.ndjson", "\"actor\":\"ledger\"", "\"actor\":\"l\"")),
        ),
        (
            "no event of the ledger",
            Box::new(|b| {
                ["leaves.ndjson", "data.ndjson", "salts.txt"]
                    .iter()
                    .for_each(|name| b.bytes(&format!("ledger/{name}")).clear())
            }),
        ),
    ];
    // The root and size under which every proof stands.
    all.push(("a smaller log", Box::new(|b| b.under(&b.text("checkpoint").replacen("\n9\n", "\n8\n", 1)))));
    all.push((
        "an absurd log",
        Box::new(|b| b.under(&b.text("checkpoint").replacen("\n9\n", "\n9223372036854775807\n", 1))),
    ));
    all.push((
        "another root",
        Box::new(|b| {
            let root = b.checkpoint().head.root.to_string();
            b.under(&b.text("checkpoint").replace(&root, "bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0="));
        }),
    ));
    all.push((
        "an event of another job",
        Box::new(move |b| {
            for name in ["leaves.ndjson", "data.ndjson", "salts.txt"] {
                let line = other.text(name).lines().nth(1).unwrap().to_owned();
                b.line(name, |lines| lines.insert(3, line.clone()));
            }
            let proof = other.text("proofs/5.tlog-proof").into_bytes();
            b.files.push(("proofs/5.tlog-proof".into(), proof));
        }),
    ));
    let mut unpinned = good.clone();
    unpinned.replace("data.ndjson", "one", "two");
    assert_eq!(unpinned.verdict(None), 3, "graver than that no key is pinned");
    for (what, change) in all {
        let mut bundle = good.clone();
        change(&mut bundle);
        assert_ne!(bundle, good, "{what}");
        assert_eq!(bundle.verdict(Some(&key)), 3, "{what}");
    }
}

#[test]
fn a_bundle_without_its_last_events_shows_an_open_job_and_the_verdict_says_so() {
    let (good, _, key) = bundles();
    let mut cut = good.clone();
    cut.lines(|lines| lines.truncate(3));
    let place = tempfile::tempdir().unwrap();
    let path = cut.unpack(place.path());
    assert_eq!(cut.verdict(Some(&key)), 0);
    let report = verify(&path, &["--vkey", &key]).json_lines()[0]["report"].clone();
    assert_eq!(report["job"]["ended"], json!(null));
    assert!(report["unchecked"].to_string().contains("went on after position"), "{report}");
    let told = cli(["verify", "bundle", "--vkey", &key]).arg(&path).run().expect(0).stdout;
    assert!(told.contains("open") && !told.contains("complete "), "{told}");
    // A remark after the end may be missing too: the verifier cannot tell, and says so.
    let mut cut = good;
    cut.lines(|lines| lines.truncate(4));
    assert_eq!(cut.verdict(Some(&key)), 0);
    let place = tempfile::tempdir().unwrap();
    let told = cli(["verify", "bundle", "--vkey", &key]).arg(cut.unpack(place.path())).run().expect(0).stdout;
    assert!(
        told.contains("complete ")
            && told.contains("not checked: whether the job has remarks and redactions after position"),
        "{told}"
    );
}

#[test]
fn only_the_keys_that_should_have_signed_are_accepted() {
    let (good, _, key) = bundles();
    let (elsewhere, _, strange_key) = bundles();
    let origin = key.split('+').next().unwrap();
    for key in
        [stranger(origin).verifier().to_string(), stranger("another").verifier().to_string(), strange_key.clone()]
    {
        assert_eq!(good.verdict(Some(&key)), 4, "{key}");
    }
    assert_eq!(elsewhere.verdict(Some(&key)), 4, "a bundle of another log");
    assert_eq!(elsewhere.verdict(Some(&strange_key)), 0);
    let resigned = |name: &str| {
        let mut checkpoint = good.checkpoint();
        checkpoint.origin = name.to_owned();
        checkpoint.sign(&[&stranger(name)]).unwrap()
    };
    let flipped = {
        let note = good.text("checkpoint");
        let at = note.len() - 12;
        let other = if &note[at..=at] == "A" { "B" } else { "A" };
        format!("{}{other}{}", &note[..at], &note[at + 1..])
    };
    let beside = format!("{}{}", good.text("checkpoint"), flipped.split_once("\n\n").unwrap().1);
    for (what, note) in [
        ("a bit of the signature", flipped),
        ("a bad signature beside a good one", beside),
        ("a stranger under the same name", resigned(origin)),
        ("a stranger under his own name", resigned("stranger")),
        ("another log's", elsewhere.text("checkpoint")),
    ] {
        let mut bundle = good.clone();
        *bundle.bytes("checkpoint") = note.clone().into_bytes();
        for key in [Some(&*key), None] {
            assert_eq!(bundle.verdict(key), 4, "{what}, in the file alone");
        }
        if what != "another log's" {
            bundle.under(&note);
            for key in [Some(&*key), None] {
                assert_eq!(bundle.verdict(key), 4, "{what}");
            }
        }
    }
    for change in [("\n9\n", "\n8\n"), ("\n9\n", "\n09\n"), ("— ", "- "), ("\n\n", "\nextension\n\n")] {
        let mut bundle = good.clone();
        bundle.edit("checkpoint", |note| note.replacen(change.0, change.1, 1));
        assert_eq!(bundle.verdict(Some(&key)), 4, "{change:?}");
    }
    let mut bundle = good.clone();
    *bundle.bytes("checkpoint") = b"\xff".to_vec();
    assert_eq!(bundle.verdict(Some(&key)), 4);
    // The file `vkey.claimed` decides nothing.
    let mut bundle = good.clone();
    *bundle.bytes("vkey.claimed") = strange_key.into_bytes();
    assert_eq!((bundle.verdict(Some(&key)), bundle.verdict(None)), (0, 7));
}

#[test]
fn verify_compares_the_fixed_files_of_a_bundle_byte_for_byte() {
    let (good, _, key) = bundles();
    let check = |bundle: &Bundle| {
        let place = tempfile::tempdir().unwrap();
        verify(&bundle.unpack(place.path()), &["--vkey", &key])
    };
    for name in ["verify.py", "README.txt", "policy.txt"] {
        let text = good.text(name);
        for other in [format!("{text} "), text[..text.len() - 1].to_owned(), String::new()] {
            let mut bundle = good.clone();
            *bundle.bytes(name) = other.into_bytes();
            let report = check(&bundle).expect(3).json_lines()[0]["report"].clone();
            assert_eq!(report["faulty"], 1, "{report}");
            assert!(report["faults"][0]["what"].as_str().unwrap().contains(&format!("`{name}`")), "{report}");
        }
        let mut bundle = good.clone();
        bundle.remove(name);
        let report = check(&bundle).expect(0).json_lines()[0]["report"].clone();
        assert_eq!(report["remarks"], json!([format!("the bundle has no `{name}`")]));
    }
    // A list of hashes that is none says nothing of the log that it is about.
    let held = tempfile::tempdir().unwrap();
    let path = held.path().join("checkpoint");
    fs::write(&path, good.text("checkpoint")).unwrap();
    let mut bundle = good.clone();
    bundle.files.push(("consistency/9".into(), b"no hashes".to_vec()));
    let done = verify(&bundle.unpack(held.path()), &["--vkey", &key, "--since", path.to_str().unwrap()]);
    done.expect(3);
}

#[test]
fn missing_data_needs_a_redaction_and_worse_faults_are_reported_first() {
    let (good, _, key) = bundles();
    let remove_data = |bundle: &mut Bundle| {
        bundle.line("data.ndjson", |lines| lines[2] = "null".into());
        bundle.line("salts.txt", |lines| lines[2] = "null".into());
    };
    let mut bundle = good.clone();
    remove_data(&mut bundle);
    assert_eq!((bundle.verdict(Some(&key)), bundle.verdict(None)), (6, 6));
    let strange = stranger("another").verifier().to_string();
    assert_eq!(bundle.verdict(Some(&strange)), 4);
    bundle.replace("data.ndjson", "end", "END");
    assert_eq!(bundle.verdict(Some(&strange)), 3);
}

#[test]
fn a_file_that_is_no_bundle_is_unreadable_and_exhausts_no_memory() {
    let (good, _, key) = bundles();
    let code = |tar: &[u8]| verdict(tar, Some(&key));
    for name in [
        "leaves.ndjson",
        "data.ndjson",
        "salts.txt",
        "checkpoint",
        "proofs/4.tlog-proof",
        "ledger/leaves.ndjson",
        "ledger/proofs/0.tlog-proof",
    ] {
        let mut bundle = good.clone();
        bundle.remove(name);
        assert_eq!(bundle.verdict(Some(&key)), 2, "{name}");
    }
    let whole = good.tar();
    // Cut anywhere before the end of the last file that is needed.
    for at in [0, 1, 511, 512, 700, 2000, whole.len() / 4, whole.len() / 2] {
        assert_eq!(code(&whole[..at]), 2, "{at}");
    }
    for junk in [b"no tar".repeat(500), vec![0; 4096], vec![0xff; 4096]] {
        assert_eq!(code(&junk), 2);
    }
    let with = |change: &dyn Fn(&mut Builder<Vec<u8>>)| {
        let mut tar = Builder::new(Vec::new());
        change(&mut tar);
        for (name, bytes) in &good.files {
            add(&mut tar, EntryType::Regular, &format!("{}/{name}", good.folder), bytes);
        }
        tar.into_inner().unwrap()
    };
    assert_eq!(code(&with(&|_| {})), 0);
    assert_eq!(code(&with(&|tar| add(tar, EntryType::Directory, "evidence-a/", b""))), 0);
    for path in [
        "../x",
        "evidence-a/../../x",
        "/etc/x",
        "evidence-b/x",
        "x",
        "evidence-a/./x",
        "evidence-a//x",
        "evidence-a/checkpoint",
    ] {
        assert_eq!(code(&with(&|tar| add(tar, EntryType::Regular, path, b"x"))), 2, "{path}");
    }
    for kind in [EntryType::Symlink, EntryType::Link, EntryType::Fifo, EntryType::Char] {
        assert_eq!(code(&with(&|tar| add(tar, kind, "evidence-a/x", b""))), 2, "{kind:?}");
    }
    // A wrong length: past the end of the file, and past the largest number.
    for size in [
        "77777777777\0".as_bytes(),
        b"\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff",
    ] {
        let mut tar = whole.clone();
        tar[124..136].copy_from_slice(size);
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes().copy_from_slice(&tar[..512]);
        header.set_cksum();
        tar[..512].copy_from_slice(header.as_bytes());
        assert_eq!(code(&tar), 2, "{size:?}");
    }
    let many = with(&|tar| (0..5000).for_each(|n| add(tar, EntryType::Regular, &format!("evidence-a/x/{n}"), b"")));
    assert_eq!(code(&many), 0, "what is not of the bundle is not looked at");
    let place = tempfile::tempdir().unwrap();
    let nowhere = place.path().join("nowhere");
    verify(&nowhere, &["--vkey", &key]).refused(2, &["cannot read"]);
    cli(["verify", "bundle"]).run().expect(1);
    cli(["verify", "bundle", "--vkey", "no key", "x"]).run().expect(1);
    // The verifier does not read an endless line to its end.
    let folder = good.unpack(place.path());
    let long = fs::File::create(folder.join("data.ndjson")).unwrap();
    long.set_len(1 << 30).unwrap();
    verify(&folder, &["--vkey", &key]).refused(2, &["`data.ndjson`", "bytes in a line"]);
    fs::File::create(folder.join("checkpoint")).unwrap().set_len(1 << 30).unwrap();
    verify(&folder, &["--vkey", &key]).refused(2, &["bytes in `checkpoint`"]);
}
