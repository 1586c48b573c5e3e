//! The audit of a running server over HTTP: checkpoints, entry tiles and tiles (C2SP tlog-tiles), and the export.

use std::io::{BufRead, BufReader, Read};

use rusqlite::{Connection, params};
use serde::Deserialize;

use super::checkpoints::{Checkpoints, numbered};
use super::{AuditError, Auditor, BadAnswer, Class};
use crate::job::{Position, plural};
use crate::tree::{Checkpoint, Hash, MAX_NOTE, NodeId, Size, Tile, TileKind, split_entries};
use crate::wire::{Entry, Lines, NotAnExportLine};

/// The largest answer except the export, 64 MiB: a page of the longest checkpoints.
const LARGEST: u64 = 1000 * MAX_NOTE as u64;
/// Most checkpoints that the audit reads for each entry. A server that plays by the rules lists one at most, because a checkpoint
/// covers at least one entry more than the one before it.
const MOST_BY_ENTRY: u64 = 10;
/// Most further checkpoints: a log that lost events and was continued signs some sizes again.
const MOST_LEFT_BEHIND: u64 = 100_000;
/// Levels of the tree between two levels of tiles.
const TILE_HEIGHT: u8 = 8;
/// Hashes in a full tile.
const TILE_WIDTH: usize = 256;

