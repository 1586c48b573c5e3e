-- webhooks.db, version 1: who is told of events by HTTP, and how far each was told. Apart from the log, because it changes
-- and the log does not. All times are microseconds since 1970.

CREATE TABLE webhook (
  -- Grows: the oldest webhook has the smallest.
  number       INTEGER PRIMARY KEY AUTOINCREMENT,
  id           TEXT NOT NULL UNIQUE,
  org          TEXT NOT NULL,
  url          TEXT NOT NULL,
  -- Event types, each followed by a space; empty for all types.
  types        TEXT NOT NULL,
  -- NULL for all kinds.
  kind         TEXT,
  -- The key of the signatures. A signature needs the key itself, so no hash can take its place.
  secret       TEXT NOT NULL,
  created_at   INTEGER NOT NULL,
  -- The receiver has every event up to here that the webhook sends.
  position     INTEGER NOT NULL,
  -- Grows with each replay. A delivery that began before the replay then changes nothing.
  revision     INTEGER NOT NULL DEFAULT 0,
  state        TEXT NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'parked')),
  -- Failed tries of the next event, in a row.
  failures     INTEGER NOT NULL DEFAULT 0,
  last_error   TEXT,
  -- NULL where nothing failed, and for a parked webhook.
  next_try_at  INTEGER
) STRICT;
