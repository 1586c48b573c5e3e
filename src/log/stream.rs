//! Which messages of a cluster's stream the log has (format 5), and how a log becomes that of a node and that of a single ledger again.

use std::ops::Range;

use rusqlite::params;

use super::open::{FORMAT, NODE_FORMAT, STREAM};
use super::{Error, Reader, Writer};
use crate::job::Position;
use crate::sqlite;
use crate::stream::{MessageHash, Sequence, Tip};

/// A message that the log has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoggedMessage {
    /// The generation of the stream.
    pub generation: u32,
    /// The message's place and hash.
    pub tip: Tip,
    /// The position of its first event; the position after the newest event for a message without events.
    pub first: Position,
}

/// A redaction, and where the stream has the data that it redacts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redacted {
    /// The redaction's position.
    pub redaction: Position,
    /// The message that brought the redaction; 0 for one that is older than the messages that were looked at.
    pub by: Sequence,
    /// The messages that may have the data.
    pub messages: Range<Sequence>,
}

impl Writer {
    /// Notes a message, inside the transaction that stores its events.
    ///
    /// The statement states the rule of the insert trigger, which this connection does not run.
    ///
    /// # Errors
    ///
    /// [`Error::MessageOutOfOrder`] if the message does not follow the newest one.
    pub fn add_message(&self, message: &LoggedMessage) -> Result<(), Error> {
        let LoggedMessage { generation, tip, first } = message;
        let sql = "INSERT INTO stream (generation, sequence, hash, first_position) SELECT ?1, ?2, ?3, ?4 \
                   WHERE (SELECT (generation, sequence) < (?1, ?2) AND first_position <= ?4 FROM stream \
                          ORDER BY generation DESC, sequence DESC LIMIT 1) IS NOT 0";
        let values = params![generation, tip.sequence, tip.hash.0, first];
        // A key of two columns, so the row has no number.
        match sqlite::Statement::new(&self.conn, "note a message", sql)?.execute(values)? {
            1 => Ok(()),
            _ => Err(Error::MessageOutOfOrder(tip.sequence)),
        }
    }

    /// Makes the log that of a node, inside the open transaction.
    pub fn join_stream(&self) -> Result<(), Error> {
        self.change_format("make the log that of a node", STREAM, NODE_FORMAT)
    }

    /// Makes the log that of a ledger on one machine again, inside the open transaction.
    pub fn leave_stream(&self) -> Result<(), Error> {
        self.change_format("make the log that of a single ledger", "DROP TABLE stream", FORMAT)
    }

    fn change_format(&self, doing: &'static str, sql: &str, format: i64) -> Result<(), Error> {
        let changed = self.conn.execute_batch(sql).and_then(|()| self.conn.pragma_update(None, "user_version", format));
        Ok(changed.map_err(sqlite::Error::doing(doing))?)
    }
}

