-- views.db: the fold of log.db, one row a job, one an item. Disposable: deleting the file is always safe.

-- The newest event that the views hold. The hash of its leaf tells views of this log from views of another one.
CREATE TABLE position (
  one       INTEGER PRIMARY KEY CHECK (one = 1),
  position  INTEGER NOT NULL,
  leaf_hash BLOB NOT NULL
) STRICT;

-- Every redaction recorded up to this position has been applied to the file, unused pages included. It says how the file was made,
-- and not what the views show.
CREATE TABLE scrubbed (
  one  INTEGER PRIMARY KEY CHECK (one = 1),
  upto INTEGER NOT NULL
) STRICT;

CREATE TABLE job (
  id                 INTEGER PRIMARY KEY, -- the position of job.created: newest first is this, descending
  org                TEXT NOT NULL,
  subject            TEXT NOT NULL,
  kind               TEXT NOT NULL,
  job_type           TEXT,
  status             TEXT NOT NULL,
  position           INTEGER NOT NULL,
  recorded_at        INTEGER NOT NULL, -- when the ledger recorded the newest event
  events             INTEGER NOT NULL,
  bytes              INTEGER NOT NULL,
  -- Times are nanoseconds since 1970.
  created_at         INTEGER NOT NULL,
  started_at         INTEGER,
  ended_at           INTEGER,
  created_by         TEXT NOT NULL,
  labels             TEXT, -- a JSON object
  cancelled_by       TEXT,
  cancelled_reason   TEXT,
  cancelled_position INTEGER,
  message            TEXT,
  current_step       TEXT,
  percent            INTEGER NOT NULL,
  records_processed  INTEGER,
  total_records      INTEGER,
  records_created    INTEGER,
  records_updated    INTEGER,
  records_deleted    INTEGER,
  hook_head          TEXT,
  hook_len           INTEGER,
  hook_exit_code     INTEGER,
  hook_seconds       INTEGER,
  items              INTEGER NOT NULL,
  notes              INTEGER NOT NULL,
  redactions         INTEGER NOT NULL,
  not_before         INTEGER,
  retry_max          INTEGER,
  retry_backoff_sec  INTEGER,
  retried_as         TEXT,
  worker             TEXT,
  worker_lost        INTEGER, -- 1 if the ledger ended the job, because no report came for too long
  lease_sec          INTEGER,
  lease_since        INTEGER  -- the position of job.started
) STRICT;

-- Not in views-indexes.sql, because a rebuild finds jobs by this index.
CREATE UNIQUE INDEX job_key ON job (org, subject);

-- Not in the job's row, because each change writes that row again, and a spec may have megabytes.
CREATE TABLE spec (
  job  INTEGER PRIMARY KEY,
  spec TEXT NOT NULL
) STRICT;

