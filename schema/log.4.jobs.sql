-- log.db, format 4: the events of a job are found through its newest event, its milestones and the column `prev`.
--
-- The index of UNIQUE (job, prev) had one page to change for almost every append, because the jobs of neighbouring events differ.
-- What replaces it is small. To read a job's events from one position to another, go to the next milestone, or to the job's newest
-- event, and follow `prev` back.

-- The newest event of each job. Triggers keep it, and an audit compares it with the events. A history cannot fork, because the
-- trigger `event_follows` compares `prev` with this row.
CREATE TABLE newest (
  job      INTEGER PRIMARY KEY,
  position INTEGER NOT NULL
) STRICT;
INSERT INTO newest SELECT job, max(position) FROM event WHERE job IS NOT NULL GROUP BY job;

-- The milestones of a job: about every 16th of its events. The formula spreads them over jobs whose events alternate regularly.
CREATE INDEX event_milestone ON event (job) WHERE (position * 40503 >> 8 & 15) = 0 AND job IS NOT NULL;

DROP TRIGGER IF EXISTS event_follows;
CREATE TRIGGER event_follows BEFORE INSERT ON event
WHEN NEW.position <> (SELECT ifnull(max(position), -1) + 1 FROM event)
  OR NEW.recorded < (SELECT recorded FROM event WHERE position = NEW.position - 1)
  OR (NEW.job IS NOT NULL AND NEW.prev <> ifnull((SELECT position FROM newest WHERE job = NEW.job), 0))
BEGIN
  -- FAIL, not ABORT: the row is refused before it is written, and SQLite need not copy pages to take a statement back.
  SELECT RAISE(FAIL, 'an event follows the newest one in position and time, and its own job''s newest');
END;

CREATE TRIGGER event_begins_job AFTER INSERT ON event WHEN NEW.prev = 0
BEGIN
  INSERT INTO newest VALUES (NEW.job, NEW.position);
END;
CREATE TRIGGER event_continues_job AFTER INSERT ON event WHEN NEW.prev > 0
BEGIN
  UPDATE newest SET position = NEW.position WHERE job = NEW.job;
END;

-- Takes UNIQUE (job, prev) from the table `event` without writing the table anew. DROP INDEX refuses the index of a key, so the
-- index first becomes one of its own, and the key leaves the text of the table. No page of the file holds either name, so this
-- changes the schema alone (https://sqlite.org/lang_altertable.html#otheralter).
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET name = 'event_prev', sql = 'CREATE UNIQUE INDEX event_prev ON event (job, prev)'
WHERE name = 'sqlite_autoindex_event_2' AND tbl_name = 'event';
UPDATE sqlite_schema SET sql = replace(sql, '  UNIQUE (job, prev),' || char(10), '') WHERE type = 'table' AND name = 'event';
PRAGMA writable_schema = RESET;
DROP INDEX event_prev;
