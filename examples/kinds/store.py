"""The identities that `sync.py` writes: an SQLite file with one row a record, and the counts of each job."""
from __future__ import annotations

import json
from typing import Any

from shared import open_shared

SCHEMA = """
CREATE TABLE IF NOT EXISTS record (entity TEXT, id TEXT, data TEXT NOT NULL, PRIMARY KEY (entity, id)) STRICT;
CREATE TABLE IF NOT EXISTS tally (job TEXT PRIMARY KEY, created INTEGER NOT NULL DEFAULT 0,
    updated INTEGER NOT NULL DEFAULT 0, deleted INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE IF NOT EXISTS seen (source TEXT PRIMARY KEY, mark TEXT NOT NULL) STRICT;
"""


class Store:
    """The file, for the changes of one job. The `with` statement opens and closes it."""

    def __init__(self, path: str, job: str) -> None:
        self.job, self._marks = job, dict[str, str]()
        self._db = open_shared(path, "PRAGMA synchronous = NORMAL;" + SCHEMA)
        self._db.execute("INSERT OR IGNORE INTO tally (job) VALUES (?)", (job,))

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_error: object) -> None:
        self._db.close()

    def records(self, entity: str) -> dict[str, dict[str, Any]]:
        """All records of an entity, by id."""
        rows = self._db.execute("SELECT id, data FROM record WHERE entity = ? ORDER BY id", (entity,))
        return {id: json.loads(data) for id, data in rows}

    def put(self, entity: str, id: str, record: dict[str, Any] | None) -> None:
        """Creates, updates or deletes (`None`) one record, and counts that in the same transaction."""
        data = None if record is None else json.dumps(record, sort_keys=True)
        found = self._db.execute("SELECT data FROM record WHERE entity = ? AND id = ?", (entity, id)).fetchone()
        if data == (found and found[0]):
            return
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("DELETE FROM record WHERE entity = ? AND id = ?", (entity, id))
            if data is not None:
                self._db.execute("INSERT INTO record VALUES (?, ?, ?)", (entity, id, data))
            change = "deleted" if data is None else "updated" if found else "created"
            self._db.execute(f"UPDATE tally SET {change} = {change} + 1 WHERE job = ?", (self.job,))

    def counts(self) -> dict[str, int]:
        """How many records this job created, updated and deleted, in all its runs."""
        row = self._db.execute("SELECT created, updated, deleted FROM tally WHERE job = ?", (self.job,)).fetchone()
        return dict(zip(("records_created", "records_updated", "records_deleted"), row))

    def recall(self, source: str) -> str:
        """How far earlier jobs have read a source; empty before the first."""
        row = self._db.execute("SELECT mark FROM seen WHERE source = ?", (source,)).fetchone()
        return str(row[0]) if row else ""

    def remember(self, source: str, mark: str) -> None:
        """Notes how far this job has read a source. `settle` keeps the notes."""
        self._marks[source] = mark

    def settle(self) -> None:
        """Keeps how far the sources were read: every record of the job is in the store."""
        self._db.executemany("INSERT OR REPLACE INTO seen VALUES (?, ?)", self._marks.items())
