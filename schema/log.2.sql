-- log.db, from format 1 to 2: SQLite itself gives an event the next position.
--
-- An INSERT that brings its own position may be refused for it halfway, says SQLite, and so it copies every page before the
-- statement changes it, to be able to go back: a twentieth of an append.

DROP TRIGGER event_follows;

CREATE TRIGGER event_follows BEFORE INSERT ON event
-- -1 stands for a position that is not given. (Nothing is stored there: the column's CHECK refuses it.)
WHEN NEW.position NOT IN (-1, (SELECT ifnull(max(position), -1) + 1 FROM event))
  OR NEW.recorded < (SELECT recorded FROM event WHERE position = (SELECT max(position) FROM event))
  OR (NEW.prev > 0 AND NEW.job IS NOT (SELECT job FROM event WHERE position = NEW.prev))
BEGIN
  -- FAIL, not ABORT: the row is refused before it is written, and there is nothing to take back.
  SELECT RAISE(FAIL, 'an event follows the newest one in position and time, and its own job''s newest');
END;
