"""The workers claim jobs: each job is done once, and the job of a killed worker is done by another."""
from __future__ import annotations

import sqlite3
import unittest
from contextlib import closing
from typing import Any

from case import KindCase, Worker
from jobledger import Ledger


class Leases(KindCase):
    def setUp(self) -> None:
        super().setUp()
        self.path = str(self.folder / "rules.db")

    def create(self, id: str, count: int = 20) -> None:
        actions = [{"id": f"{id}-{number}", "type": "create", "rule": {"id": f"{id}-{number}"}}
                   for number in range(count)]
        self.append("job.created", id, {"kind": "rule", "spec": {"actions": actions}})

    def claiming(self, **environment: str) -> Worker:
        return self.worker("rules.py", "", STORE=self.path, **environment)

    def rules(self) -> int:
        with closing(sqlite3.connect(self.path, timeout=60)) as store:
            return int(store.execute("SELECT count(*) FROM rule").fetchone()[0])

    def states(self) -> dict[str, str]:
        return {job["id"]: job["status"] for job in self.get("/ledger/jobs?kind=rule")["jobs"]}

    def test_two_workers_share_the_jobs(self) -> None:
        ids = {f"job-{number}" for number in range(8)}
        for id in ids:
            self.create(id)
        workers = [self.claiming(), self.claiming()]
        self.until("every job is completed", lambda: set(self.states().values()) == {"completed"})
        self.assertEqual(self.rules(), 8 * 20)
        for worker in workers:
            worker.kill()
        for id in ids:
            job = self.get(f"/ledger/jobs/{id}")
            self.assertTrue(job["worker"].rpartition("-")[2] in [str(worker.process.pid) for worker in workers])
            self.assertEqual(len(job["items"]), 20)

    def test_the_job_of_a_killed_worker_is_done_by_another(self) -> None:
        self.create("job-1", 400)
        killed = self.claiming(LEASE_SEC="2")
        results = "/ledger/jobs/job-1/events?type=job.item_result&limit=1000"
        self.until("some results", lambda: "job-1" in self.states() and len(self.get(results)["events"]) > 20)
        killed.kill()
        self.assertTrue(0 < self.rules() < 400)
        self.until("the worker is lost", lambda: self.states()["job-1"] == "failed")
        self.assertEqual(self.get("/authorization/rules/jobs/job-1")["state"], "failed")
        self.assertRegex(self.get("/ledger/jobs/job-1")["message"], f"^worker .*-{killed.process.pid} was lost: ")
        retry = Ledger(self.server.url, self.tokens["worker"]).ask("/ledger/jobs/job-1/retry", method="POST")["job"]
        self.claiming()
        self.until("the retry is completed", lambda: self.states()[retry["id"]] == "completed")
        self.assertEqual(self.get(f"/ledger/jobs/{retry['id']}")["retry_of"], "job-1")
        self.assertEqual(self.rules(), 400)


if __name__ == "__main__":
    unittest.main()
