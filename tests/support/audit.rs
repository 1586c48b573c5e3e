//! An audit of `log.db` by a second implementation: computes everything again from the leaves, and compares.

use std::collections::HashMap;
use std::path::Path;

use jobledger::sqlite::READ_ONLY;
use jobledger::tree::{Checkpoint, Frontier, Hash, NodeId, VerifierKey, leaf_hash, open_note};
use jobledger::wire::Leaf;
use rusqlite::Connection;
use serde_json::Value;

use super::rows::leaves;

/// A checkpoint of a log: how many events it covers, and the signed note.
pub type Signed = (u64, String);

/// The keys that the ledger's own events name.
fn keys(conn: &Connection) -> Vec<VerifierKey> {
    let mut statement = conn.prepare("SELECT data FROM event WHERE org = 0 ORDER BY position").unwrap();
    let rows = statement.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
    let key = |data: Vec<u8>| serde_json::from_slice::<Value>(&data).unwrap()["verifier_key"].as_str().unwrap().parse();
    rows.map(|data| key(data.unwrap()).unwrap()).collect()
}

/// Every checkpoint in the file, in order.
pub fn checkpoints(conn: &Connection) -> Vec<Signed> {
    let mut statement = conn.prepare("SELECT size, note FROM checkpoint ORDER BY number").unwrap();
    let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)? as u64, row.get::<_, Vec<u8>>(1)?));
    let rows = statement.query_map([], row).unwrap();
    rows.map(|row| row.map(|(size, note)| (size, String::from_utf8(note).unwrap())).unwrap()).collect()
}

/// Every node in the file.
pub fn nodes(conn: &Connection) -> HashMap<NodeId, Hash> {
    let mut statement = conn.prepare("SELECT level, idx, hash FROM node").unwrap();
    let row = |row: &rusqlite::Row<'_>| {
        Ok((NodeId { level: row.get(0)?, index: row.get::<_, i64>(1)? as u64 }, Hash(row.get(2)?)))
    };
    statement.query_map([], row).unwrap().map(Result::unwrap).collect()
}

/// Checks the nodes and checkpoints of the folder's log against its leaves. Returns the checkpoints, and how many events the newest
/// one covers.
#[track_caller]
pub fn audit(folder: &Path) -> (Vec<Signed>, u64) {
    audit_checkpoints(folder, usize::MAX)
}

/// As [`audit`], but checks only the newest `count` checkpoints.
#[track_caller]
pub fn audit_checkpoints(folder: &Path, count: usize) -> (Vec<Signed>, u64) {
    let conn = Connection::open_with_flags(folder.join("log.db"), READ_ONLY).unwrap();
    // One transaction, so that all reads see one state while a server writes.
    let conn = conn.unchecked_transaction().unwrap();
    let (leaves, stored, signed, keys) = (leaves(&conn), nodes(&conn), checkpoints(&conn), keys(&conn));
    let (mut edge, mut computed, mut heads) = (Frontier::EMPTY, HashMap::new(), Vec::new());
    for (position, leaf) in leaves.iter().enumerate() {
        assert_eq!(Leaf::parse_strict(leaf).unwrap().position().unwrap().get(), position as u64);
        let store = |node, hash| computed.insert(node, hash).map_or(Ok(()), |_| Err(node));
        edge.append(leaf_hash(leaf), store).unwrap();
        heads.push(edge.head().unwrap());
    }
    assert!(stored == computed, "the stored nodes are those of the leaves, {} and {}", stored.len(), computed.len());
    let mut before = 0;
    let first = signed.len() - signed.len().min(count);
    for (size, note) in &signed[first..] {
        assert!(*size > before, "sizes grow");
        let checkpoint: Checkpoint = open_note(note, &keys).unwrap().text.parse().unwrap();
        assert_eq!((checkpoint.head.size.get(), checkpoint.head), (*size, heads[*size as usize - 1]));
        before = *size;
    }
    (signed, before)
}
