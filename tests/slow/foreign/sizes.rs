//! Verifiers from other projects verify the files of a real server at every size at which a tile or a level begins or ends.

use super::mirror::{Grown, Mirror, key};
use super::tools::tools;
use crate::support::TestServer;
use crate::support::rows::{EventRow, open, seal};

/// The genesis event is one of them.
const SIZES: [u64; 10] = [1, 2, 3, 255, 256, 257, 65_535, 65_536, 65_537, 200_000];

#[test]
fn other_verifiers_verify_a_growing_log_at_each_size() {
    let Some(tools) = tools() else { return };
    let mut log = Grown::new();
    let (key, mirror) = (key(&log.server).to_string(), Mirror::new());
    let mut before = None;
    for size in SIZES {
        log.to(size);
        assert_eq!(mirror.fetch(&log.auditor), size);
        for position in [0, size / 2, size - 1] {
            mirror.fetch_receipt(&log.auditor, position);
        }
        if let Some(before) = before.replace(size) {
            mirror.fetch_consistency(&log.auditor, before, size);
        }
        let root = format!("verified {size} entries, root {}", mirror.checkpoint().head.root);
        for told in [tools.go(mirror.path(), &key), tools.python(mirror.path(), &key)] {
            assert_eq!(told.expect(0).stdout.trim_end(), root);
        }
        // What is held at one size must hold at all later ones.
        mirror.hold();
    }
}

#[test]
fn an_entry_of_the_largest_size_is_verified() {
    const LARGEST: usize = 16 * 1024;
    let Some(tools) = tools() else { return };
    let mut log = Grown::new();
    log.to(4);
    log.server.stop();
    // The format allows such an entry, although no request makes one.
    let conn = open(&log.server.path().join("log.db"));
    let mut row = EventRow::next(&conn, "job.progress", 1, r#"{"progress":2}"#);
    let filled = "x".repeat(LARGEST - row.leaf.len());
    row.leaf = String::from_utf8(row.leaf).unwrap().replace("/tests/grants", &format!("/tests/grants{filled}")).into();
    assert_eq!(row.leaf.len(), LARGEST);
    row.write(&conn, "INSERT").unwrap();
    seal(&conn, log.server.path());
    drop(conn);
    let server = TestServer::on(log.server.path(), jobledger::ledger::system_clock());
    let (key, auditor, mirror) = (key(&server).to_string(), log.auditor.at(&server.url), Mirror::new());
    assert_eq!(mirror.fetch(&auditor), 5);
    mirror.fetch_receipt(&auditor, 4);
    for told in [tools.go(mirror.path(), &key), tools.python(mirror.path(), &key)] {
        told.expect(0);
    }
}
