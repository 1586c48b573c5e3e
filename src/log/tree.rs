//! The tree as it is stored: hashes of complete subtrees, and signed checkpoints as bytes. Nothing is signed here.

use rusqlite::{OptionalExtension, params};

use super::reader::Reader;
use super::writer::Writer;
use super::{Error, open};
use crate::job::Position;
use crate::tree::{Frontier, Hash, NodeId, Size, leaf_hash};

/// Nodes that one statement stores, at the most.
const NODES: usize = 32;

/// A checkpoint in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Its place among all that were signed here, from 1.
    pub number: u64,
    /// How many events it covers.
    pub size: Size,
    /// The signed note, verbatim.
    pub note: Vec<u8>,
}

impl Writer {
    /// Grows the tree by the events that it does not have yet, inside the open transaction. They are read back as they are
    /// stored; `each` sees every leaf before it is hashed. Answers the new edge; memory does not grow with the log.
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

    /// Stores what is in `nodes`, and empties it. Several rows a statement, in powers of two, so that there are few statements.
    fn add_nodes(&self, nodes: &mut Vec<(NodeId, Hash)>) -> Result<(), Error> {
        let mut rest = nodes.as_slice();
        while let Some(log2) = rest.len().checked_ilog2() {
            let (rows, later) = rest.split_at(1 << log2);
            self.insert_nodes(rows).map_err(Error::doing("grow the tree"))?;
            rest = later;
        }
        nodes.clear();
        Ok(())
    }

    fn insert_nodes(&self, rows: &[(NodeId, Hash)]) -> Result<(), rusqlite::Error> {
        let values = vec!["(?, ?, ?, ?)"; rows.len()].join(", ");
        // FAIL as for events: whatever a statement leaves behind goes with its transaction.
        let sql = format!("INSERT OR FAIL INTO node (number, level, idx, hash) VALUES {values}");
        let mut insert = self.conn.prepare_cached(&sql)?;
        for (first, (node, hash)) in (1..).step_by(4).zip(rows) {
            insert.raw_bind_parameter(first, node.number() as i64)?;
            insert.raw_bind_parameter(first + 1, node.level)?;
            insert.raw_bind_parameter(first + 2, node.index as i64)?;
            insert.raw_bind_parameter(first + 3, hash.as_bytes())?;
        }
        insert.raw_execute().map(|_| ())
    }

    /// Makes the tree again from the leaves alone, inside the open transaction, whatever nodes there were.
    pub fn grow_anew<E: From<Error>>(&self, each: impl FnMut(Position, &[u8]) -> Result<(), E>) -> Result<Frontier, E> {
        open::without_nodes(&self.conn)?;
        self.grow(&Frontier::EMPTY, each)
    }

    /// Keeps a signed checkpoint.
    pub fn add_checkpoint(&self, size: Size, note: &[u8]) -> Result<(), Error> {
        let doing = "keep a checkpoint";
        let sql = "INSERT INTO checkpoint (size, note) VALUES (?1, ?2)";
        let mut insert = self.conn.prepare_cached(sql).map_err(Error::doing(doing))?;
        insert.execute(params![size.get() as i64, note]).map(|_| ()).map_err(Error::doing(doing))
    }
}

impl Reader<'_> {
    /// Gives `each` the leaves from `from` on, in order, `limit` at the most; one after which others follow is never left out.
    pub fn leaves<E: From<Error>>(
        &self,
        from: Position,
        limit: u64,
        mut each: impl FnMut(Position, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let doing = || Error::doing("read leaves");
        let sql = "SELECT position, leaf FROM event WHERE position >= ?1 ORDER BY position LIMIT ?2";
        let mut statement = self.prepare("read leaves", sql)?;
        let mut rows = statement.query(params![from.get() as i64, limit as i64]).map_err(doing())?;
        let mut expected = from;
        while let Some(row) = rows.next().map_err(doing())? {
            let position = Position::new(row.get::<_, i64>(0).map_err(doing())? as u64);
            if position != expected {
                return Err(Error::Gap { expected, found: position }.into());
            }
            expected = position.next();
            let leaf = row.get_ref(1).and_then(|leaf| Ok(leaf.as_blob()?)).map_err(doing())?;
            each(position, leaf)?;
        }
        Ok(())
    }

    /// The hash of a node; an error where the tree lacks it.
    pub fn node(&self, node: NodeId) -> Result<Hash, Error> {
        let doing = "read a node of the tree";
        let sql = "SELECT hash FROM node WHERE number = ?1 AND level = ?2 AND idx = ?3";
        let mut statement = self.prepare(doing, sql)?;
        let bound = params![node.number() as i64, node.level, node.index as i64];
        let hash = statement.query_row(bound, |row| row.get(0)).optional().map_err(Error::doing(doing))?;
        hash.map(Hash).ok_or(Error::NoNode(node))
    }

    /// The edge of the tree of this size, from its stored nodes.
    pub fn edge(&self, size: Size) -> Result<Frontier, Error> {
        Frontier::restore(size, |node| self.node(node))
    }

    /// How many nodes are stored.
    pub fn nodes(&self) -> Result<u64, Error> {
        let doing = "count the nodes of the tree";
        // They are numbered from 0.
        let mut statement = self.prepare(doing, "SELECT ifnull(max(number) + 1, 0) FROM node")?;
        statement.query_row([], |row| row.get::<_, i64>(0)).map(|nodes| nodes as u64).map_err(Error::doing(doing))
    }

    /// The newest checkpoint; `None` where none was ever signed here.
    pub fn checkpoint(&self) -> Result<Option<Published>, Error> {
        let doing = "read the newest checkpoint";
        let mut statement =
            self.prepare(doing, "SELECT number, size, note FROM checkpoint ORDER BY number DESC LIMIT 1")?;
        statement.query_row([], published).optional().map_err(Error::doing(doing))
    }

    /// The first checkpoint of the log under the name `origin` that covers the event at `position`.
    pub fn checkpoint_over(&self, position: Position, origin: &str) -> Result<Option<Published>, Error> {
        let doing = "find the first checkpoint over an event";
        let sql = "SELECT number, size, note FROM checkpoint WHERE size > ?1 AND substr(note, 1, length(?2)) = ?2 \
                   ORDER BY number LIMIT 1";
        let mut statement = self.prepare(doing, sql)?;
        let first_line = format!("{origin}\n");
        let found = statement.query_row(params![position.get() as i64, first_line.as_bytes()], published);
        found.optional().map_err(Error::doing(doing))
    }

    /// Checkpoints from the one numbered `from` on, in the order in which they were signed, `limit` at the most.
    pub fn checkpoints(&self, from: u64, limit: u64) -> Result<Vec<Published>, Error> {
        let doing = "read checkpoints";
        let sql = "SELECT number, size, note FROM checkpoint WHERE number >= ?1 ORDER BY number LIMIT ?2";
        let mut statement = self.prepare(doing, sql)?;
        let rows = statement.query_map(params![from as i64, limit as i64], published);
        rows.and_then(Iterator::collect).map_err(Error::doing(doing))
    }
}

fn published(row: &rusqlite::Row<'_>) -> Result<Published, rusqlite::Error> {
    let size = u64::try_from(row.get::<_, i64>(1)?).ok().and_then(|size| Size::new(size).ok());
    let size = size.ok_or(rusqlite::Error::IntegralValueOutOfRange(1, 0))?;
    Ok(Published { number: row.get::<_, i64>(0)? as u64, size, note: row.get(2)? })
}
