"""The worker of authorization rules, on an SQLite file."""
from __future__ import annotations

import json
import sqlite3
import unittest
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

from case import KindCase, Worker
from shared import open_shared

TYPE = "application/vnd.sas.authorization.rule.job+json"


def rule(id: str, **more: Any) -> dict[str, Any]:
    return {"type": "prohibit", "permissions": ["read", "update"], "principal": "testprincipal",
            "principalType": "user", "objectUri": "/foo/bar", "matchParams": False, "version": 9, "id": id,
            "enabled": True, **more}


def action(id: str, type: str, of: dict[str, Any], priority: int | None) -> dict[str, Any]:
    return {"id": id, "type": type, "rule": of, **({} if priority is None else {"priority": priority})}


class Rules(KindCase):
    def setUp(self) -> None:
        super().setUp()
        self.job, self.path = str(uuid.uuid4()), str(self.folder / "rules.db")

    def start(self, actions: list[dict[str, Any]], job: str = "") -> Worker:
        spec = {"actions": actions}
        self.append("job.created", job or self.job, {"kind": "rule", "spec": spec, "created_by": "ada"})
        return self.worker("rules.py", job or self.job, STORE=self.path)

    def again(self) -> Worker:
        return self.worker("rules.py", self.job, STORE=self.path)

    def reported(self) -> int:
        """How many actions the ledger shows as completed."""
        shown = self.get(f"/authorization/rules/jobs/{self.job}")["actions"]
        return [one["state"] for one in shown].count("completed")

    def rules(self) -> dict[str, Any]:
        with closing(sqlite3.connect(self.path, timeout=60)) as store:
            if not store.execute("SELECT 1 FROM sqlite_schema WHERE name = 'rule'").fetchone():
                return {}
            return {id: json.loads(body) for id, body in store.execute("SELECT id, body FROM rule ORDER BY id")}

    def shown(self, state: str, actions: list[dict[str, Any]], states: list[str]) -> dict[str, Any]:
        """The documented job: every member, in the order of the document."""
        path = f"/authorization/rules/jobs/{self.job}"
        link = {"method": "GET", "rel": "self", "href": path, "uri": path,
                "type": "application/vnd.sas.authorization.rule.job"}
        return {"id": self.job, "createdBy": "ada", "status": "notStarted" if state == "pending" else state,
                "version": 2, "state": state,
                "links": [link, {**link, "rel": "ruleJobState", "href": path + "/state", "uri": path + "/state",
                                 "type": "text/plain"}],
                "actions": [{"id": one["id"], "rule": one["rule"], "type": one["type"], "status": of, "state": of,
                             "priority": one.get("priority")} for one, of in zip(actions, states)]}

    def shows(self, state: str, actions: list[dict[str, Any]], states: list[str], as_of: str = "") -> None:
        """Fails unless both documented routes show this."""
        path, of = f"/authorization/rules/jobs/{self.job}", f"?as_of={as_of}" if as_of else ""
        self.same(path + of, self.shown(state, actions, states), TYPE, "viewer")
        self.assertEqual(self.send("GET", f"{path}/state{of}", "viewer"), (200, "text/plain;charset=UTF-8", state))

    def test_actions_apply_by_priority_and_a_missing_rule_fails_its_action_alone(self) -> None:
        actions = [action("u1", "update", rule("r1", enabled=False), 2), action("c1", "create", rule("r1"), 1),
                   action("d9", "delete", rule("r9"), 1), action("c2", "create", rule("r2", reason="Ünïcode"), 3),
                   action("d2", "delete", {"id": "r2"}, 4), action("u9", "update", rule("r9"), None),
                   action("c3", "create", rule("r3"), None), action("c1-again", "create", rule("r1"), 1)]
        self.start(actions).finish(1)
        states = ["completed", "completed", "failed", "completed", "completed", "failed", "completed", "failed"]
        self.shows("failed", actions, states)
        self.assertEqual(self.rules(), {"r1": rule("r1", enabled=False), "r3": rule("r3")})
        job = self.get(f"/ledger/jobs/{self.job}")
        messages = [item["message"] for item in job["items"] if item["status"] == "failed"]
        self.assertEqual(messages, ["delete: rule r9 does not exist", "update: rule r9 does not exist",
                                    "create: rule r1 exists"])
        self.assertEqual(job["message"], "3 of 8 actions failed")
        events = self.get(f"/ledger/jobs/{self.job}/events?type=job.item_result&limit=100")["events"]
        done = [event["data"]["item"] for event in events if event["data"]["status"] != "running"]
        self.assertEqual(done, ["c1", "d9", "c1-again", "u1", "c2", "d2", "u9", "c3"])
        states, positions = ["pending"] * 8, self.positions(self.job)
        self.shows("pending", actions, states, str(positions[0]))
        self.shows("running", actions, states, str(positions[1]))
        for event in events:
            states[[one["id"] for one in actions].index(event["data"]["item"])] = event["data"]["status"]
            self.shows("running", actions, states, event["position"])
        path = f"/authorization/rules/jobs/{self.job}"
        asks = [(f"{path}{part}?as_of={position}", "viewer") for part in ("", "/state") for position in positions]
        self.record("rule.applied", *asks, (path, "viewer"), (f"{path}/state", "viewer"),
                    (f"/ledger/jobs/{self.job}", "viewer"))

    def test_a_job_of_which_every_action_applies_completes(self) -> None:
        actions = [action("c", "create", rule("r1"), 1), action("u", "update", rule("r1", version=10), 1),
                   action("d", "delete", {"id": "r1"}, 1)]
        self.start(actions).finish()
        self.shows("completed", actions, ["completed"] * 3)
        self.assertEqual(self.rules(), {})

    def test_a_killed_worker_applies_no_action_twice(self) -> None:
        actions = [action(f"c{number}", "create", rule(f"r{number}"), number) for number in range(1000)]
        worker = self.start(actions)
        self.until("actions are applied but not reported", lambda: 0 < self.reported() < len(self.rules()) - 3)
        worker.kill()
        while self.reported() == len(self.rules()):  # The worker reported them just before it was killed.
            self.assertLess(self.reported(), 1000)
            worker = self.again()
            self.until("more are applied", lambda: self.reported() < len(self.rules()) - 3)
            worker.kill()
        self.again().finish()
        self.shows("completed", actions, ["completed"] * 1000)
        self.assertEqual(len(self.rules()), 1000)

    def test_a_job_shows_which_action_waits_for_the_store(self) -> None:
        self.start([action("c0", "create", rule("r0"), 1)], str(uuid.uuid4())).finish()
        actions = [action("d0", "delete", {"id": "r0"}, 1), action("c1", "create", rule("r1"), 2)]
        store = sqlite3.connect(self.path, isolation_level=None)
        self.addCleanup(store.close)
        store.execute("BEGIN EXCLUSIVE")
        self.assertEqual(self.rules(), {"r0": rule("r0")})  # A reader does not wait for a writer.
        worker = self.start(actions)
        path = f"/authorization/rules/jobs/{self.job}"
        self.until("d0 runs", lambda: self.get(path)["actions"][0]["state"] == "running")
        self.shows("running", actions, ["running", "pending"])
        store.execute("ROLLBACK")
        worker.finish()
        self.shows("completed", actions, ["completed", "completed"])
        self.assertEqual(self.rules(), {"r1": rule("r1")})

    def test_programs_that_open_a_new_store_at_once_all_get_it(self) -> None:
        def opens(path: str) -> None:
            open_shared(path, "CREATE TABLE IF NOT EXISTS rule (id TEXT)").close()

        with ThreadPoolExecutor(4) as programs:
            for number in range(200):
                list(programs.map(opens, [str(self.folder / f"{number}.db")] * 4))

    def test_a_cancelled_job_keeps_the_actions_that_were_applied(self) -> None:
        actions = [action(f"c{number}", "create", rule(f"r{number}"), number) for number in range(2000)]
        worker = self.start(actions)
        count = f"/ledger/jobs/{self.job}/events?type=job.item_result&limit=1000"
        self.until("some results", lambda: len(self.get(count)["events"]) > 20)
        self.append("job.cancelled", self.job, {}, "admin")
        worker.finish(1)
        self.assertTrue(0 < len(self.rules()) < 2000)
        self.assertEqual(self.get(f"/authorization/rules/jobs/{self.job}")["state"], "canceled")


if __name__ == "__main__":
    unittest.main()