/// Audits the published log of a server, up to its newest checkpoint at this moment. `get` fetches a path below the
/// server's root, such as `/ledger/checkpoint`. `progress` gets how many entries were read, and how many there are.
///
/// The audit hashes the entries itself, and compares the server's tiles with the result.
///
/// # Errors
/// `get` fails, or an answer is not of the documented form.
pub fn audit_site<E: From<AuditError>>(
    get: impl Fn(&str) -> Result<Box<dyn Read>, E>,
    auditor: &mut Auditor,
    progress: impl FnMut(u64, u64),
) -> Result<(), E> {
    let site = Site { get };
    let newest = site.text("/ledger/checkpoint")?;
    let Ok(Checkpoint { head, .. }) = Checkpoint::claimed(&newest) else {
        let what = "the newest checkpoint has another form: expected three lines and a signature";
        auditor.fault(Class::Signature, None, what.into());
        return Ok(());
    };
    auditor.demand_checkpoints();
    auditor.unchecked("what only the folder has, nodes, columns and views: `verify db` looks at them");
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
        if bytes.len() as u64 > LARGEST { Err(bad(path, BadAnswer::Long)) } else { Ok(bytes) }
    }

    fn text(&self, path: &str) -> Result<String, E> {
        String::from_utf8(self.bytes(path)?).map_err(|_| bad(path, BadAnswer::NotText))
    }

    /// Reads every checkpoint up to `newest` into a temporary database, because they may not fit into memory. The audit takes them in
    /// the order of size. If the log lost events and was continued, the order of numbers is another one.
    fn checkpoints(&self, newest: &str, size: Size, auditor: &mut Auditor) -> Result<Connection, E> {
        // Under an empty name SQLite keeps a small database in memory, and a large one in a file without a name.
        let table = Connection::open("").map_err(AuditError::from)?;
        let sql = "CREATE TABLE checkpoint (number INTEGER PRIMARY KEY, size INTEGER, note TEXT)";
        table.execute_batch(sql).map_err(AuditError::from)?;
        let most = MOST_LEFT_BEHIND.saturating_add(MOST_BY_ENTRY.saturating_mul(size.get()));
        let mut from = 1;
        loop {
            let path = format!("/ledger/checkpoints?from={from}&limit=1000");
            let page: CheckpointPage =
                serde_json::from_slice(&self.bytes(&path)?).map_err(|error| bad(&path, error))?;
            if from > most {
                return Err(bad(&path, BadAnswer::ManyCheckpoints));
            }
            let transaction = table.unchecked_transaction().map_err(AuditError::from)?;
            for Listed { number, size, note } in page.checkpoints {
                if number < from {
                    return Err(bad(&path, BadAnswer::Unsorted));
                }
                if note.len() > MAX_NOTE {
                    return Err(bad(&path, BadAnswer::LongCheckpoint));
                }
                from = number + 1;
                let sql = "INSERT INTO checkpoint VALUES (?1, ?2, ?3)";
                let added = table.execute(sql, params![number as i64, size.min(1 << 62) as i64, note]);
                added.map_err(AuditError::from)?;
                if note == newest {
                    transaction.commit().map_err(AuditError::from)?;
                    return Ok(table);
                }
            }
            transaction.commit().map_err(AuditError::from)?;
            if page.next.is_none_or(|next| next < from) {
                let what = "the newest checkpoint is missing in the server's list";
                auditor.fault(Class::Signature, None, what.into());
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
        for tile in (0..).map_while(|index| Tile::of(size, TileKind::Entries, index)) {
            let path = format!("/ledger/{tile}");
            let bytes = self.bytes(&path)?;
            for leaf in split_entries(&bytes, tile.width()).map_err(|error| bad(&path, error))? {
                let position = Position::new(auditor.size());
                let line = match next_line(&mut export)? {
                    NextLine::Event(line) => line,
                    NextLine::Bad(why) => {
                        // The audit stops, because every later line would stand at another position and so be a fault too.
                        auditor.fault(Class::Content, Some(position), format!("the export: {why}"));
                        auditor.unchecked("everything after the first line that is no export line");
                        return Ok(());
                    }
                };
                if line.leaf != leaf {
                    auditor.fault(Class::Content, Some(position), "the export has another entry than the tile".into());
                }
                auditor.entry(leaf, line.content(), |node, hash| tiles.take(node, hash));
                while let Some(note) = checkpoints.take(auditor.size()).map_err(AuditError::from)? {
                    auditor.checkpoint(&note);
                }
            }
            for full in std::mem::take(&mut tiles.full) {
                self.compare(size, &full, auditor)?;
            }
            progress(auditor.size(), size.get());
        }
        for partial in tiles.growing.iter().filter(|tile| !tile.hashes.is_empty()) {
            self.compare(size, partial, auditor)?;
        }
        checkpoints.beyond(auditor).map_err(AuditError::from)?;
        Ok(())
    }

    /// Compares a published tile with the hashes that the entries gave.
    fn compare(&self, size: Size, grown: &GrownTile, auditor: &mut Auditor) -> Result<(), E> {
        let GrownTile { level, index, hashes } = grown;
        let kind = TileKind::Hashes { level: *level };
        let tile = Tile::of(size, kind, *index).expect("the entries of a tree grow only its own tiles");
        let found = self.bytes(&format!("/ledger/{tile}"))?;
        if found != *hashes {
            let (expected, found) = (hashes.chunks(Hash::LEN), found.chunks(Hash::LEN));
            let same = expected.zip(found).take_while(|(expected, found)| expected == found).count() as u64;
            let first = (tile.range().start + same) << (TILE_HEIGHT * level);
            let what = format!("`{tile}` differs from the hashes of its entries, from position {first} on");
            // Only on level 0 a hash belongs to one entry, so only there the fault has a position.
            auditor.fault(Class::Content, (*level == 0).then_some(Position::new(first)), what);
        }
        Ok(())
    }
}

/// The tiles that the audit grows from the entries.
#[derive(Default)]
struct Tiles {
    /// By level, the tile at the right edge.
    growing: Vec<GrownTile>,
    /// The tiles that became full since the last comparison.
    full: Vec<GrownTile>,
}

/// A tile's place and its hashes so far.
struct GrownTile {
    level: u8,
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
            self.growing.push(GrownTile { level, index: 0, hashes: Vec::new() });
        }
        let tile = &mut self.growing[usize::from(level)];
        tile.hashes.extend_from_slice(hash.as_bytes());
        if tile.hashes.len() == TILE_WIDTH * Hash::LEN {
            let next = GrownTile { level, index: tile.index + 1, hashes: Vec::new() };
            self.full.push(std::mem::replace(tile, next));
        }
    }
}

/// The next line of an export.
enum NextLine {
    Event(Entry),
    Bad(BadLine),
}

/// Why the export's next line is no event.
#[derive(Debug, thiserror::Error)]
enum BadLine {
    #[error(transparent)]
    Text(#[from] std::str::Utf8Error),
    #[error(transparent)]
    Form(#[from] NotAnExportLine),
    #[error("expected a line, found {} and the end", plural(.0, "byte", "bytes"))]
    Cut(usize),
    #[error("expected a line, found the end")]
    End,
}

fn next_line(export: &mut Lines<impl BufRead>) -> Result<NextLine, AuditError> {
    let Some(line) = export.next_line()? else { return Ok(NextLine::Bad(BadLine::End)) };
    if !line.ended {
        return Ok(NextLine::Bad(BadLine::Cut(line.bytes.len())));
    }
    let parsed = std::str::from_utf8(line.bytes)
        .map_err(BadLine::from)
        .and_then(|text| Entry::parse(text).map_err(BadLine::from));
    Ok(parsed.map_or_else(NextLine::Bad, NextLine::Event))
}

fn bad<E: From<AuditError>>(path: &str, why: impl Into<BadAnswer>) -> E {
    AuditError::Answer { path: path.to_owned(), why: why.into() }.into()
}
