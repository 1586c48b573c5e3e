-- access.db: who may do what. Apart from the log, because it changes and the log does not.

CREATE TABLE token (
  id         INTEGER PRIMARY KEY,
  org        TEXT NOT NULL,
  name       TEXT NOT NULL,
  role       TEXT NOT NULL,
  -- SHA-256 of the token, which has 256 random bits: nothing to guess, so nothing to slow down.
  hash       BLOB NOT NULL UNIQUE,
  created_at INTEGER NOT NULL, -- microseconds since 1970, as all times here
  expires_at INTEGER,
  revoked_at INTEGER,
  used_at    INTEGER,
  -- For ever, revoked tokens too: the name is the actor in the log.
  UNIQUE (org, name)
) STRICT;

CREATE TABLE session (
  hash       BLOB PRIMARY KEY,
  token      INTEGER NOT NULL REFERENCES token (id),
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
