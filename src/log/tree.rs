//! The stored tree: hashes of complete subtrees, and signed checkpoints as bytes. The ledger signs the checkpoints.

use rusqlite::params;

use super::reader::Reader;
use super::writer::Writer;
use super::{Error, open};
use crate::job::Position;
use crate::sqlite;
use crate::tree::{Frontier, Hash, NodeId, Size, leaf_hash};

/// Most nodes that one statement stores.
const NODES: usize = 32;

/// A stored checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Its place among the log's checkpoints, from 1.
    pub number: u64,
    /// The events that it covers.
    pub size: Size,
    /// The signed note, verbatim.
    pub note: Vec<u8>,
}

impl Writer {
    /// Grows the tree by the events after `edge`, inside the open transaction, and returns the new edge. Reads the leaves back from
    /// the file, and gives `each` every leaf before it is hashed. Holds one leaf in memory at a time.
    pub fn grow<E: From<Error>>(
        &self,
        edge: &Frontier,
        mut each: impl FnMut(Position, &[u8]) -> Result<(), E>,
    ) -> Result<Frontier, E> {
        let mut nodes = Vec::with_capacity(NODES);
        let mut store = |node, hash| {
            nodes.push((node, hash));
            if nodes.len() == NODES { self.add_nodes(&mut nodes) } else { Ok(()) }
        };
        let mut edge = edge.clone();
        self.reader().leaves(Position::new(edge.leaves()), Position::MAX.get(), |position, leaf| {
            each(position, leaf)?;
            Ok::<(), E>(edge.append(leaf_hash(leaf), &mut store)?)
        })?;
        self.add_nodes(&mut nodes)?;
        Ok(edge)
    }

    /// Stores the nodes and empties the list. Each statement inserts 1, 2, 4 … rows, so a few cached statements serve every count.
    fn add_nodes(&self, nodes: &mut Vec<(NodeId, Hash)>) -> Result<(), Error> {
        let mut rest = nodes.as_slice();
        while let Some(log2) = rest.len().checked_ilog2() {
            let (rows, later) = rest.split_at(1 << log2);
            self.insert_nodes(rows).map_err(sqlite::Error::doing("grow the tree"))?;
            rest = later;
        }
        nodes.clear();
        Ok(())
    }

    fn insert_nodes(&self, rows: &[(NodeId, Hash)]) -> Result<(), rusqlite::Error> {
        let values = vec!["(?, ?, ?, ?)"; rows.len()].join(", ");
        let sql = format!("INSERT INTO node (number, level, idx, hash) VALUES {values}");
        let mut insert = self.conn.prepare_cached(&sql)?;
        for (first, (node, hash)) in (1..).step_by(4).zip(rows) {
            insert.raw_bind_parameter(first, node.number())?;
            insert.raw_bind_parameter(first + 1, node.level)?;
            insert.raw_bind_parameter(first + 2, node.index)?;
            insert.raw_bind_parameter(first + 3, hash.as_bytes())?;
        }
        insert.raw_execute().map(|_| ())
    }

    /// Drops every node and grows the tree again from the leaves, inside the open transaction.
    pub fn grow_anew<E: From<Error>>(&self, each: impl FnMut(Position, &[u8]) -> Result<(), E>) -> Result<Frontier, E> {
        open::without_nodes(&self.conn)?;
        self.grow(&Frontier::EMPTY, each)
    }

    /// Finds the newest event of each job again, inside the open transaction.
    pub fn find_newest_anew(&self) -> Result<(), Error> {
        self.run("find the newest events", "DELETE FROM newest")?;
        let sql = "INSERT INTO newest SELECT job, max(position) FROM event WHERE job IS NOT NULL GROUP BY job";
        self.run("find the newest events", sql)
    }

    /// Stores a signed checkpoint.
    pub fn add_checkpoint(&self, size: Size, note: &[u8]) -> Result<(), Error> {
        let sql = "INSERT INTO checkpoint (size, note) VALUES (?1, ?2)";
        self.insert("keep a checkpoint", sql, params![size, note]).map(|_| ())
    }
}

