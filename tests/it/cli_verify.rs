//! `jobledger verify receipt`: the input that leads to each exit code.

use std::path::Path;

use jobledger::tree::{Receipt, SigningKey};
use serde_json::{Value, json};

use crate::support::cli::{Done, Serving, cli, on, token};
use crate::support::{event, noted, task_job};

/// Receipts that a ledger issued, the ledger's verifier key, and a place for files. The ledger itself is deleted.
struct IssuedReceipts {
    dir: tempfile::TempDir,
    /// The answer to a batch of three events, with receipts.
    answer: Value,
    /// The answer to a second cancellation of one job, with the receipt of the first.
    second: Value,
    /// The receipt of event 2.
    proof: String,
    key: String,
}

impl IssuedReceipts {
    fn new() -> IssuedReceipts {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("ledger");
        let server = Serving::start(&folder);
        let worker = server.client(&token(&folder, "worker"));
        let batch = json!([task_job("a"), noted("a", "n"), task_job("b")]);
        let prefer = [("prefer", "return=receipt")];
        let answer = worker.append_with(&batch, &prefer).expect(201).json();
        let cancelled = || event("job.cancelled", "b", json!({}));
        worker.append(&cancelled()).expect(201);
        // The ledger answers a second cancellation with the first one, whose id is not the one in the request.
        let second = worker.append_with(&cancelled(), &prefer).expect(200).json();
        let proof = worker.get("/ledger/events/2/proof").expect(200).text();
        server.end("TERM").expect(0);
        let key = on(&folder, "key show", &[]).expect(0).stdout.trim_end().to_owned();
        // The checks of the tests need no ledger.
        std::fs::remove_dir_all(folder).unwrap();
        IssuedReceipts { dir, answer, second, proof, key }
    }

    fn verify(&self, text: impl AsRef<[u8]>, keys: &[&str]) -> Done {
        let path = self.dir.path().join("issued");
        std::fs::write(&path, text).unwrap();
        verify(&path, keys)
    }
}

fn verify(path: &Path, keys: &[&str]) -> Done {
    cli(["verify", "receipt"]).arg(path).args(keys.iter().flat_map(|key| ["--vkey", *key])).run()
}

#[test]
fn verify_needs_no_ledger_for_the_files_that_it_gave_out() {
    let issued = IssuedReceipts::new();
    let stranger = SigningKey::from_seed("stranger", &[1; 32]).unwrap().verifier().to_string();
    for keys in [&[&*issued.key][..], &[&*stranger, &*issued.key]] {
        let said = issued.verify(&issued.proof, keys).expect(0).stdout;
        assert!(said.starts_with("verified: event 2, job.noted of a by worker is in the log"), "{said}");
        let said = issued.verify(issued.answer["events"][0].to_string(), keys).expect(0).stdout;
        assert!(said.contains("event 1, job.created of a"), "{said}");
        assert_eq!(issued.verify(issued.answer.to_string(), keys).expect(0).stdout.lines().count(), 3);
        let said = issued.verify(issued.second.to_string(), keys).expect(0).stdout;
        assert!(said.contains("event 4, job.cancelled of b"), "{said}");
    }
}

#[test]
fn a_report_may_be_json_and_the_key_in_the_environment() {
    let issued = IssuedReceipts::new();
    let path = issued.dir.path().join("answer.json");
    std::fs::write(&path, issued.answer.to_string()).unwrap();
    let verify = || cli(["verify", "receipt", "--json"]).arg(&path);
    let said = verify().env("JOBLEDGER_VKEY", &issued.key).run().expect(0).json_lines();
    assert_eq!((said.len(), &said[0]["exit_code"], &said[0]["verdict"]), (1, &json!(0), &json!("verified")));
    let receipts = said[0]["report"]["receipts"].as_array().unwrap();
    let positions: Vec<&Value> = receipts.iter().map(|receipt| &receipt["position"]).collect();
    assert_eq!(positions, [1, 2, 3]);
    assert!(receipts.iter().all(|receipt| receipt["exit_code"] == 0), "{said:?}");
    let said = verify().run().expect(7).json_lines();
    assert_eq!((&said[0]["exit_code"], &said[0]["report"]["receipts"][1]["exit_code"]), (&json!(7), &json!(7)));
    std::fs::write(&path, issued.answer.to_string().replace("job.noted", "job.faked")).unwrap();
    verify().env("JOBLEDGER_VKEY", "no key").run().refused(1, &["verifier key"]);
}

