"""The worker of background jobs, against a CSV file and a real LDAP directory (slapd)."""
from __future__ import annotations

import csv
import sqlite3
import unittest
from collections import Counter
from contextlib import closing
from typing import Any

from case import KindCase, Worker
from systems import Directory

PEOPLE = 520  # More than the directory returns without paging.
TYPES = ["full_sync", "incremental_sync", "account_sync", "owner_sync", "group_sync", "application_sync",
         "role_generation", "policy_analysis", "manager_resolution", "enrichment"]
DEPARTMENTS, TITLES = ["engineering", "finance", "sales"], ["clerk", "auditor"]


def person(number: int, department: str = "") -> str:
    """A person in LDIF. Person 0 is the top of all; 2 and 3 are each other's managers."""
    manager = {0: "", 2: 3, 3: 2}.get(number, number // 2)
    line = f"manager: uid=p{manager},ou=people,dc=example,dc=org\n" if manager != "" else ""
    return (f"dn: uid=p{number},ou=people,dc=example,dc=org\nobjectClass: inetOrgPerson\nuid: p{number}\nsn: P\n"
            f"cn: Persön {number}\nmail: p{number}@example.org\ntitle: {TITLES[number % 2]}\n"
            f"departmentNumber: {department or DEPARTMENTS[number % 3]}\n{line}\n")


def group(name: str, *members: int) -> str:
    lines = "".join(f"member: uid=p{number},ou=people,dc=example,dc=org\n" for number in members)
    return f"dn: cn={name},ou=groups,dc=example,dc=org\nobjectClass: groupOfNames\ncn: {name}\n{lines}\n"


class SyncCase(KindCase):
    def setUp(self) -> None:
        super().setUp()
        self.directory = Directory()
        self.addCleanup(self.directory.close)
        self.directory.change(
            "dn: dc=example,dc=org\nobjectClass: dcObject\nobjectClass: organization\no: Example\ndc: example\n\n"
            "dn: ou=people,dc=example,dc=org\nobjectClass: organizationalUnit\nou: people\n\n"
            "dn: ou=groups,dc=example,dc=org\nobjectClass: organizationalUnit\nou: groups\n\n")
        self.environment = {
            "STORE": str(self.folder / "identities.db"), "ACCOUNTS": str(self.folder / "accounts.csv"),
            "POLICIES": str(self.folder / "policies.csv"), "LDAP_URL": self.directory.url,
            "LDAP_BASE": self.directory.base, "LDAP_USER": self.directory.admin,
            "LDAP_PASSWORD": self.directory.password}
        self.write("POLICIES", ["policy", "role", "other"], [["no-own-audit", "department:finance", "title:auditor"]])

    def write(self, variable: str, header: list[str], rows: list[list[str]]) -> None:
        with open(self.environment[variable], "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([header, *rows])

    def accounts(self, numbers: range, enabled: str = "yes") -> list[list[str]]:
        rows = [[f"a{n}", ["mail", "wiki"][n % 2], f"p{n}", f"p{n}@example.org", enabled] for n in numbers]
        self.write("ACCOUNTS", ["id", "application", "owner", "email", "enabled"], rows)
        return rows

    def rows(self) -> Counter[str]:
        """How many records of each entity the store has."""
        with closing(sqlite3.connect(self.environment["STORE"], timeout=60)) as store:
            return Counter(dict(store.execute("SELECT entity, count(*) FROM record GROUP BY entity")))

    def data(self, entity: str, id: str) -> str:
        with closing(sqlite3.connect(self.environment["STORE"], timeout=60)) as store:
            found = store.execute("SELECT data FROM record WHERE entity = ? AND id = ?", (entity, id)).fetchone()
        return str(found[0]) if found else ""

    def start(self, id: str, job_type: str, **environment: str) -> Worker:
        labels = {"labels": {"continues": environment.pop("continues")}} if "continues" in environment else {}
        self.append("job.created", id, {"kind": "task", "spec": {"job_type": job_type}, **labels})
        return self.worker("sync.py", id, **self.environment, **environment)

    def sync(self, id: str, job_type: str, **environment: str) -> None:
        self.start(id, job_type, **environment).finish()

    def shown(self, id: str, job_type: str, step: str, counts: tuple[int, int, int], total: int | None,
              status: str = "completed", processed: int | None = None) -> dict[str, Any]:
        """The documented job: every member, in the order of the document, then the details."""
        ended = status not in ("pending", "running")
        return {"id": id, "job_type": job_type, "status": status, "progress": 100 if status == "completed" else 0,
                "start_time": "T", "end_time": "T" if ended else None, "duration_ms": 0,
                "records_created": counts[0], "records_updated": counts[1], "records_deleted": counts[2],
                "current_step": step, "records_processed": total if processed is None else processed,
                "total_records": total, "message": None, "created_at": "T"}

    def completed(self, id: str, job_type: str, entity: str, counts: tuple[int, int, int], total: int) -> None:
        """Fails unless the four documented routes show the completed job with these counts."""
        step = f"Processing {entity} records" if total else "Reading the sources"
        job = self.shown(id, job_type, step, counts, total)
        told = {"duration_ms": r"\d+"}
        self.same(f"/api/v1/jobs/{id}", job, told=told)
        entry = {name: job[name] for name in list(job)[:10]}
        self.same(f"/api/v1/jobs?job_type={job_type}&first=1",
                  {"jobs": [entry], "pageInfo": {"hasNextPage": 0, "endCursor": 0}},
                  told={**told, "hasNextPage": "(true|false)", "endCursor": '"[^"]+"'})
        self.same(f"/api/v1/jobs/{id}/progress", {"id": id, "status": "completed", "progress": 100,
                  "current_step": step, "records_processed": total, "total_records": total, "elapsed_ms": 0},
                  told={"elapsed_ms": r"\d+"})
        self.same("/api/v1/jobs/running", {"jobs": []})


class Sync(SyncCase):
    def test_every_job_type_runs_and_counts(self) -> None:
        self.directory.change("".join(map(person, range(PEOPLE))) + group("ops", 1, 2) + group("dev", 3))
        self.accounts(range(40))
        for name in ("full_sync", "account_sync", "owner_sync", "group_sync", "application_sync", "role_generation",
                     "policy_analysis", "manager_resolution", "enrichment"):
            expected = {"full_sync": ("application", PEOPLE + 40 + 2 + 2, PEOPLE + 40 + 2 + 2),
                        "account_sync": ("account", 0, 40), "owner_sync": ("owner", 0, PEOPLE),
                        "group_sync": ("group", 0, 2), "application_sync": ("application", 0, 2),
                        "role_generation": ("role", 5, 5),
                        "policy_analysis": ("finding", len(range(1, PEOPLE, 6)), len(range(1, PEOPLE, 6))),
                        "manager_resolution": ("manager", PEOPLE, PEOPLE), "enrichment": ("enrichment", 40, 40)}[name]
            self.sync(f"job-{name}", name)
            self.completed(f"job-{name}", name, expected[0], (expected[1], 0, 0), expected[2])
        self.assertEqual(self.rows(), {"account": 40, "owner": PEOPLE, "group": 2, "application": 2, "role": 5,
                                       "finding": 87, "manager": PEOPLE, "enrichment": 40})
        self.assertIn('"name": "Pers\\u00f6n 7"', self.data("owner", "p7"))
        self.assertEqual(self.data("manager", "p9"), '{"chain": ["p4", "p2", "p3"], "cycle": true}')
        self.assertEqual(self.data("manager", "p1"), '{"chain": ["p0"], "cycle": false}')
        self.assertEqual(self.data("finding", "no-own-audit:p1"), '{"roles": ["department:finance", "title:auditor"]}')
        # The sources change: two people move, one comes, one goes, and five accounts go.
        self.directory.change("".join(f"dn: uid=p{n},ou=people,dc=example,dc=org\nchangetype: modify\n"
                                      "replace: title\ntitle: director\n\n" for n in (5, 6)) + person(PEOPLE) +
                              "dn: uid=p7,ou=people,dc=example,dc=org\nchangetype: delete\n\n")
        self.accounts(range(5, 40))
        self.sync("job-incremental_sync", "incremental_sync")
        job = self.get("/api/v1/jobs/job-incremental_sync")
        counts = [job[f"records_{change}"] for change in ("created", "updated", "deleted")]
        self.assertEqual((job["status"], counts), ("completed", [1, 2, 0]))
        self.assertEqual((self.rows()["owner"], self.rows()["account"]), (PEOPLE + 1, 40))
        # Nothing tells of a deletion but a complete list. The accounts of each application became fewer.
        self.sync("job-full", "full_sync")
        self.completed("job-full", "full_sync", "application", (0, 2, 6), PEOPLE + 1 + 40 + 2 + 2)
        self.assertEqual((self.rows()["owner"], self.rows()["account"]), (PEOPLE, 35))
        # A second one finds nothing to do.
        self.sync("job-again", "full_sync")
        self.completed("job-again", "full_sync", "application", (0, 0, 0), PEOPLE + 35 + 2 + 2)
        listed = self.get("/api/v1/jobs?first=1000")["jobs"]
        self.assertEqual({job["job_type"] for job in listed}, set(TYPES))

    def test_a_job_is_cancelled_half_way_and_continued_as_a_new_job(self) -> None:
        self.directory.change(person(0))
        self.accounts(range(300))
        worker = self.start("job-1", "account_sync", RATE="100")
        self.until("some records", lambda: self.get("/api/v1/jobs/job-1/progress")["records_processed"])
        running = {"id": "job-1", "job_type": "account_sync", "status": "running", "progress": 0, "start_time": "T"}
        self.same("/api/v1/jobs/running", {"jobs": [running]}, told={"progress": r"\d+"})
        self.same("/api/v1/jobs/job-1/progress", {
            "id": "job-1", "status": "running", "progress": 0, "current_step": "Processing account records",
            "records_processed": 0, "total_records": 300, "elapsed_ms": 0},
            told={"progress": r"\d+", "records_processed": r"\d+", "elapsed_ms": r"\d+"})
        self.same("/api/v1/jobs/job-1", {**self.shown("job-1", "account_sync", "Processing account records", (0, 0, 0),
                  300, "running", 0), "duration_ms": None},
                  told={name: r"\d+" for name in ("progress", "records_created", "records_processed")})
        self.assertEqual(self.send("DELETE", "/api/v1/jobs/job-1")[::2], (204, ""))
        worker.finish(1)
        kept = self.rows()["account"]
        self.assertTrue(0 < kept < 300, kept)
        job = self.get("/api/v1/jobs/job-1")
        self.same("/api/v1/jobs/job-1", {
            **self.shown("job-1", "account_sync", "Processing account records", (job["records_created"], 0, 0), 300,
                         "cancelled", job["records_processed"]), "progress": job["records_processed"] * 100 // 300},
                  told={"duration_ms": r"\d+"})
        self.assertTrue(0 < job["records_created"] == job["records_processed"] <= kept, job)
        self.sync("job-2", "account_sync", continues="job-1")
        self.completed("job-2", "account_sync", "account", (300 - kept, 0, 0), 300)
        self.assertEqual(self.rows()["account"], 300)
        self.assertEqual([job["id"] for job in self.get("/ledger/jobs?label=continues:job-1")["jobs"]], ["job-2"])
        asks = [(f"/api/v1/jobs/{id}{part}", "admin") for id in ("job-1", "job-2") for part in ("", "/progress")]
        during = [f"/api/v1/jobs/job-1{part}?as_of={position}" for part in ("", "/progress")
                  for position in self.positions("job-1")]
        self.record("task.continued", *asks, *((path, "admin") for path in during), ("/api/v1/jobs", "admin"),
                    ("/api/v1/jobs/running", "admin"), ("/ledger/jobs/job-2", "viewer"))

    def test_the_counts_are_true_after_a_kill(self) -> None:
        self.directory.change(person(0))
        self.accounts(range(200))
        worker = self.start("job-1", "account_sync", RATE="100")
        self.until("some records", lambda: self.get("/api/v1/jobs/job-1/progress")["records_processed"])
        worker.kill()
        kept = self.rows()["account"]
        self.assertTrue(0 < kept < 200, kept)
        self.worker("sync.py", "job-1", **self.environment).finish()
        self.completed("job-1", "account_sync", "account", (200, 0, 0), 200)

    def test_a_row_without_an_id_fails_as_an_item(self) -> None:
        self.directory.change(person(0))
        rows = self.accounts(range(3))
        rows[1][0] = ""
        self.write("ACCOUNTS", ["id", "application", "owner", "email", "enabled"], rows)
        self.sync("job-1", "account_sync")
        self.completed("job-1", "account_sync", "account", (2, 0, 0), 2)
        items = [(item["item"], item["status"], item["message"]) for item in self.get("/ledger/jobs/job-1")["items"]]
        self.assertEqual(items, [("line-3", "failed", "the account has no id")])

    def test_a_source_that_is_away_fails_the_job(self) -> None:
        self.accounts(range(3))
        self.environment["LDAP_PASSWORD"] = "guessed-0123456789"
        said = self.start("job-1", "owner_sync").finish(1)
        job = self.get("/api/v1/jobs/job-1")
        self.assertEqual(job["status"], "failed")
        self.assertIn("Invalid credentials", job["message"])
        self.assertNotIn("guessed-0123456789", said + job["message"])


if __name__ == "__main__":
    unittest.main()
