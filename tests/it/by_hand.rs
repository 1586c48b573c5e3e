//! An audit with standard tools alone: the leaf's hash by `sha256sum`, the digest and the signature by `openssl`.

use std::fs;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jobledger::access::Role;
use rusqlite::Connection;

use crate::support::shell::{lacking, said, shell};
use crate::support::{TestServer, noted, skipped, started, task_job};

#[test]
fn an_event_and_the_newest_checkpoint_are_checked_with_standard_tools_alone() {
    let folder = tempfile::tempdir().unwrap();
    if let Some(tool) = lacking(&["openssl", "sha256sum"]) {
        return skipped(tool);
    }
    let mut server = TestServer::start();
    let worker = server.client(Role::Worker);
    for event in [task_job("a"), started("a"), noted("a", "é \"quoted\"")] {
        worker.append(&event).expect(201);
    }
    let leaf = worker.get("/ledger/events/3/leaf").expect(200).body;
    let checkpoint = worker.get("/ledger/checkpoint").expect(200).text();
    server.stop();
    let conn = Connection::open(server.path().join("log.db")).unwrap();
    let sql = "SELECT lower(hex(salt)), data, (SELECT lower(hex(hash)) FROM node WHERE level = 0 AND idx = 3), \
               (SELECT data FROM event WHERE position = 0) FROM event WHERE position = 3";
    let (salt, data, node, genesis): (String, Vec<u8>, String, Vec<u8>) =
        conn.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))).unwrap();
    let genesis: serde_json::Value = serde_json::from_slice(&genesis).unwrap();
    let key = STANDARD.decode(genesis["verifier_key"].as_str().unwrap().splitn(3, '+').nth(2).unwrap()).unwrap();
    // RFC 8410: an Ed25519 public key in DER is these twelve bytes and the key. Its first byte here names the algorithm.
    let der = [&[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00], &key[1..]].concat();
    for (name, bytes) in [("leaf", &leaf), ("data", &data), ("checkpoint", &checkpoint.into_bytes()), ("pub.der", &der)]
    {
        fs::write(folder.path().join(name), bytes).unwrap();
    }

    let hash = shell(folder.path(), "( printf '\\000'; cat leaf ) | sha256sum");
    assert_eq!(said(&hash).split(' ').next().unwrap(), node);

    let digest = shell(folder.path(), &format!("openssl dgst -sha256 -mac HMAC -macopt hexkey:{salt} data"));
    let leaf: serde_json::Value = serde_json::from_slice(&leaf).unwrap();
    assert_eq!(said(&digest).trim().rsplit(' ').next().unwrap(), leaf["datadigest"]);

    let verify = "head -n3 checkpoint > body && tail -n1 checkpoint | awk '{print $3}' | base64 -d | tail -c64 > sig && \
                  openssl pkeyutl -verify -pubin -keyform DER -inkey pub.der -rawin -in body -sigfile sig";
    assert!(shell(folder.path(), verify).status.success());
    // The check can fail: another size under the same signature.
    assert!(!shell(folder.path(), &verify.replace("> body", "| sed 's/^4$/5/' > body")).status.success());
}
