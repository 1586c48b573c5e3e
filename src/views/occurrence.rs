//! Which event types and which kinds of jobs occur in each block of the log. A read of events with a filter passes over the blocks
//! that have nothing for it.

use rusqlite::{Connection, Transaction, params};

use super::{Error, position};
use crate::job::{EventType, Kind, Position};
use crate::log::{Filter, Types};

/// Positions of a block.
pub const BLOCK: u64 = 4096;

/// The types and kinds of events in blocks, in the order of the log.
#[derive(Default)]
pub(super) struct Occurrences(Vec<Block>);

struct Block {
    number: u64,
    types: Types,
    kinds: Kinds,
}

/// A set of kinds, one bit each.
#[derive(Clone, Copy)]
struct Kinds(u8);

impl Kinds {
    fn of(kind: Option<Kind>) -> Kinds {
        Kinds(kind.map_or(0, |kind| 1 << kind as u8))
    }

    fn with(self, other: Kinds) -> Kinds {
        Kinds(self.0 | other.0)
    }

    fn each(self) -> impl Iterator<Item = Kind> {
        Kind::ALL.iter().copied().filter(move |kind| self.0 & (1 << *kind as u8) != 0)
    }
}

impl Occurrences {
    /// Adds an event, which comes after all others. `kind` is `None` for an event of the ledger itself.
    pub(super) fn add(&mut self, position: Position, types: Types, kind: Option<Kind>) {
        self.add_block(Block { number: position.get() / BLOCK, types, kinds: Kinds::of(kind) });
    }

    /// Adds the events of `later`, which come after all others.
    pub(super) fn append(&mut self, later: Occurrences) {
        later.0.into_iter().for_each(|block| self.add_block(block));
    }

    fn add_block(&mut self, block: Block) {
        match self.0.last_mut() {
            Some(last) if last.number == block.number => {
                last.types = last.types.with(block.types);
                last.kinds = last.kinds.with(block.kinds);
            }
            _ => self.0.push(block),
        }
    }

    /// Writes the rows that the file does not have yet.
    pub(super) fn write(&self, transaction: &Transaction<'_>) -> Result<(), Error> {
        let sql = "INSERT OR IGNORE INTO occurrence (field, value, block) VALUES (?1, ?2, ?3)";
        let write = |field: &str, value: &str, block: &Block| {
            let mut statement = transaction.prepare_cached(sql)?;
            statement.execute(params![field, value, block.number as i64]).map(drop)
        };
        for block in &self.0 {
            let types = block.types.each().map(|one| ("type", one.as_str()));
            let kinds = block.kinds.each().map(|kind| ("kind", kind.as_str()));
            for (field, value) in types.chain(kinds) {
                write(field, value, block).map_err(Error::doing("write where events occur"))?;
            }
        }
        Ok(())
    }
}

/// A position at or after `after`: no event between the two is one that `filter` shows. The events after the position of the views
/// are not passed over.
///
/// # Errors
///
/// The file cannot be read.
pub fn quiet_after(conn: &Connection, after: Position, filter: &Filter) -> Result<Position, Error> {
    // Read first: rows that a later commit adds are of later events.
    let known = position(conn)?;
    let from = after.next().get() / BLOCK;
    let by_type = match filter.types {
        Types::ALL => Some(from),
        types => next_of(conn, types.each().map(|one| ("type", EventType::as_str(one))), from)?,
    };
    let both = match (by_type, filter.kind) {
        (Some(block), Some(kind)) => next_of(conn, [("kind", kind.as_str())].into_iter(), block)?,
        (block, _) => block,
    };
    let quiet = match both {
        Some(block) => Position::new((block * BLOCK).saturating_sub(1)).min(known),
        None => known,
    };
    Ok(quiet.max(after))
}

/// The first block from `from` on in which one of the values occurs.
fn next_of<'v>(
    conn: &Connection,
    values: impl Iterator<Item = (&'static str, &'v str)>,
    from: u64,
) -> Result<Option<u64>, Error> {
    let sql = "SELECT min(block) FROM occurrence WHERE field = ?1 AND value = ?2 AND block >= ?3";
    let next = |(field, value): (&str, &str)| -> Result<Option<i64>, rusqlite::Error> {
        conn.prepare_cached(sql)?.query_row(params![field, value, from as i64], |row| row.get(0))
    };
    let blocks = values.map(next).collect::<Result<Vec<_>, _>>().map_err(Error::doing("find where events occur"))?;
    Ok(blocks.into_iter().flatten().min().map(|block| block as u64))
}