impl Reader<'_> {
    /// Gives `each` the leaves from `from` on, in order, `limit` at the most.
    ///
    /// # Errors
    /// [`Error::Gap`] before the first missing position.
    pub fn leaves<E: From<Error>>(
        &self,
        from: Position,
        limit: u64,
        mut each: impl FnMut(Position, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let sql = "SELECT position, leaf FROM event WHERE position >= ?1 ORDER BY position LIMIT ?2";
        let mut statement = self.prepare("read leaves", sql)?;
        let mut rows = statement.rows(params![from, limit]).map_err(Error::from)?;
        let mut expected = from;
        while let Some((position, leaf)) = rows.read(position_and_leaf).map_err(Error::from)? {
            if position != expected {
                return Err(Error::Gap { expected, found: position }.into());
            }
            expected = position.next();
            each(position, leaf)?;
        }
        Ok(())
    }

    /// The hash of a node.
    ///
    /// # Errors
    /// [`Error::NoNode`] if the tree lacks the node.
    pub fn node(&self, node: NodeId) -> Result<Hash, Error> {
        let sql = "SELECT hash FROM node WHERE number = ?1 AND level = ?2 AND idx = ?3";
        let mut statement = self.prepare("read a node of the tree", sql)?;
        let hash = statement.value_if_any(params![node.number(), node.level, node.index])?;
        hash.ok_or(Error::NoNode(node))
    }

    /// The edge of the tree of this size, from its stored nodes.
    pub fn edge(&self, size: Size) -> Result<Frontier, Error> {
        Frontier::restore(size, |node| self.node(node))
    }

    /// The count of stored nodes.
    pub fn nodes(&self) -> Result<u64, Error> {
        // Nodes are numbered from 0.
        let sql = "SELECT ifnull(max(number) + 1, 0) FROM node";
        Ok(self.prepare("count the nodes of the tree", sql)?.value([])?)
    }

    /// The newest checkpoint; `None` in a log without checkpoints.
    pub fn checkpoint(&self) -> Result<Option<Published>, Error> {
        let sql = "SELECT number, size, note FROM checkpoint ORDER BY number DESC LIMIT 1";
        Ok(self.prepare("read the newest checkpoint", sql)?.row_if_any([], published)?)
    }

    /// The first checkpoint under the name `origin` that covers the event at `position`.
    pub fn checkpoint_over(&self, position: Position, origin: &str) -> Result<Option<Published>, Error> {
        let sql = "SELECT number, size, note FROM checkpoint WHERE size > ?1 AND substr(note, 1, length(?2)) = ?2 \
                   ORDER BY number LIMIT 1";
        let mut statement = self.prepare("find the first checkpoint over an event", sql)?;
        let first_line = format!("{origin}\n");
        Ok(statement.row_if_any(params![position, first_line.as_bytes()], published)?)
    }

    /// Checkpoints from number `from` on, in the order of their signing, `limit` at the most.
    pub fn checkpoints(&self, from: u64, limit: u64) -> Result<Vec<Published>, Error> {
        let sql = "SELECT number, size, note FROM checkpoint WHERE number >= ?1 ORDER BY number LIMIT ?2";
        let mut statement = self.prepare("read checkpoints", sql)?;
        let mut rows = statement.rows(params![from, limit])?;
        std::iter::from_fn(|| rows.read(published).transpose()).map(|row| Ok(row?)).collect()
    }
}

fn position_and_leaf<'r>(row: &'r rusqlite::Row<'_>) -> Result<(Position, &'r [u8]), rusqlite::Error> {
    Ok((row.get(0)?, row.get_ref(1)?.as_blob()?))
}

fn published(row: &rusqlite::Row<'_>) -> Result<Published, rusqlite::Error> {
    Ok(Published { number: row.get(0)?, size: row.get(1)?, note: row.get(2)? })
}
