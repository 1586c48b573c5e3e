//! The tree over HTTP. The tests compute all served hashes again from exported leaves, and verify the proofs with the verifier key
//! alone.

use jobledger::access::Role;
use jobledger::ledger::identity;
use jobledger::log::Reader;
use jobledger::tree::{
    Checkpoint, Frontier, Hash, Head, NodeId, Receipt, Size, Tile, TileKind, VerifierKey, leaf_hash, split_entries,
    verify_consistency,
};
use jobledger::wire::Entry;
use serde_json::json;
use std::collections::HashMap;

use crate::support::exports::{exported, import, small_ledger};
use crate::support::{Client, TestServer, insider, noted, problem, task_job};

/// An auditor: a client, the verifier key, and the tree that the auditor computed from an export.
struct Auditor {
    client: Client,
    key: VerifierKey,
    leaves: Vec<Vec<u8>>,
    heads: Vec<Head>,
    nodes: HashMap<NodeId, Hash>,
}

impl Auditor {
    fn of(server: &TestServer, client: &Client) -> Auditor {
        let conn = Reader::open(&server.path().join("log.db")).unwrap();
        let key = identity(&Reader::new(&conn)).unwrap().verifier_key().clone();
        let leaf = |line: &str| Entry::parse(line).unwrap().leaf;
        let leaves: Vec<Vec<u8>> = exported(server.path(), &[]).lines().map(leaf).collect();
        let (mut edge, mut nodes, mut heads) = (Frontier::EMPTY, HashMap::new(), Vec::new());
        for leaf in &leaves {
            let store = |node, hash| nodes.insert(node, hash).map_or(Ok(()), |_| Err(node));
            edge.append(leaf_hash(leaf), store).unwrap();
            heads.push(edge.head().unwrap());
        }
        Auditor { client: client.at(&server.url), key, leaves, heads, nodes }
    }

    fn known(&self) -> &[VerifierKey] {
        std::slice::from_ref(&self.key)
    }

    fn head(&self) -> Head {
        *self.heads.last().unwrap()
    }

    /// Checks that the served checkpoint covers exactly the exported events. Returns it.
    fn checkpoint(&self) -> String {
        let answer = self.client.get("/ledger/checkpoint").expect(200);
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
        assert_eq!(answer.header("ledger-position"), self.head().size.last().to_string());
        let opened = Checkpoint::open(&answer.text(), self.key.name(), self.known()).unwrap();
        assert_eq!(opened.head, self.head());
        answer.text()
    }

    /// Checks every tile of the tree: tiles of hashes and tiles of entries.
    fn tiles(&self) {
        let size = self.head().size;
        let kinds = (0..8).map(|level| TileKind::Hashes { level }).chain([TileKind::Entries]);
        let tiles = kinds.flat_map(|kind| (0..).map_while(move |index| Tile::of(size, kind, index)));
        for tile in tiles {
            let answer = self.client.get(&format!("/ledger/{tile}")).expect(200);
            assert_eq!(answer.header("content-type"), "application/octet-stream");
            assert_eq!(answer.header("cache-control"), "private, max-age=31536000, immutable");
            match tile.kind() {
                TileKind::Entries => {
                    let range = tile.range().start as usize..tile.range().end as usize;
                    assert_eq!(split_entries(&answer.body, tile.width()).unwrap(), self.leaves[range]);
                }
                TileKind::Hashes { .. } => {
                    let expected: Vec<Hash> = tile.nodes().map(|node| self.nodes[&node]).collect();
                    assert_eq!(tile.hashes(&answer.body).unwrap(), expected, "{tile}");
                }
            }
        }
    }

    fn proof(&self, position: u64) -> Receipt {
        let answer = self.client.get(&format!("/ledger/events/{position}/proof")).expect(200);
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
        let receipt: Receipt = answer.text().parse().unwrap();
        assert_eq!(receipt.index, position);
        receipt
    }

    fn consistency(&self, from: u64, to: u64) -> Vec<Hash> {
        let answer = self.client.get(&format!("/ledger/consistency?from={from}&to={to}")).expect(200).json();
        assert_eq!((answer["from"].as_u64(), answer["to"].as_u64()), (Some(from), Some(to)));
        answer["hashes"].as_array().unwrap().iter().map(|hash| hash.as_str().unwrap().parse().unwrap()).collect()
    }
}

