-- log.db, format 2: the tree over the events (RFC 6962). What it holds follows from the leaves alone.
--
-- Auditors may rely on node(level, idx, hash): the complete subtrees. Level 0 has the hashes of the leaves, and (level, idx)
-- covers the leaves idx * 2^level up to, but without, (idx + 1) * 2^level.

CREATE TABLE node (
  -- The order in which nodes become complete: each leaf, then every subtree that ends with it. It follows from level and
  -- idx, so it finds a node as well as a key over both would, and every row is written at the end of the table: a commit
  -- changes one page, where such a key would change one for each level.
  number INTEGER PRIMARY KEY CHECK (number >= 0),
  level  INTEGER NOT NULL,
  idx    INTEGER NOT NULL,
  hash   BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;

CREATE TRIGGER node_stays BEFORE DELETE ON node BEGIN SELECT RAISE(ABORT, 'nodes are never deleted'); END;
CREATE TRIGGER node_same BEFORE UPDATE ON node BEGIN SELECT RAISE(ABORT, 'nodes are never changed'); END;
