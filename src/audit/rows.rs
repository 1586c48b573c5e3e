//! The rows of a log under audit, in blocks: one thread reads them from SQLite while another checks them.

use std::ops::Range;
use std::sync::mpsc::SyncSender;

use rusqlite::{Row, Rows};

use super::checkpoints::Checkpoints;
use crate::tree::{Hash, Size};

/// A block with so many bytes of rows takes no further row. A single row may have up to 64 MiB.
const BLOCK: usize = 256 << 10;

/// Rows of the log, in the order in which the audit takes them.
#[derive(Default)]
pub(super) struct Block {
    pub(super) items: Vec<Item>,
    /// The nodes that the entries of the block complete, in order. Fewer if the log lacks nodes.
    pub(super) nodes: Vec<StoredNode>,
    /// The texts and bytes of all entries.
    bytes: Vec<u8>,
    /// How many bytes the checkpoints have.
    notes: usize,
}

/// What the audit takes next.
pub(super) enum Item {
    /// The next entry.
    Entry(StoredEntry),
    /// A checkpoint of exactly the entries so far.
    Checkpoint(String),
}

/// A row of the table `event`.
pub(super) struct StoredEntry {
    pub(super) org: i64,
    pub(super) job: Option<i64>,
    pub(super) source: i64,
    pub(super) kind: Option<Place>,
    // `None` in the fields below is a value of another type than the column's, or NULL.
    pub(super) position: Option<i64>,
    pub(super) prev: Option<i64>,
    pub(super) version: Option<i64>,
    pub(super) recorded: Option<i64>,
    pub(super) id: Option<Place>,
    pub(super) event_type: Option<Place>,
    pub(super) leaf: Option<Place>,
    pub(super) salt: Option<Place>,
    pub(super) data: Option<Place>,
}

/// A place among the bytes of a block, which has less than 65 MiB.
pub(super) struct Place(Range<u32>);

/// A row of the table `node`.
pub(super) struct StoredNode {
    pub(super) level: i64,
    pub(super) index: i64,
    /// `None` if the value has not 32 bytes.
    pub(super) hash: Option<Hash>,
}

impl Block {
    /// The bytes at a place of this block.
    pub(super) fn bytes(&self, place: &Option<Place>) -> Option<&[u8]> {
        place.as_ref().map(|Place(range)| &self.bytes[range.start as usize..range.end as usize])
    }

    fn is_full(&self) -> bool {
        self.bytes.len() + self.notes >= BLOCK
    }

    fn add_entry(&mut self, row: &Row<'_>) -> Result<(), rusqlite::Error> {
        let number = |at| row.get_ref(at).map(|value| value.as_i64().ok());
        let entry = StoredEntry {
            org: row.get(0)?,
            job: row.get(1)?,
            source: row.get(2)?,
            position: number(3)?,
            prev: number(4)?,
            version: number(5)?,
            recorded: number(6)?,
            kind: row.get_ref(7)?.as_str_or_null()?.map(|kind| self.place(kind.as_bytes())),
            id: row.get_ref(8)?.as_str().ok().map(|id| self.place(id.as_bytes())),
            event_type: row.get_ref(9)?.as_str().ok().map(|name| self.place(name.as_bytes())),
            leaf: row.get_ref(10)?.as_bytes().ok().map(|leaf| self.place(leaf)),
            salt: row.get_ref(11)?.as_bytes().ok().map(|salt| self.place(salt)),
            data: row.get_ref(12)?.as_bytes().ok().map(|data| self.place(data)),
        };
        self.items.push(Item::Entry(entry));
        Ok(())
    }

    fn place(&mut self, bytes: &[u8]) -> Place {
        let start = self.end();
        self.bytes.extend_from_slice(bytes);
        Place(start..self.end())
    }

    fn end(&self) -> u32 {
        u32::try_from(self.bytes.len()).expect("a full block takes no row, and a row has at most 64 MiB")
    }

    fn add_node(&mut self, row: &Row<'_>) -> Result<(), rusqlite::Error> {
        let hash = row.get_ref(2)?.as_bytes().ok().and_then(|bytes| bytes.try_into().ok()).map(Hash);
        self.nodes.push(StoredNode { level: row.get(0)?, index: row.get(1)?, hash });
        Ok(())
    }

    fn add_checkpoint(&mut self, note: String) {
        self.notes += note.len();
        self.items.push(Item::Checkpoint(note));
    }
}

/// The rows of a log that are not read yet.
pub(super) struct LogRows<'s> {
    pub(super) entries: Rows<'s>,
    pub(super) nodes: Rows<'s>,
    pub(super) checkpoints: Checkpoints<'s>,
}

impl LogRows<'_> {
    /// Every event with its columns, in order.
    pub(super) const ENTRIES: &'static str = "SELECT org, job, source, position, ifnull(prev, 0), version, recorded, \
                                              kind, id, type, leaf, salt, data FROM event ORDER BY position";
    /// Every node, in the order in which entries complete them.
    pub(super) const NODES: &'static str = "SELECT level, idx, hash FROM node ORDER BY number";

    /// Sends every entry with the nodes and the checkpoints that belong to it. Ends early if the other thread has ended.
    pub(super) fn send(&mut self, blocks: &SyncSender<Block>) -> Result<(), rusqlite::Error> {
        let (mut block, mut size, mut nodes) = (Block::default(), 0, 0);
        while let Some(row) = self.entries.next()? {
            block.add_entry(row)?;
            let complete = Size::up_to(size).nodes();
            size += 1;
            while nodes < complete
                && let Some(row) = self.nodes.next()?
            {
                block.add_node(row)?;
                nodes += 1;
            }
            while let Some(note) = self.checkpoints.take(size)? {
                block.add_checkpoint(note);
                if block.is_full() && blocks.send(std::mem::take(&mut block)).is_err() {
                    return Ok(());
                }
            }
            if block.is_full() && blocks.send(std::mem::take(&mut block)).is_err() {
                return Ok(());
            }
        }
        // An error means that the other thread has ended by a panic, which its join shows.
        let _ = blocks.send(block);
        Ok(())
    }

    /// Whether nodes are left after every entry was read.
    pub(super) fn has_more_nodes(&mut self) -> Result<bool, rusqlite::Error> {
        Ok(self.nodes.next()?.is_some())
    }
}