#[test]
fn at_every_size_the_served_tree_follows_from_the_leaves() {
    let mut server = TestServer::start();
    let (worker, auditor) = (server.client(Role::Worker), server.client(Role::Auditor));
    Auditor::of(&server, &auditor).tiles();
    let mut size = 1;
    for batch in [1_u64, 1, 2, 7, 11, 101, 131, 1, 1, 1, 97, 157, 1, 1, 88].into_iter().cycle() {
        let events: Vec<_> = (0..batch).map(|n| task_job(&format!("{size}-{n}"))).collect();
        worker.at(&server.url).append(&json!(events)).expect(201);
        size += batch;
        let told = Auditor::of(&server, &auditor);
        assert_eq!(told.head().size.get(), size);
        told.checkpoint();
        told.tiles();
        for position in [0, size / 2, size - 1] {
            told.proof(position).verify(&told.leaves[position as usize], told.key.name(), told.known()).unwrap();
        }
        if batch == 101 {
            server.restart();
        }
        if size > 600 {
            break;
        }
    }
    let told = Auditor::of(&server, &auditor);
    for (position, leaf) in told.leaves.iter().enumerate() {
        told.proof(position as u64).verify(leaf, told.key.name(), told.known()).unwrap();
        assert_eq!(told.client.get(&format!("/ledger/events/{position}/leaf")).expect(200).body, *leaf);
    }
    // Tiles of smaller trees stay under their own paths.
    for (path, width) in [("tile/0/000.p/7", 7), ("tile/1/000.p/1", 1), ("tile/0/001.p/255", 255)] {
        assert_eq!(told.client.get(&format!("/ledger/{path}")).expect(200).body.len(), width * 32);
    }
}

#[test]
fn every_two_sizes_are_consistent() {
    let server = TestServer::start();
    let events: Vec<_> = (0..40).map(|n| task_job(&n.to_string())).collect();
    server.client(Role::Worker).append(&json!(events)).expect(201);
    let told = Auditor::of(&server, &server.client(Role::Viewer));
    for to in 1..=41 {
        for from in 1..=to {
            let proof = told.consistency(from, to);
            let [old, new] = [from, to].map(|size| &told.heads[size as usize - 1]);
            verify_consistency(old, new, &proof).unwrap();
        }
    }
}

#[test]
fn impossible_sizes_and_tiles_are_refused_before_any_work() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&json!([task_job("a"), task_job("b"), task_job("c")])).expect(201);
    let viewer = server.client(Role::Viewer);
    let max = u64::MAX.to_string();
    for (from, to) in [
        ("0", "4"),
        ("4", "3"),
        ("1", "5"),
        ("5", "5"),
        ("01", "4"),
        ("+1", "4"),
        ("1", "9223372036854775807"),
        ("1", "9223372036854775808"),
        ("1", &max),
        (&max, &max),
        ("-1", "4"),
        ("1.0", "4"),
        ("", "4"),
        ("99999999999999999999999999", "4"),
    ] {
        let refused = viewer.get(&format!("/ledger/consistency?from={}&to={to}", from.replace('+', "%2B")));
        problem(refused, 400, "bad-parameter");
    }
    for query in ["", "?from=1", "?to=1", "?from=1&to=2&to=3", "?from=1&to=2&x=1"] {
        problem(viewer.get(&format!("/ledger/consistency{query}")), 400, "bad-parameter");
    }
    for tile in [
        "0/000",
        "0/000.p/5",
        "0/001.p/1",
        "1/000.p/1",
        "63/000",
        "8/000.p/1",
        "0/0",
        "0/000.p/0",
        "0/000.p/04",
        "0/000.p/%34",
        "0/x999/x999/x999/x999/x999/x999/999",
        "00/000.p/4",
        "data/000",
        "0/000.p/4/",
        "%65ntries/000.p/4",
    ] {
        problem(viewer.get(&format!("/ledger/tile/{tile}")), 404, "no-such-tile");
    }
    assert_eq!(viewer.get("/ledger/tile/0/000.p/4").expect(200).body.len(), 128);
    for position in ["4", "9223372036854775807"] {
        problem(viewer.get(&format!("/ledger/events/{position}/proof")), 404, "no-such-event");
        problem(viewer.get(&format!("/ledger/events/{position}/leaf")), 404, "no-such-event");
    }
    problem(viewer.get("/ledger/events/x/proof"), 400, "bad-request");
    // The ledger's own events are for auditors.
    problem(viewer.get("/ledger/events/0/proof"), 404, "no-such-event");
    server.client(Role::Auditor).get("/ledger/events/0/proof").expect(200);
}

