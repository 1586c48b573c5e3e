//! A forgery that public verifiers accept (CVE-2026-56865): an entry and its tile together, under the genuine checkpoint.
//!
//! Public verifiers read hashes through tiles, and check each tile against its parent, up to the tiles that make the root. A tile that
//! holds several of the root's subtrees is fetched once, but the verifier counts it once for each subtree. So it then skips the check
//! of as many later tiles. A safe verifier starts from the bytes of entries.

use std::fs;
use std::io::{Cursor, Read};

use jobledger::audit::{AuditError, Auditor, Class, audit_site};
use jobledger::tree::{Frontier, Hash, TileKind, leaf_hash, split_entries};
use rusqlite::Connection;
use tlog_tiles::tlog::{self, HashReader};
use tlog_tiles::{TileHashReader, TileReader};

use super::mirror::{Grown, Mirror, key, tiles};
use super::tools::tools;
use crate::support::insider::open;

/// The root has eight subtrees in three tiles, so public verifiers skip the check of five tiles.
const SIZE: u64 = 70_003;
/// The position of the forged entry.
const FORGED: u64 = 12;

/// Reads tiles as a public client does.
impl TileReader for Mirror {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[tlog_tiles::Tile]) -> Result<Vec<Vec<u8>>, tlog::Error> {
        let read = |tile: &tlog_tiles::Tile| fs::read(self.file(&tile.path().replacen("tile/8/", "tile/", 1))).unwrap();
        Ok(tiles.iter().map(read).collect())
    }

    fn save_tiles(&self, _: &[tlog_tiles::Tile], _: &[Vec<u8>]) {}
}

/// The hash of an entry as a client that trusts tiles gets it.
fn publicly(mirror: &Mirror, position: u64) -> Result<Hash, tlog::Error> {
    let head = mirror.checkpoint().head;
    let reader = TileHashReader::new(head.size.get(), tlog::Hash(head.root.0), mirror);
    Ok(Hash(reader.read_hashes(&[tlog::stored_hash_index(0, position)])?[0].0))
}

/// Names another role in the entry, and puts the entry's hash into its tile. Changes no tile above.
fn forge(conn: &Connection, position: u64) -> Vec<u8> {
    let sql = "SELECT leaf FROM event WHERE position = ?1";
    let leaf: Vec<u8> = conn.query_row(sql, [position as i64], |row| row.get(0)).unwrap();
    let forged = String::from_utf8(leaf).unwrap().replace("db_reader", "db_owner").into_bytes();
    let changed = conn.execute("UPDATE event SET leaf = ?1 WHERE position = ?2", (&forged, position as i64)).unwrap();
    let sql = "UPDATE node SET hash = ?1 WHERE level = 0 AND idx = ?2";
    let changed = changed + conn.execute(sql, (leaf_hash(&forged).as_bytes(), position as i64)).unwrap();
    assert_eq!(changed, 2);
    forged
}

/// The root over the entries of a mirror, from their bytes.
fn root(mirror: &Mirror) -> Hash {
    let mut frontier = Frontier::EMPTY;
    for tile in tiles(mirror.checkpoint().head.size).filter(|tile| tile.kind() == TileKind::Entries) {
        let bundle = fs::read(mirror.file(&tile.to_string())).unwrap();
        for leaf in split_entries(&bundle, tile.width()).unwrap() {
            frontier.append(leaf_hash(leaf), |_, _| Ok::<(), ()>(())).unwrap();
        }
    }
    frontier.head().unwrap().root
}

#[test]
fn verifiers_that_start_from_entries_refuse_a_forged_tile_that_public_ones_accept() {
    let Some(tools) = tools() else { return };
    let mut log = Grown::new();
    log.to(SIZE);
    let pinned = key(&log.server);
    let vkey = pinned.to_string();
    let genuine = Mirror::new();
    assert_eq!(genuine.fetch(&log.auditor), SIZE);
    assert_eq!(root(&genuine), genuine.checkpoint().head.root);

    log.server.stop();
    let forged = forge(&open(log.server.path()), FORGED);
    log.server.restart();
    // The server on that file starts, and serves it under the checkpoint that it once signed.
    let mirror = Mirror::new();
    let public = log.auditor.at(&log.server.url);
    assert_eq!(mirror.fetch(&public), SIZE);
    assert_eq!(fs::read(mirror.file("checkpoint")).unwrap(), fs::read(genuine.file("checkpoint")).unwrap());

    // A public client asks for the hash of the entry that it was given, and gets it.
    assert_eq!(publicly(&mirror, FORGED).unwrap(), leaf_hash(&forged));
    assert_ne!(publicly(&genuine, FORGED).unwrap(), leaf_hash(&forged));

    assert_ne!(root(&mirror), mirror.checkpoint().head.root);
    assert!(tools.go(mirror.path(), &vkey).expect(3).stdout.starts_with("root: "));
    assert!(tools.python(mirror.path(), &vkey).expect(3).stdout.starts_with("root: "));
    let mut auditor = Auditor::new(Some(pinned));
    let get = |path: &str| -> Result<Box<dyn Read>, AuditError> {
        Ok(Box::new(Cursor::new(public.get(path).expect(200).body)))
    };
    audit_site(get, &mut auditor, |_, _| {}).unwrap();
    let report = auditor.finish();
    assert_eq!(report.class(), Some(Class::Content));
    assert!(report.faults[0].what.contains("is not the one that was signed"), "{}", report.faults[0].what);
}

#[test]
fn a_forged_tile_that_makes_the_root_is_refused_by_public_verifiers_too() {
    let mut log = Grown::new();
    log.to(300);
    let mirror = Mirror::new();
    mirror.fetch(&log.auditor);
    assert!(publicly(&mirror, 299).is_ok());
    mirror.change("tile/0/001.p/44", |tile| tile[0] ^= 1);
    assert!(publicly(&mirror, 299).is_err());
}
