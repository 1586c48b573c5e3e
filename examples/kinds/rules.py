"""Applies authorization rules to an SQLite file, for the rule jobs of a jobledger.

It needs PYTHONPATH=clients/python or `pip install clients/python`. Then:

    export JOBLEDGER_URL=http://127.0.0.1:8347 JOBLEDGER_TOKEN=jl_... STORE=rules.db
    python3 examples/kinds/rules.py            # claims jobs, one after another
    python3 examples/kinds/rules.py JOB        # works on this job, also where a killed worker stopped

Actions are applied by their priority, the lowest number first, and actions of one priority in the order of the job. An
action that fails, such as the update of a rule that is missing, does not stop the others; the job fails at its end. A
transaction changes the rule and notes the action, so neither a second run nor a retry of the job applies it twice.
"""
from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from typing import Any

from jobledger import Job
from serve import serve
from shared import open_shared

SCHEMA = """
CREATE TABLE IF NOT EXISTS rule (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS applied (job TEXT, action TEXT, PRIMARY KEY (job, action)) STRICT;
"""


class RuleError(Exception):
    """An action does not fit the rules in the store."""


def work(job: Job) -> None:
    """Applies the actions that have no result yet, and ends the job."""
    # The items of a rule job are its actions, in the same order. An item has the id that the ledger gave, if it did.
    actions = [{**action, "id": item["item"]} for action, item in zip(job.state["spec"]["actions"], job.state["items"])]
    results = {item["item"]: item["status"] for item in job.state["items"]}
    actions.sort(key=lambda action: (action.get("priority") is None, action.get("priority")))
    with closing(open_shared(os.environ["STORE"], SCHEMA)) as store:
        if job.state.get("retry_of"):  # A retry goes on where the job that it retries stopped.
            store.execute("INSERT OR IGNORE INTO applied SELECT ?, action FROM applied WHERE job = ?",
                          (job.id, job.state["retry_of"]))
        for action in actions:
            if results[action["id"]] not in ("completed", "failed"):
                results[action["id"]] = report(job, store, action)
    failed = list(results.values()).count("failed")
    if failed:
        job.fail(f"{failed} of {len(results)} actions failed")
    else:
        job.complete(message=f"{len(results)} actions applied")


def report(job: Job, store: sqlite3.Connection, action: dict[str, Any]) -> str:
    """Applies one action, and returns the result that it reported."""
    job.item(action["id"], "running")
    try:
        with store:
            store.execute("BEGIN IMMEDIATE")
            apply(store, job.id, action)
    except RuleError as error:
        job.item(action["id"], "failed", message=str(error))
        return "failed"
    job.item(action["id"], "completed")
    return "completed"


def apply(store: sqlite3.Connection, job: str, action: dict[str, Any]) -> None:
    """Creates, updates or deletes the rule of an action, unless an earlier run of this job did."""
    if store.execute("INSERT OR IGNORE INTO applied VALUES (?, ?)", (job, action["id"])).rowcount == 0:
        return
    id, body = action["rule"].get("id", action["id"]), json.dumps(action["rule"])
    if action["type"] == "create":
        if store.execute("INSERT OR IGNORE INTO rule VALUES (?, ?)", (id, body)).rowcount == 0:
            raise RuleError(f"create: rule {id} exists")
        return
    changed = (store.execute("UPDATE rule SET body = ? WHERE id = ?", (body, id)) if action["type"] == "update" else
               store.execute("DELETE FROM rule WHERE id = ?", (id,)))
    if changed.rowcount == 0:
        raise RuleError(f"{action['type']}: rule {id} does not exist")


if __name__ == "__main__":
    serve("rule", work)
