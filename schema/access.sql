-- access.db, version 2: who may do what. Apart from the log, because it changes and the log does not.
-- All times are microseconds since 1970.

CREATE TABLE token (
  id         INTEGER PRIMARY KEY,
  org        TEXT NOT NULL,
  name       TEXT NOT NULL,
  role       TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  revoked_at INTEGER,
  used_at    INTEGER,
  -- 1 where the name belonged to a revoked token before: the actor in the log then stands for both.
  reused     INTEGER NOT NULL DEFAULT 0 CHECK (reused IN (0, 1))
) STRICT;

-- One token that is not revoked has a name. A revoked token keeps its row, because the name is the actor in the log.
CREATE UNIQUE INDEX token_name ON token (org, name) WHERE revoked_at IS NULL;

CREATE TABLE secret (
  -- SHA-256 of the secret, which has 256 random bits: nothing to guess, so nothing to slow down.
  hash       BLOB PRIMARY KEY,
  token      INTEGER NOT NULL REFERENCES token (id),
  created_at INTEGER NOT NULL,
  -- NULL for the newest secret of a token. An older secret is good until then.
  ends_at    INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX secret_token ON secret (token);

-- The sources that a token is bound to.
CREATE TABLE source (
  token  INTEGER NOT NULL REFERENCES token (id),
  source TEXT NOT NULL,
  PRIMARY KEY (token, source)
) STRICT, WITHOUT ROWID;

CREATE INDEX source_owner ON source (source);

-- A browser's session ends with the secret that it was made with.
CREATE TABLE session (
  -- Grows with every session: the oldest one has the smallest.
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  hash       BLOB NOT NULL UNIQUE,
  secret     BLOB NOT NULL REFERENCES secret (hash),
  expires_at INTEGER NOT NULL
) STRICT;

CREATE INDEX session_secret ON session (secret);