/// A receipt that a mail program or an editor changed is no evidence.
#[test]
fn a_receipt_that_is_malformed_is_unreadable() {
    let issued = IssuedReceipts::new();
    for text in [
        format!("\u{feff}{}", issued.proof),
        issued.proof.replace('\n', "\r\n"),
        issued.proof.trim_end().to_owned(),
        format!("{}\n", issued.proof),
        issued.proof.replace("— ", "- "),
        format!("\u{feff}{}", issued.answer),
    ] {
        issued.verify(&text, &[&issued.key]).expect(2);
        issued.verify(&text, &[]).expect(2);
    }
}

#[test]
fn wrong_arguments_and_unreadable_files_have_their_exit_codes() {
    let issued = IssuedReceipts::new();
    cli(["verify"]).run().expect(1);
    cli(["verify", "receipt"]).run().expect(1);
    issued.verify(&issued.proof, &["no key"]).refused(1, &["verifier key"]);
    verify(&issued.dir.path().join("nowhere"), &[&issued.key]).refused(2, &["nowhere"]);
    let without_leaf = Receipt { extra: None, ..issued.proof.parse().unwrap() }.to_string();
    let unreadable: [(&[u8], &str); 7] = [
        (b"", "expected a receipt"),
        (b"\xff\xfe", "cannot read"),
        (b"{}", "expected a receipt"),
        (br#"{"events":[]}"#, "found no events"),
        (br#"{"events":[{"position":1}]}"#, "expected a receipt"),
        (issued.proof.split_once("\n\n").unwrap().0.as_bytes(), "expected a receipt"),
        (without_leaf.as_bytes(), "`extra`"),
    ];
    for (text, why) in unreadable {
        issued.verify(text, &[&issued.key]).refused(2, &[why]);
    }
}

#[test]
fn tampered_content_is_reported_before_a_bad_signature() {
    let issued = IssuedReceipts::new();
    let receipt: Receipt = issued.proof.parse().unwrap();
    let leaf = String::from_utf8(receipt.extra.clone().unwrap()).unwrap();
    let forged = Receipt { extra: Some(leaf.replace("\"worker\"", "\"nobody\"").into_bytes()), ..receipt.clone() };
    let moved = Receipt { index: 1, ..receipt.clone() };
    let mut flipped = receipt.clone();
    flipped.proof[0].0[7] ^= 1;
    for text in [forged.to_string(), moved.to_string(), flipped.to_string()] {
        for keys in [&[&*issued.key][..], &[]] {
            issued.verify(&text, keys).expect(3);
        }
    }
    for (name, value) in [("id", json!("x")), ("source", json!("x")), ("subject", json!("x")), ("position", json!(7))] {
        let mut answer = issued.answer.clone();
        answer["events"][1][name] = value;
        issued.verify(answer.to_string(), &[&issued.key]).refused(3, &["event 2", name]);
    }
}

#[test]
fn verify_refuses_a_signature_by_another_key_and_reports_a_missing_pin() {
    let issued = IssuedReceipts::new();
    let origin = issued.key.split('+').next().unwrap().to_owned();
    // The same name and another key; another name; the right key, and one bit of its signature.
    for other in [origin.as_str(), "stranger"] {
        let other = SigningKey::from_seed(other, &[1; 32]).unwrap().verifier().to_string();
        issued.verify(&issued.proof, &[&other]).refused(4, &["event 2"]);
    }
    let (body, signature) = issued.proof.trim_end().rsplit_once(' ').unwrap();
    let flip = |digit: char| if digit == 'A' { 'B' } else { 'A' };
    let at = signature.len() - 10;
    let changed: String = signature.char_indices().map(|(n, c)| if n == at { flip(c) } else { c }).collect();
    issued.verify(format!("{body} {changed}\n"), &[&issued.key]).refused(4, &["did not make"]);
    // A size that the same hashes would fit too.
    issued.verify(issued.proof.replace("\n5\n", "\n6\n"), &[&issued.key]).refused(4, &["did not make"]);
    // Signed with a key of another log that is trusted too.
    let stranger = SigningKey::from_seed("stranger", &[1; 32]).unwrap();
    let text = issued.proof.split_once("\n\n").unwrap();
    let signed = jobledger::tree::sign_note(&format!("{}\n", text.1.split_once("\n\n").unwrap().0), &[&stranger]);
    let signed = format!("{}\n\n{}", text.0, signed.unwrap());
    issued.verify(signed, &[&stranger.verifier().to_string()]).refused(4, &["another name"]);
    issued.verify(&issued.proof, &[]).refused(7, &["its signer is not checked", "--vkey"]);
    issued.verify(issued.answer.to_string(), &[]).refused(7, &["its signer is not checked"]);
}