impl Reader<'_> {
    /// The messages after `after` of this generation and those of later ones, in order, `limit` at the most. Only a node's log has
    /// messages.
    pub fn messages(&self, generation: u32, after: Sequence, limit: usize) -> Result<Vec<LoggedMessage>, Error> {
        let sql = "SELECT generation, sequence, hash, first_position FROM stream \
                   WHERE (generation, sequence) > (?1, ?2) ORDER BY generation, sequence LIMIT ?3";
        let mut statement = self.prepare("read messages", sql)?;
        let mut rows = statement.rows(params![generation, after, limit])?;
        std::iter::from_fn(|| rows.read(message).transpose()).map(|row| Ok(row?)).collect()
    }

    /// The redactions after `after`, in order, with the places of the messages that brought the events which they redact. Looks at
    /// messages from `first` on.
    pub fn redacted_messages(&self, generation: u32, first: Sequence, after: Position) -> Result<Vec<Redacted>, Error> {
        // Without the `+` SQLite reads all later events, and not the index of redactions alone.
        let sql = "SELECT +position, json_extract(CAST(data AS TEXT), '$.position') FROM event \
                   WHERE type = 'job.redacted' AND +position > ?1 ORDER BY 1";
        let mut statement = self.prepare("find redactions", sql)?;
        let mut rows = statement.rows([after])?;
        let pairs: Vec<(Position, Position)> =
            std::iter::from_fn(|| rows.read(|row| Ok((row.get(0)?, row.get(1)?))).transpose())
                .collect::<Result<_, _>>()?;
        let redacted = |(redaction, target): (Position, Position)| {
            let by = self.message_of(generation, first, redaction)?;
            let messages = match self.message_of(generation, first, target)? {
                Some(last) => self.message_before(generation, last)? + 1..last + 1,
                None => 0..0,
            };
            Ok(Redacted { redaction, by: by.unwrap_or_default(), messages })
        };
        pairs.into_iter().map(redacted).collect()
    }

    /// The message that brought the event at `position`, among those from `first` on.
    fn message_of(&self, generation: u32, first: Sequence, position: Position) -> Result<Option<Sequence>, Error> {
        let sql = "SELECT sequence FROM stream WHERE generation = ?1 AND sequence >= max(?2, 1) AND first_position <= ?3 \
                   ORDER BY sequence DESC LIMIT 1";
        Ok(self.prepare("find the message of an event", sql)?.value_if_any(params![generation, first, position])?)
    }

    /// The message before the one at `sequence`. Between the two lie the parts of a long message.
    fn message_before(&self, generation: u32, sequence: Sequence) -> Result<Sequence, Error> {
        let sql = "SELECT ifnull(max(sequence), 0) FROM stream WHERE generation = ?1 AND sequence < ?2";
        Ok(self.prepare("find the message before", sql)?.value(params![generation, sequence])?)
    }

    /// The newest message that the log has; `None` if the log is not a node's.
    pub fn newest_message(&self) -> Result<Option<LoggedMessage>, Error> {
        let format: i64 = self.prepare("read the log's format", "PRAGMA user_version")?.value([])?;
        if format < NODE_FORMAT {
            return Ok(None);
        }
        let sql = "SELECT generation, sequence, hash, first_position FROM stream \
                   ORDER BY generation DESC, sequence DESC LIMIT 1";
        Ok(self.prepare("read the newest message", sql)?.row_if_any([], message)?)
    }
}

fn message(row: &rusqlite::Row<'_>) -> Result<LoggedMessage, rusqlite::Error> {
    let tip = Tip { sequence: row.get(1)?, hash: MessageHash(row.get(2)?) };
    Ok(LoggedMessage { generation: row.get(0)?, tip, first: row.get(3)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::FileState;

    fn logged(sequence: u64, first: u64) -> LoggedMessage {
        let tip = Tip { sequence, hash: MessageHash([sequence as u8; 32]) };
        LoggedMessage { generation: 1, tip, first: Position::new(first) }
    }

    #[test]
    fn a_log_notes_messages_in_order_and_becomes_a_single_ledgers_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.db");
        let open = || Writer::open(&path, false, |_, _| Ok::<(), Error>(())).unwrap();
        let log = open();
        assert_eq!(log.reader().newest_message().unwrap(), None);
        log.join_stream().unwrap();
        log.add_message(&logged(0, 1)).unwrap();
        log.add_message(&logged(3, 1)).unwrap();
        log.add_message(&logged(4, 2)).unwrap();
        for refused in [logged(4, 2), logged(2, 2), logged(5, 1)] {
            assert!(log.add_message(&refused).unwrap_err().is_contradiction());
        }
        assert_eq!(log.reader().messages(1, 0, 9).unwrap(), [logged(3, 1), logged(4, 2)]);
        assert_eq!(log.reader().messages(1, 0, 1).unwrap(), [logged(3, 1)]);
        let of = [0, 1, 2, 3].map(|position| log.reader().message_of(1, 1, Position::new(position)).unwrap());
        assert_eq!(of, [None, Some(3), Some(4), Some(4)]);
        assert_eq!(
            log.reader().message_of(1, 4, Position::new(1)).unwrap(),
            None,
            "before the messages that are looked at"
        );
        assert_eq!([3, 4].map(|at| log.reader().message_before(1, at).unwrap()), [0, 3]);
        drop(log);
        let log = open();
        assert_eq!(log.reader().newest_message().unwrap(), Some(logged(4, 2)));
        assert_eq!(crate::log::file_state(&log.conn, &path).unwrap(), FileState::Log(NODE_FORMAT));
        log.leave_stream().unwrap();
        assert_eq!(log.reader().newest_message().unwrap(), None);
    }
}
