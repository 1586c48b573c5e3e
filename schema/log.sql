-- log.db, format 1: the truth. Nothing here is ever changed or removed; the triggers say so to whoever tries. Later formats
-- add to it (log.2.….sql).
--
-- Auditors may rely on event(position, leaf, data, salt). The other columns repeat what the leaf says, for finding.

-- Interned names. Organisation 0 is the ledger itself, which owns the `ledger.*` events.
CREATE TABLE org (
  id   INTEGER PRIMARY KEY,
  uuid TEXT NOT NULL UNIQUE
) STRICT;
INSERT INTO org VALUES (0, '');

CREATE TABLE source (
  id  INTEGER PRIMARY KEY,
  org INTEGER NOT NULL REFERENCES org (id),
  uri TEXT NOT NULL,
  UNIQUE (org, uri)
) STRICT;

CREATE TABLE job (
  id      INTEGER PRIMARY KEY,
  org     INTEGER NOT NULL REFERENCES org (id) CHECK (org > 0),
  subject TEXT NOT NULL,
  kind    TEXT NOT NULL,
  UNIQUE (org, subject)
) STRICT;

CREATE TABLE event (
  position INTEGER PRIMARY KEY CHECK (position >= 0),
  org      INTEGER NOT NULL REFERENCES org (id),
  -- NULL for the ledger's own events.
  job      INTEGER REFERENCES job (id),
  -- The position of the job's previous event, 0 for its first. Unique per job, so a history cannot fork; 0 rather than
  -- NULL, because NULLs are all different and two first events would both fit.
  prev     INTEGER,
  source   INTEGER NOT NULL REFERENCES source (id),
  id       TEXT NOT NULL,
  type     TEXT NOT NULL,
  version  INTEGER NOT NULL,
  kind     TEXT,
  -- Microseconds since 1970; never falls, so that a moment can be found by bisection.
  recorded INTEGER NOT NULL,
  -- The exact bytes that are hashed: BLOBs, because text may be normalised by whoever touches it. Last, because whoever
  -- looks for something must not have to read past them.
  leaf     BLOB NOT NULL CHECK (length(leaf) BETWEEN 2 AND 16384),
  salt     BLOB CHECK (length(salt) = 32),
  data     BLOB,
  UNIQUE (source, id),
  UNIQUE (job, prev),
  CHECK ((job IS NULL) = (prev IS NULL) AND (job IS NULL) = (kind IS NULL) AND (job IS NULL) = (org = 0)),
  CHECK (prev < position),
  CHECK ((data IS NULL) = (salt IS NULL))
) STRICT;

CREATE TRIGGER event_follows BEFORE INSERT ON event
WHEN NEW.position <> (SELECT ifnull(max(position), -1) + 1 FROM event)
  OR NEW.recorded < (SELECT ifnull(max(recorded), NEW.recorded) FROM event WHERE position = NEW.position - 1)
  OR (NEW.prev > 0 AND NEW.job IS NOT (SELECT job FROM event WHERE position = NEW.prev))
BEGIN
  -- FAIL, not ABORT: the row is refused before it is written, and SQLite need not copy pages to take a statement back.
  SELECT RAISE(FAIL, 'an event follows the newest one in position and time, and its own job''s newest');
END;

CREATE TRIGGER event_stays BEFORE DELETE ON event
BEGIN
  SELECT RAISE(ABORT, 'events are never deleted');
END;

-- The one update that passes: data and salt to NULL, all else equal, where a recorded redaction names the event.
CREATE TRIGGER event_same BEFORE UPDATE ON event
WHEN NOT (
  NEW.data IS NULL AND NEW.salt IS NULL
  AND NEW.position IS OLD.position AND NEW.leaf IS OLD.leaf AND NEW.org IS OLD.org AND NEW.job IS OLD.job
  AND NEW.prev IS OLD.prev AND NEW.source IS OLD.source AND NEW.id IS OLD.id AND NEW.type IS OLD.type
  AND NEW.version IS OLD.version AND NEW.kind IS OLD.kind AND NEW.recorded IS OLD.recorded
  AND EXISTS (
    SELECT 1 FROM event AS redaction
    WHERE redaction.job = OLD.job AND redaction.type = 'job.redacted'
      AND json_extract(CAST(redaction.data AS TEXT), '$.position') = OLD.position
  )
)
BEGIN
  SELECT RAISE(ABORT, 'events are never changed');
END;

CREATE TRIGGER org_stays BEFORE DELETE ON org BEGIN SELECT RAISE(ABORT, 'organisations are never deleted'); END;
CREATE TRIGGER org_same BEFORE UPDATE ON org BEGIN SELECT RAISE(ABORT, 'organisations are never changed'); END;
CREATE TRIGGER source_stays BEFORE DELETE ON source BEGIN SELECT RAISE(ABORT, 'sources are never deleted'); END;
CREATE TRIGGER source_same BEFORE UPDATE ON source BEGIN SELECT RAISE(ABORT, 'sources are never changed'); END;
CREATE TRIGGER job_stays BEFORE DELETE ON job BEGIN SELECT RAISE(ABORT, 'jobs are never deleted'); END;
CREATE TRIGGER job_same BEFORE UPDATE ON job BEGIN SELECT RAISE(ABORT, 'jobs are never changed'); END;