#[test]
fn every_checkpoint_is_listed_page_by_page() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&task_job("a")).expect(201);
    for n in 0..6 {
        worker.append(&json!([noted("a", &n.to_string()), noted("a", "x")])).expect(201);
    }
    let told = Auditor::of(&server, &server.client(Role::Viewer));
    let (mut notes, mut next) = (Vec::new(), Some(1));
    while let Some(from) = next {
        let page = told.client.get(&format!("/ledger/checkpoints?from={from}&limit=3")).expect(200).json();
        for signed in page["checkpoints"].as_array().unwrap() {
            let note = signed["note"].as_str().unwrap().to_owned();
            let opened = Checkpoint::open(&note, told.key.name(), told.known()).unwrap();
            assert_eq!(opened.head, told.heads[signed["size"].as_u64().unwrap() as usize - 1]);
            assert_eq!(signed["number"], notes.len() + 1);
            notes.push(note);
        }
        next = page["next"].as_u64();
    }
    assert_eq!(notes.len(), 8);
    assert_eq!(notes.last(), Some(&told.checkpoint()));
    assert_eq!(told.client.get("/ledger/checkpoints?from=99").expect(200).json()["checkpoints"], json!([]));
    for query in ["from=0", "from=x", "limit=0", "limit=1001", "after=1"] {
        problem(told.client.get(&format!("/ledger/checkpoints?{query}")), 400, "bad-parameter");
    }
    let metrics = server.client(Role::Auditor).get("/metrics").expect(200).text();
    assert!(metrics.lines().any(|line| line == "jobledger_tree_size 14"), "{metrics}");
}

#[test]
fn a_copy_without_a_checkpoint_proves_nothing_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("copy");
    import(&copy, exported(&small_ledger(dir.path()), &[])).expect(0);
    let server = TestServer::on(&copy, jobledger::ledger::system_clock());
    let auditor = server.client(Role::Auditor);
    for path in ["checkpoint", "tile/0/000.p/1", "events/1/proof", "consistency?from=1&to=1"] {
        problem(auditor.get(&format!("/ledger/{path}")), 404, "no-checkpoint");
    }
    auditor.get("/ledger/events/1/leaf").expect(200);
    assert_eq!(auditor.get("/ledger/checkpoints").expect(200).json(), json!({"checkpoints": [], "next": null}));
}

/// The server does not skip an event that an insider deleted from the file: it refuses the whole tile.
#[test]
fn a_tile_of_entries_that_lacks_an_event_is_refused() {
    for lost in [2, 4] {
        let server = TestServer::start();
        let worker = server.client(Role::Worker);
        worker.append(&json!([task_job("a"), task_job("b"), task_job("c"), task_job("d")])).expect(201);
        let auditor = server.client(Role::Auditor);
        auditor.get("/ledger/tile/entries/000.p/5").expect(200);
        insider::open(server.path()).execute("DELETE FROM event WHERE position = ?1", [lost]).unwrap();
        problem(auditor.get("/ledger/tile/entries/000.p/5"), 500, "internal");
        auditor.get("/ledger/tile/entries/000.p/2").expect(200);
    }
}

#[test]
fn an_old_receipt_stays_valid_while_the_log_grows() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let prefer = [("prefer", "respond-async, return=receipt; wait=1")];
    let batch = json!([task_job("a"), noted("a", "1"), task_job("b")]);
    let answer = worker.append_with(&batch, &prefer).expect(201);
    assert_eq!(answer.header("preference-applied"), "return=receipt");
    let receipts: Vec<Receipt> = answer.json()["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["receipt"].as_str().unwrap().parse().unwrap())
        .collect();
    let then = Size::new(4).unwrap();
    for n in 0..4 {
        let events: Vec<_> = (0..250).map(|m| task_job(&format!("{n}-{m}"))).collect();
        worker.append(&json!(events)).expect(201);
    }
    let told = Auditor::of(&server, &server.client(Role::Auditor));
    let proof = told.consistency(then.get(), told.head().size.get());
    for (n, receipt) in receipts.iter().enumerate() {
        let leaf = receipt.extra.as_deref().unwrap();
        assert_eq!(leaf, told.leaves[n + 1]);
        // Offline, and then as a part of what the log is now.
        let checkpoint = receipt.verify(leaf, told.key.name(), told.known()).unwrap();
        assert_eq!(checkpoint.head.size, then);
        verify_consistency(&checkpoint.head, &told.head(), &proof).unwrap();
    }
    // What was known already is proven too, under the newest checkpoint.
    let again = worker.append_with(&batch, &prefer).expect(200).json();
    for (n, event) in again["events"].as_array().unwrap().iter().enumerate() {
        let receipt: Receipt = event["receipt"].as_str().unwrap().parse().unwrap();
        let checkpoint = receipt.verify(&told.leaves[n + 1], told.key.name(), told.known()).unwrap();
        assert_eq!(checkpoint.head, told.head());
    }
    // Only a client that asks gets one.
    for prefer in [&[][..], &[("prefer", "return=minimal")], &[("prefer", "receipt")]] {
        let answer = worker.append_with(&noted("a", "x"), prefer).expect(201);
        assert!(!answer.headers.contains_key("preference-applied"));
        assert!(answer.json()["events"][0].get("receipt").is_none());
    }
}
