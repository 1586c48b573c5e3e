"""What `sync.py` reads: a CSV file of accounts, and an LDAP directory of people and groups through `ldapsearch`.

`ACCOUNTS` names the CSV file, with the columns id, application, owner, email and enabled. `POLICIES` names a CSV file
with the columns policy, role and other: no owner may have both roles. `LDAP_URL`, `LDAP_BASE`, `LDAP_USER` and
`LDAP_PASSWORD` name the directory.
"""
from __future__ import annotations

import base64
import csv
import os
import subprocess
from typing import Any, Iterator

Records = dict[str, dict[str, Any]]
Entry = dict[str, list[str]]


def rows(variable: str) -> Iterator[dict[str, str]]:
    """The rows of the CSV file that a variable names."""
    with open(os.environ[variable], newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def accounts() -> tuple[Records, list[int]]:
    """The accounts of the CSV file by id, and the numbers of the rows that have no id."""
    records, bad = {}, []
    for number, row in enumerate(rows("ACCOUNTS"), 2):  # The first line has the names of the columns.
        if row["id"]:
            records[row["id"]] = {name: row[name] for name in ("application", "owner", "email", "enabled")}
        else:
            bad.append(number)
    return records, bad


def people(since: str = "") -> tuple[Records, str]:
    """The people of the directory that changed at `since` or later, and the time of the newest change."""
    entries = search("(objectClass=inetOrgPerson)", since)
    records = {one(entry, "uid"): {
        "name": one(entry, "cn"), "email": one(entry, "mail"), "department": one(entry, "departmentNumber"),
        "title": one(entry, "title"), "manager": uid(one(entry, "manager"))} for entry in entries}
    return records, newest(entries, since)


def groups(since: str = "") -> tuple[Records, str]:
    """The groups of the directory that changed at `since` or later, and the time of the newest change."""
    entries = search("(objectClass=groupOfNames)", since)
    records = {one(entry, "cn"): {"members": sorted(map(uid, entry["member"]))} for entry in entries}
    return records, newest(entries, since)


def search(filter: str, since: str) -> list[Entry]:
    """The entries that match, in pages of 200. `ldapsearch` reads the password from a file in memory."""
    filter = f"(&{filter}(modifyTimestamp>={since}))" if since else filter
    password = os.memfd_create("password")
    os.write(password, os.environ["LDAP_PASSWORD"].encode())
    command = ["ldapsearch", "-x", "-LLL", "-o", "ldif-wrap=no", "-E", "pr=200/noprompt", "-H", os.environ["LDAP_URL"],
               "-D", os.environ["LDAP_USER"], "-y", f"/proc/self/fd/{password}", "-b", os.environ["LDAP_BASE"], filter,
               "*", "modifyTimestamp"]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, pass_fds=[password])
    finally:
        os.close(password)
    if ran.returncode:
        raise RuntimeError(f"the directory: {ran.stderr.strip()}")
    return list(ldif(ran.stdout))


def ldif(text: str) -> Iterator[Entry]:
    """The entries of an LDIF text. A value after two colons is in Base64."""
    for block in text.split("\n\n"):
        entry: Entry = {}
        for line in block.splitlines():
            name, colon, value = line.partition(":")
            if colon and not line.startswith("#"):
                value = base64.b64decode(value[1:]).decode() if value.startswith(":") else value.strip()
                entry.setdefault(name, []).append(value)
        if "dn" in entry:
            yield entry


def one(entry: Entry, name: str) -> str:
    return entry.get(name, [""])[0]


def uid(dn: str) -> str:
    """The uid at the beginning of a name such as `uid=ada,ou=people,dc=example,dc=org`."""
    return dn.partition(",")[0].partition("=")[2]


def newest(entries: list[Entry], since: str) -> str:
    return max([since, *(one(entry, "modifyTimestamp") for entry in entries)])
