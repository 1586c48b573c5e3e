//! The other projects' verifiers can fail: the tests change each part that the verifiers check, one at a time.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use jobledger::tree::{SigningKey, VerifierKey, sign_note};

use super::mirror::{Grown, Mirror, key};
use super::tools::{Tools, tools};

/// The published files of a log of 300 events, with the checkpoint and the partial tiles from when it had 100.
fn mirror() -> (Mirror, VerifierKey) {
    let mut log = Grown::new();
    let (key, mirror) = (key(&log.server), Mirror::new());
    for size in [100, 300] {
        log.to(size);
        mirror.fetch(&log.auditor);
        mirror.fetch_receipt(&log.auditor, size / 2);
        if size == 100 {
            mirror.hold();
        }
    }
    mirror.fetch_consistency(&log.auditor, 100, 300);
    (mirror, key)
}

/// The exit codes of both verifiers. Checks that `verify.go` names `check`.
#[track_caller]
fn said(tools: &Tools, mirror: &Path, key: &str, check: &str) -> [i32; 2] {
    let (go, python) = (tools.go(mirror, key), tools.python(mirror, key));
    assert!(go.stdout.lines().any(|line| line.starts_with(check)), "{check}: {}{}", go.stdout, go.stderr);
    [go.code, python.code]
}

/// Another digit in the last hash of a text, which stays base64.
fn last_hash(bytes: &mut [u8], end: &str) {
    let at = std::str::from_utf8(bytes).unwrap().find(end).unwrap() - 10;
    bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
}

#[test]
fn each_check_of_the_other_verifiers_can_fail() {
    let Some(tools) = tools() else { return };
    let (mirror, key) = mirror();
    let key = key.to_string();
    assert_eq!(said(tools, mirror.path(), &key, "verified 300 entries"), [0, 0]);
    type Change = fn(&mut Vec<u8>);
    let last_byte: Change = |bytes| *bytes.last_mut().unwrap() ^= 1;
    let in_text: Change = |note| *note = String::from_utf8(note.clone()).unwrap().replace("\n300\n", "\n299\n").into();
    let of_proof: Change = |proof| last_hash(proof, "=\n\n");
    let of_json: Change = |proof| last_hash(proof, "=\"]");
    let table: [(&str, Change, &str, [i32; 2]); 13] = [
        ("checkpoint", in_text, "signature: checkpoint", [4, 4]),
        ("checkpoint", |note| last_hash(note, "\n\n"), "signature: checkpoint", [4, 4]),
        ("held/100", |note| last_hash(note, "\n\n"), "signature: held/100", [4, 4]),
        ("tile/entries/000", last_byte, "root", [3, 3]),
        ("tile/entries/001.p/44", last_byte, "root", [3, 3]),
        ("tile/entries/001.p/44", |bundle| bundle.push(0), "entries: tile/entries/001.p/44", [3, 3]),
        ("tile/entries/000", |bundle| bundle.truncate(bundle.len() - 1), "entries: tile/entries/000", [3, 3]),
        // pymerkle is asked for roots only.
        ("tile/entries/000.p/100", last_byte, "tile: tile/entries/000.p/100", [3, 0]),
        ("tile/0/000", last_byte, "tile: tile/0/000", [3, 0]),
        ("tile/0/001.p/44", last_byte, "tile: tile/0/001.p/44", [3, 0]),
        ("tile/1/000.p/1", last_byte, "tile: tile/1/000.p/1", [3, 0]),
        ("receipts/150-of-300", of_proof, "inclusion: receipts/150-of-300", [3, 0]),
        ("consistency/100-300", of_json, "consistency: consistency/100-300", [5, 0]),
    ];
    for (name, change, check, codes) in table {
        let genuine = fs::read(mirror.file(name)).unwrap();
        mirror.change(name, change);
        assert_eq!(said(tools, mirror.path(), &key, check), codes, "{name}: {check}");
        mirror.keep(name, &genuine);
    }
    // A tile that no tree of this size has, and one that is not there.
    mirror.keep("tile/0/001.p/45", &[0; 45 * 32]);
    assert_eq!(said(tools, mirror.path(), &key, "tile: tile/0/001.p/45"), [3, 0]);
    fs::remove_file(mirror.file("tile/0/001.p/45")).unwrap();
    fs::remove_file(mirror.file("tile/0/000")).unwrap();
    assert_eq!(said(tools, mirror.path(), &key, "unreadable: tile/0/000"), [2, 0]);
    fs::remove_file(mirror.file("tile/entries/000")).unwrap();
    assert_eq!(said(tools, mirror.path(), &key, "unreadable:"), [2, 2]);
}

#[test]
fn other_verifiers_accept_only_the_pinned_key() {
    let Some(tools) = tools() else { return };
    let (mirror, genuine) = mirror();
    let name = genuine.name().to_owned();
    let stranger = |seed: u8| SigningKey::from_seed(&name, &[seed; 32]).unwrap();
    let other = stranger(1).verifier().to_string();
    assert_eq!(said(tools, mirror.path(), &other, "signature: checkpoint"), [4, 4]);
    assert_eq!([tools.go(mirror.path(), "no key").code, tools.python(mirror.path(), "no key").code], [1, 1]);

    let note = fs::read_to_string(mirror.file("checkpoint")).unwrap();
    let (text, signature) = note.split_once("\n\n").map(|(text, line)| (format!("{text}\n"), line)).unwrap();
    // Fifteen further signatures by unknown keys change nothing.
    let signed = sign_note(&text, &(1..16).map(stranger).collect::<Vec<_>>().iter().collect::<Vec<_>>()).unwrap();
    mirror.keep("checkpoint", format!("{signed}{signature}").as_bytes());
    assert_eq!(said(tools, mirror.path(), &genuine.to_string(), "verified 300 entries"), [0, 0]);
    // A bad signature under the key's own name makes the checkpoint invalid.
    let forged = [&genuine.id().to_be_bytes()[..], &[7; 64]].concat();
    let bad = format!("— {name} {}\n", BASE64.encode(forged));
    mirror.keep("checkpoint", format!("{text}\n{bad}{signature}").as_bytes());
    assert_eq!(said(tools, mirror.path(), &genuine.to_string(), "signature: checkpoint"), [4, 4]);
}
