"""Imports 1,000 people from a CSV file into an SQLite file, and reports the import to a jobledger.

`README.md` shows how to start a ledger and make a token for a worker. Then:

    pip install clients/python
    export JOBLEDGER_URL=http://127.0.0.1:8347 JOBLEDGER_TOKEN=jl_...
    python3 examples/import.py people.csv people.db

The script makes people.csv. One record has no e-mail address, so one item of the job fails.
"""
import csv
import sqlite3
import sys
from typing import Dict

from jobledger import Cancelled, Ledger


def generate(path: str) -> None:
    """Writes the CSV file."""
    with open(path, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "name", "email"])
        for number in range(1, 1001):
            rows.writerow([number, f"Person {number}", "" if number == 617 else f"person-{number}@example.org"])


def add(people: sqlite3.Connection, row: Dict[str, str]) -> None:
    """Adds one record to the SQLite file."""
    if "@" not in row["email"]:
        raise ValueError("no e-mail address")
    people.execute("INSERT INTO person VALUES (?, ?, ?)", (row["id"], row["name"], row["email"]))


def main(source: str, target: str) -> None:
    """Imports `source` into `target`. An exception in the block, such as `Cancelled`, takes the records back."""
    generate(source)
    with open(source, newline="") as file:
        rows = list(csv.DictReader(file))
    ledger, created = Ledger(), 0
    spec = {"job_type": "import", "total_records": len(rows), "parameters": {"source": source, "target": target}}
    with ledger.job("generic", spec=spec) as job, sqlite3.connect(target) as people:
        print(f"{ledger.url}/jobs/{job.id}")
        job.output(f"{source} has {len(rows)} records")
        people.execute("DROP TABLE IF EXISTS person")
        people.execute("CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT, email TEXT)")
        for count, row in enumerate(rows, 1):
            try:
                add(people, row)
                created += 1
            except (ValueError, sqlite3.Error) as error:
                job.item(f"person-{row['id']}", "failed", message=str(error))
            job.progress(records_processed=count, records_created=created, current_step=row["name"])
        job.output(f"{created} of {len(rows)} records are in {target}")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except Cancelled as cancelled:
        sys.exit(str(cancelled))
