//! An audit of what a server publishes: its checkpoints, its entries and tiles (C2SP tlog-tiles), and the export beside them.

use std::io::{BufRead, BufReader, Read};

use rusqlite::{Connection, params};
use serde::Deserialize;

use super::checkpoints::{Checkpoints, numbered};
use super::{AuditError, Auditor, Class};
use crate::job::{Position, plural};
use crate::tree::{Checkpoint, Hash, MAX_NOTE, NodeId, Size, Tile, TileKind, split_entries};
use crate::wire::{Entry, Lines};

/// The largest answer but the export, 64 MiB: a page of checkpoints that are as long as may be.
const LARGEST: u64 = 1000 * MAX_NOTE as u64;
/// Most checkpoints: each covers at least one entry more than the one before it, but where a log lost events and was continued.
const MOST_BY_ENTRY: u64 = 10;
const LEFT_BEHIND: u64 = 100_000;
/// Levels of the tree between two levels of tiles.
const TILE_HEIGHT: u8 = 8;
/// Hashes in a full tile.
const TILE_WIDTH: usize = 256;

/// Takes what is published into the audit, up to the newest checkpoint of this moment; tells `progress` how many entries of how
/// many were read. `get` answers the content of a path below the server's root, such as `/ledger/checkpoint`.
///
/// Nothing that the server says of the tree is believed: the entries are hashed, and tiles are compared with what that gives.
pub fn audit_site<E: From<AuditError>>(
    get: impl Fn(&str) -> Result<Box<dyn Read>, E>,
    auditor: &mut Auditor,
    progress: impl FnMut(u64, u64),
) -> Result<(), E> {
    let site = Site { get };
    let newest = site.text("/ledger/checkpoint")?;
    let Ok(Checkpoint { head, .. }) = Checkpoint::claimed(&newest) else {
        auditor.fault(
            Class::Signature,
            None,
            "the newest checkpoint is none: expected three lines and a signature".into(),
        );
        return Ok(());
    };
    auditor.demand_checkpoints();
    auditor.leaves_out("what only the folder has, nodes, columns and views: `verify db` looks at them");
    let checkpoints = site.checkpoints(&newest, head.size, auditor)?;
    numbered(&checkpoints, auditor).map_err(AuditError::from)?;
    site.entries(head.size, &checkpoints, auditor, progress)
}

struct Site<G> {
    get: G,
}

#[derive(Deserialize)]
struct CheckpointPage {
    checkpoints: Vec<Listed>,
    next: Option<u64>,
}

#[derive(Deserialize)]
struct Listed {
    number: u64,
    size: u64,
    note: String,
}

