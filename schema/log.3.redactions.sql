-- log.db, format 3: the erasure of an event is found by the event, and each event is erased once.
CREATE UNIQUE INDEX event_redaction ON event (job, json_extract(CAST(data AS TEXT), '$.position'))
WHERE type = 'job.redacted';
