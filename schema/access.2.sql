-- access.db: what version 1 held goes into the tables of version 2. Its tables were renamed before, so that the new ones have
-- their names.

INSERT INTO token (id, org, name, role, created_at, expires_at, revoked_at, used_at)
  SELECT id, org, name, role, created_at, expires_at, revoked_at, used_at FROM token_1;

INSERT INTO secret (hash, token, created_at) SELECT hash, id, created_at FROM token_1;

INSERT INTO session (hash, secret, expires_at)
  SELECT session_1.hash, token_1.hash, session_1.expires_at
  FROM session_1 JOIN token_1 ON token_1.id = session_1.token
  ORDER BY session_1.expires_at;

DROP TABLE session_1;
DROP TABLE token_1;