impl<G, E> Site<G>
where
    G: Fn(&str) -> Result<Box<dyn Read>, E>,
    E: From<AuditError>,
{
    fn bytes(&self, path: &str) -> Result<Vec<u8>, E> {
        let mut bytes = Vec::new();
        (self.get)(path)?.take(LARGEST + 1).read_to_end(&mut bytes).map_err(AuditError::from)?;
        if bytes.len() as u64 > LARGEST { Err(unexpected(path, "more bytes than it can have")) } else { Ok(bytes) }
    }

    fn text(&self, path: &str) -> Result<String, E> {
        String::from_utf8(self.bytes(path)?).map_err(|_| unexpected(path, "not text"))
    }

    /// Every checkpoint up to `newest`, in a database of its own: there may be more than fit into memory, and they are taken by
    /// size, which is not the order in which they were signed where a log lost events and was continued.
    fn checkpoints(&self, newest: &str, size: Size, auditor: &mut Auditor) -> Result<Connection, E> {
        // An empty name: SQLite keeps it in memory as long as it is small, and in a file without a name then.
        let table = Connection::open("").map_err(AuditError::from)?;
        let sql = "CREATE TABLE checkpoint (number INTEGER PRIMARY KEY, size INTEGER, note TEXT)";
        table.execute_batch(sql).map_err(AuditError::from)?;
        let most = LEFT_BEHIND.saturating_add(MOST_BY_ENTRY.saturating_mul(size.get()));
        let mut from = 1;
        loop {
            let path = format!("/ledger/checkpoints?from={from}&limit=1000");
            let page: CheckpointPage =
                serde_json::from_slice(&self.bytes(&path)?).map_err(|error| unexpected(&path, &error.to_string()))?;
            if from > most {
                return Err(unexpected(&path, "more checkpoints than its entries can have"));
            }
            let transaction = table.unchecked_transaction().map_err(AuditError::from)?;
            for Listed { number, size, note } in page.checkpoints {
                if number < from {
                    return Err(unexpected(&path, "a checkpoint of a smaller number"));
                }
                if note.len() > MAX_NOTE {
                    return Err(unexpected(&path, "a checkpoint that is longer than any"));
                }
                from = number + 1;
                let sql = "INSERT INTO checkpoint VALUES (?1, ?2, ?3)";
                let kept = table.execute(sql, params![number as i64, size.min(1 << 62) as i64, note]);
                kept.map_err(AuditError::from)?;
                if note == newest {
                    transaction.commit().map_err(AuditError::from)?;
                    return Ok(table);
                }
            }
            transaction.commit().map_err(AuditError::from)?;
            if page.next.is_none_or(|next| next < from) {
                auditor.fault(
                    Class::Signature,
                    None,
                    "the newest checkpoint is not among those that are listed".into(),
                );
                return Ok(table);
            }
        }
    }

    fn entries(
        &self,
        size: Size,
        checkpoints: &Connection,
        auditor: &mut Auditor,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<(), E> {
        let mut by_size = checkpoints.prepare(Checkpoints::BY_SIZE).map_err(AuditError::from)?;
        let mut checkpoints = by_size.query([]).and_then(Checkpoints::start).map_err(AuditError::from)?;
        let mut export = Lines::new(BufReader::with_capacity(1 << 20, (self.get)("/ledger/export")?));
        let mut tiles = Tiles::default();
        for bundle in (0..).map_while(|index| Tile::of(size, TileKind::Entries, index)) {
            let path = format!("/ledger/{bundle}");
            let bytes = self.bytes(&path)?;
            let leaves =
                split_entries(&bytes, bundle.width()).map_err(|error| unexpected(&path, &error.to_string()))?;
            for leaf in leaves {
                let position = Position::new(auditor.size());
                let line = match export_line(&mut export)? {
                    Ok(line) => line,
                    Err(what) => {
                        // What comes after it would all be out of place.
                        auditor.fault(Class::Content, Some(position), format!("the export: {what}"));
                        auditor.leaves_out("everything after the first line that is no export line");
                        return Ok(());
                    }
                };
                if line.leaf != leaf {
                    auditor.fault(Class::Content, Some(position), "the export has another entry than the tile".into());
                }
                let content = line.content.as_ref().map(|(salt, data)| (salt.as_slice(), data.as_slice()));
                auditor.entry(leaf, content, |node, hash| tiles.take(node, hash));
                checkpoints.take(auditor).map_err(AuditError::from)?;
            }
            for (level, index, hashes) in std::mem::take(&mut tiles.full) {
                self.compare(size, (level, index), &hashes, auditor)?;
            }
            progress(auditor.size(), size.get());
        }
        for (level, growing) in tiles.growing.into_iter().enumerate().filter(|(_, growing)| !growing.hashes.is_empty())
        {
            self.compare(size, (level as u8, growing.index), &growing.hashes, auditor)?;
        }
        checkpoints.beyond(auditor).map_err(AuditError::from)?;
        Ok(())
    }

    /// Compares a published tile with the hashes that the entries gave.
    fn compare(&self, size: Size, (level, index): (u8, u64), hashes: &[u8], auditor: &mut Auditor) -> Result<(), E> {
        let tile = Tile::of(size, TileKind::Hashes { level }, index).expect("the tree has what its entries gave");
        let found = self.bytes(&format!("/ledger/{tile}"))?;
        if found != hashes {
            let (expected, found) = (hashes.chunks(Hash::LEN), found.chunks(Hash::LEN));
            let same = expected.zip(found).take_while(|(expected, found)| expected == found).count() as u64;
            let first = (tile.range().start + same) << (TILE_HEIGHT * level);
            let what = format!("`{tile}` is not what the entries under it hash to, from position {first} on");
            // Only a hash of level 0 is of one entry.
            auditor.fault(Class::Content, (level == 0).then_some(Position::new(first)), what);
        }
        Ok(())
    }
}

/// The tiles of a tree as they grow.
#[derive(Default)]
struct Tiles {
    /// By level, the tile at the right edge.
    growing: Vec<Growing>,
    /// Level, index and hashes of those that became full.
    full: Vec<(u8, u64, Vec<u8>)>,
}

#[derive(Default)]
struct Growing {
    index: u64,
    hashes: Vec<u8>,
}

impl Tiles {
    fn take(&mut self, node: NodeId, hash: Hash) {
        if !node.level.is_multiple_of(TILE_HEIGHT) {
            return;
        }
        let level = node.level / TILE_HEIGHT;
        if self.growing.len() <= usize::from(level) {
            self.growing.resize_with(usize::from(level) + 1, Growing::default);
        }
        let growing = &mut self.growing[usize::from(level)];
        growing.hashes.extend_from_slice(hash.as_bytes());
        if growing.hashes.len() == TILE_WIDTH * Hash::LEN {
            self.full.push((level, growing.index, std::mem::take(&mut growing.hashes)));
            growing.index += 1;
        }
    }
}

/// The next line of an export, or what is there instead.
fn export_line(export: &mut Lines<impl BufRead>) -> Result<Result<Entry, String>, AuditError> {
    match export.next_line()? {
        Some(line) if line.ended => Ok(line
            .text()
            .map_err(|error| error.to_string())
            .and_then(|text| Entry::parse(text).map_err(|error| error.to_string()))),
        Some(line) => {
            Ok(Err(format!("expected a line, found {} and its end", plural(line.bytes.len(), "byte", "bytes"))))
        }
        None => Ok(Err("expected a line, found its end".into())),
    }
}

fn unexpected<E: From<AuditError>>(path: &str, found: &str) -> E {
    AuditError::Answer { path: path.to_owned(), found: found.to_owned() }.into()
}
