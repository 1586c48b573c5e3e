"""An SQLite file that several workers write, while other programs read it."""
from __future__ import annotations

import sqlite3
import time

# How long a worker waits for another, in seconds.
PATIENCE = 60.0


def open_shared(path: str, schema: str) -> sqlite3.Connection:
    """Opens the file in WAL mode, where a reader never waits for a writer, and makes the tables that it lacks.

    Each statement is a transaction of its own, unless the caller begins one.
    """
    file = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)
    until = time.monotonic() + PATIENCE
    while True:
        try:
            file.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError as error:
            # SQLite does not wait when it changes the mode: it fails at once while another program uses the file.
            if "locked" not in str(error) or time.monotonic() > until:
                file.close()
                raise
            time.sleep(0.01)
    file.executescript(schema)
    return file
