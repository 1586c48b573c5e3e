-- log.db, format 2: every checkpoint that was ever signed here (C2SP tlog-checkpoint), one a commit.
--
-- Auditors may rely on checkpoint(size, note).

CREATE TABLE checkpoint (
  -- The order in which they were signed. Sizes grow with it, but where a log that lost events was continued.
  number INTEGER PRIMARY KEY CHECK (number > 0),
  -- How many events it covers: the position after the newest of them.
  size INTEGER NOT NULL CHECK (size > 0),
  -- The exact signed note. A BLOB, as the leaves are.
  note BLOB NOT NULL
) STRICT;

CREATE TRIGGER checkpoint_stays BEFORE DELETE ON checkpoint BEGIN SELECT RAISE(ABORT, 'checkpoints are never deleted'); END;
CREATE TRIGGER checkpoint_same BEFORE UPDATE ON checkpoint BEGIN SELECT RAISE(ABORT, 'checkpoints are never changed'); END;