CREATE TABLE item (
  job         INTEGER NOT NULL,
  seq         INTEGER NOT NULL,
  item        TEXT NOT NULL,
  status      TEXT NOT NULL,
  message     TEXT,
  provider    TEXT,
  secret_id   TEXT,
  secret_keys TEXT, -- a JSON array
  detail      TEXT, -- a JSON object, if it is not the credentials of a database role
  at          INTEGER,
  since       INTEGER NOT NULL, -- the job's event, counted from 1, that gave the item this result
  PRIMARY KEY (job, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE note (
  job  INTEGER NOT NULL,
  seq  INTEGER NOT NULL,
  text TEXT NOT NULL,
  by   TEXT NOT NULL,
  at   INTEGER NOT NULL,
  PRIMARY KEY (job, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE redaction (
  job      INTEGER NOT NULL,
  seq      INTEGER NOT NULL,
  position INTEGER NOT NULL,
  reason   TEXT NOT NULL,
  by       TEXT NOT NULL,
  at       INTEGER NOT NULL,
  PRIMARY KEY (job, seq)
) STRICT, WITHOUT ROWID;

-- Jobs whose events do not fold. They have no other row in this file; every other job goes on.
CREATE TABLE set_aside (
  org      TEXT NOT NULL,
  subject  TEXT NOT NULL,
  position INTEGER NOT NULL, -- the first event that does not fold
  PRIMARY KEY (org, subject)
) STRICT, WITHOUT ROWID;

CREATE TABLE label (
  org   TEXT NOT NULL,
  key   TEXT NOT NULL,
  value TEXT NOT NULL,
  job   INTEGER NOT NULL,
  PRIMARY KEY (org, key, value, job)
) STRICT, WITHOUT ROWID;

-- How many jobs are in each state: of an organisation (field and value are empty), of one kind, of one type, of one kind and type
-- (`kind_type`, with a space between them), created by one name, and cancelled by one actor. A row that would count no job is missing.
CREATE TABLE count (
  field     TEXT NOT NULL,
  value     TEXT NOT NULL,
  org       TEXT NOT NULL,
  pending   INTEGER NOT NULL,
  running   INTEGER NOT NULL,
  completed INTEGER NOT NULL,
  failed    INTEGER NOT NULL,
  cancelled INTEGER NOT NULL,
  PRIMARY KEY (field, value, org)
) STRICT, WITHOUT ROWID;

-- Which event types and which kinds of jobs occur in each block of 4096 positions of the log. A read of events with a filter passes
-- over the blocks without any of its types, or without its kind.
CREATE TABLE occurrence (
  field TEXT NOT NULL, -- `type` or `kind`
  value TEXT NOT NULL,
  block INTEGER NOT NULL, -- the position divided by 4096
  PRIMARY KEY (field, value, block)
) STRICT, WITHOUT ROWID;

-- A copy of the job's row after each 500th event of the job: a read of the past begins at the newest copy before its moment.
-- A snapshot shows the first notes and redactions of the job, as many as its columns say.
CREATE TABLE snapshot (
  id                 INTEGER NOT NULL,
  org                TEXT NOT NULL,
  subject            TEXT NOT NULL,
  kind               TEXT NOT NULL,
  job_type           TEXT,
  status             TEXT NOT NULL,
  position           INTEGER NOT NULL,
  recorded_at        INTEGER NOT NULL, -- when the ledger recorded the newest event
  events             INTEGER NOT NULL,
  bytes              INTEGER NOT NULL,
  created_at         INTEGER NOT NULL,
  started_at         INTEGER,
  ended_at           INTEGER,
  created_by         TEXT NOT NULL,
  labels             TEXT,
  cancelled_by       TEXT,
  cancelled_reason   TEXT,
  cancelled_position INTEGER,
  message            TEXT,
  current_step       TEXT,
  percent            INTEGER NOT NULL,
  records_processed  INTEGER,
  total_records      INTEGER,
  records_created    INTEGER,
  records_updated    INTEGER,
  records_deleted    INTEGER,
  hook_head          TEXT,
  hook_len           INTEGER,
  hook_exit_code     INTEGER,
  hook_seconds       INTEGER,
  items              INTEGER NOT NULL,
  notes              INTEGER NOT NULL,
  redactions         INTEGER NOT NULL,
  not_before         INTEGER,
  retry_max          INTEGER,
  retry_backoff_sec  INTEGER,
  retried_as         TEXT,
  worker             TEXT,
  worker_lost        INTEGER,
  lease_sec          INTEGER,
  lease_since        INTEGER,
  PRIMARY KEY (id, position)
) STRICT;

-- Results that a snapshot shows and a later event replaced. A snapshot after event N shows the result with since <= N < until.
CREATE TABLE snapshot_item (
  job         INTEGER NOT NULL,
  seq         INTEGER NOT NULL,
  until       INTEGER NOT NULL, -- the job's event, counted from 1, that replaced this result
  item        TEXT NOT NULL,
  status      TEXT NOT NULL,
  message     TEXT,
  provider    TEXT,
  secret_id   TEXT,
  secret_keys TEXT,
  detail      TEXT,
  at          INTEGER,
  since       INTEGER NOT NULL,
  PRIMARY KEY (job, seq, until)
) STRICT, WITHOUT ROWID;
