-- log.db, format 5: the log of a node of a cluster. `jobledger cluster init` brings a log of format 4 to format 5; the log of a
-- ledger on one machine keeps format 4.
--
-- One row for each valid message of the stream that the log has, written in the transaction that stored the message's events. The row
-- with sequence 0 is the beginning of a generation.
CREATE TABLE stream (
  generation     INTEGER NOT NULL CHECK (generation > 0),
  -- The place in the stream of the last message of a commit.
  sequence       INTEGER NOT NULL CHECK (sequence >= 0),
  -- SHA-256 of that message. The next valid message names it.
  hash           BLOB NOT NULL CHECK (length(hash) = 32),
  -- The position of the message's first event; the position after the newest event for a message without events.
  first_position INTEGER NOT NULL CHECK (first_position > 0),
  PRIMARY KEY (generation, sequence)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER stream_follows BEFORE INSERT ON stream
WHEN (SELECT (generation, sequence) < (NEW.generation, NEW.sequence) AND first_position <= NEW.first_position
      FROM stream ORDER BY generation DESC, sequence DESC LIMIT 1) IS 0
BEGIN
  SELECT RAISE(ABORT, 'a message follows the newest one');
END;
CREATE TRIGGER stream_stays BEFORE DELETE ON stream BEGIN SELECT RAISE(ABORT, 'messages are never deleted'); END;
CREATE TRIGGER stream_same BEFORE UPDATE ON stream BEGIN SELECT RAISE(ABORT, 'messages are never changed'); END;
