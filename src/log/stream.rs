//! Which messages of a cluster's stream the log has (format 5), and how a log becomes that of a node and that of a single ledger again.

use rusqlite::params;

use super::open::{FORMAT, NODE_FORMAT, STREAM};
use super::{Error, Reader, Writer};
use crate::job::Position;
use crate::sqlite;
use crate::stream::{MessageHash, Tip};

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

impl Writer {
    /// Notes a message, inside the transaction that stores its events. The database refuses one that does not follow the newest.
    pub fn add_message(&self, message: &LoggedMessage) -> Result<(), Error> {
        let LoggedMessage { generation, tip, first } = message;
        let sql = "INSERT INTO stream (generation, sequence, hash, first_position) VALUES (?1, ?2, ?3, ?4)";
        let values = params![generation, tip.sequence, tip.hash.0, first];
        // A key of two columns, so the row has no number.
        sqlite::Statement::new(&self.conn, "note a message", sql)?.execute(values)?;
        Ok(())
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
    /// The newest message that the log has; `None` if the log is not a node's.
    pub fn newest_message(&self) -> Result<Option<LoggedMessage>, Error> {
        let format: i64 = self.prepare("read the log's format", "PRAGMA user_version")?.value([])?;
        if format < NODE_FORMAT {
            return Ok(None);
        }
        let sql = "SELECT generation, sequence, hash, first_position FROM stream \
                   ORDER BY generation DESC, sequence DESC LIMIT 1";
        let message = |row: &rusqlite::Row<'_>| {
            let tip = Tip { sequence: row.get(1)?, hash: MessageHash(row.get(2)?) };
            Ok(LoggedMessage { generation: row.get(0)?, tip, first: row.get(3)? })
        };
        Ok(self.prepare("read the newest message", sql)?.row_if_any([], message)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::FileState;

    fn message(sequence: u64, first: u64) -> LoggedMessage {
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
        log.add_message(&message(0, 1)).unwrap();
        log.add_message(&message(3, 1)).unwrap();
        log.add_message(&message(4, 2)).unwrap();
        for refused in [message(4, 2), message(2, 2), message(5, 1)] {
            assert!(log.add_message(&refused).unwrap_err().is_contradiction());
        }
        drop(log);
        let log = open();
        assert_eq!(log.reader().newest_message().unwrap(), Some(message(4, 2)));
        assert_eq!(crate::log::file_state(&log.conn, &path).unwrap(), FileState::Log(NODE_FORMAT));
        log.leave_stream().unwrap();
        assert_eq!(log.reader().newest_message().unwrap(), None);
    }
}
