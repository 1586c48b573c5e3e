"""Synchronises identities from a CSV file and an LDAP directory into SQLite, for the background jobs of a jobledger.

It needs `ldapsearch`, and PYTHONPATH=clients/python or `pip install clients/python`. Then:

    export JOBLEDGER_URL=http://127.0.0.1:8347 JOBLEDGER_TOKEN=jl_...
    export STORE=identities.db ACCOUNTS=accounts.csv POLICIES=policies.csv
    export LDAP_URL=ldap://127.0.0.1 LDAP_BASE=dc=example,dc=org
    export LDAP_USER=cn=reader,dc=example,dc=org LDAP_PASSWORD=...
    export RATE=100                            # at most so many records a second; without it no limit
    python3 examples/kinds/sync.py             # claims jobs, one after another
    python3 examples/kinds/sync.py JOB         # works on this job, also where a killed worker stopped

Each record is one transaction, which also counts it for the job. So the counts are true after a kill, and the records
of a cancelled job stay. The next job of the same type finds them unchanged, and goes on with the others.
"""
from __future__ import annotations

import os
import time
from typing import Callable, Iterator

import sources
from jobledger import Job
from serve import serve
from sources import Records
from store import Store

# Records of one entity as they should be, and whether the store must have no others.
Step = Iterator[tuple[str, Records, bool]]


def accounts(store: Store) -> Step:
    yield "account", sources.accounts()[0], True


def owners(store: Store) -> Step:
    yield "owner", sources.people()[0], True


def groups(store: Store) -> Step:
    yield "group", sources.groups()[0], True


def applications(store: Store) -> Step:
    """The applications that the accounts belong to."""
    found: Records = {}
    for account in sources.accounts()[0].values():
        found.setdefault(account["application"], {"accounts": 0})["accounts"] += 1
    yield "application", found, True


def everything(store: Store) -> Step:
    yield from directory(store, complete=True)
    seen = file_time()
    yield from accounts(store)
    yield from applications(store)
    store.remember("accounts", seen)


def changes(store: Store) -> Step:
    """What changed since the last synchronisation. The sources do not tell what was deleted; `full_sync` does."""
    yield from directory(store, complete=False)
    seen = file_time()
    if seen != store.recall("accounts"):
        yield "account", sources.accounts()[0], False
    store.remember("accounts", seen)


def directory(store: Store, complete: bool) -> Step:
    """The people and groups: all of them, or those that changed since they were last read."""
    for source, entity, read in (("people", "owner", sources.people), ("groups", "group", sources.groups)):
        records, newest = read("" if complete else store.recall(source))
        yield entity, records, complete
        store.remember(source, newest)


def file_time() -> str:
    return str(os.stat(os.environ["ACCOUNTS"]).st_mtime_ns)


def roles(store: Store) -> Step:
    """One role for each department and each title of the owners."""
    found: Records = {}
    for id, owner in store.records("owner").items():
        for attribute in ("department", "title"):
            if owner[attribute]:
                found.setdefault(f"{attribute}:{owner[attribute]}", {"members": []})["members"].append(id)
    yield "role", found, True


def findings(store: Store) -> Step:
    """The owners who have two roles that a policy keeps apart."""
    members = {id: set(role["members"]) for id, role in store.records("role").items()}
    yield "finding", {f"{row['policy']}:{owner}": {"roles": [row["role"], row["other"]]}
                      for row in sources.rows("POLICIES")
                      for owner in members.get(row["role"], set()) & members.get(row["other"], set())}, True


def managers(store: Store) -> Step:
    """The managers above each owner, up to the top or to the first who is there twice."""
    above, found = {id: owner["manager"] for id, owner in store.records("owner").items()}, {}
    for id in above:
        chain: list[str] = []
        manager = above[id]
        while manager in above and manager not in chain:
            chain.append(manager)
            manager = above[manager]
        found[id] = {"chain": chain, "cycle": manager in chain}
    yield "manager", found, True


def enrichment(store: Store) -> Step:
    """The name and department of each account's owner."""
    owners = store.records("owner")
    yield "enrichment", {id: {"name": owners[account["owner"]]["name"],
                              "department": owners[account["owner"]]["department"]}
                         for id, account in store.records("account").items() if account["owner"] in owners}, True


PLANS: dict[str, Callable[[Store], Step]] = {
    "full_sync": everything, "incremental_sync": changes, "account_sync": accounts, "owner_sync": owners,
    "group_sync": groups, "application_sync": applications, "role_generation": roles, "policy_analysis": findings,
    "manager_resolution": managers, "enrichment": enrichment}


def work(job: Job) -> None:
    """Reads what should be, compares it with the store, and applies the differences record by record."""
    job_type = job.state["spec"]["job_type"]
    with Store(os.environ["STORE"], job.id) as store:
        job.progress(current_step="Reading the sources")
        if job_type in ("full_sync", "account_sync"):
            for line in sources.accounts()[1]:
                job.item(f"line-{line}", "failed", message="the account has no id")
        records = [(entity, id, wanted.get(id)) for entity, wanted, complete in PLANS[job_type](store)
                   for id in sorted({*wanted, *(store.records(entity) if complete else ())})]
        for number, (entity, id, record) in enumerate(records, 1):
            store.put(entity, id, record)
            job.progress(current_step=f"Processing {entity} records", records_processed=number,
                         total_records=len(records), **store.counts())
            time.sleep(1 / float(os.getenv("RATE") or "inf"))
        store.settle()
        job.complete(records_processed=len(records), total_records=len(records), **store.counts())


if __name__ == "__main__":
    serve("task", work)
