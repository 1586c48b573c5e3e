"""What the tests of the three kinds share: a real server, workers as processes, and exact comparisons with the answers.

`JOBLEDGER_TEST_PROGRAM` names the program `jobledger`, `JOBLEDGER_TEST_BAO` the program `bao`. With
`JOBLEDGER_TEST_RECORD=FOLDER` a test writes its history there as a recording for `replay-fixtures/`.
"""
from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import unittest
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Callable

ROOT = Path(__file__).parents[3]
sys.path[:0] = [str(ROOT / "clients/python"), str(ROOT / "examples/kinds")]
from jobledger import Ledger, new_id
from systems import PATH
from test_jobledger import PROGRAM, Server, attempts

TIME = re.compile(r'"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}|\.\d{6}|\.\d{9})?Z"')
NIL = "00000000-0000-0000-0000-000000000000"


class Worker:
    """A worker as a process of its own."""

    def __init__(self, script: str, job: str, environment: dict[str, str]) -> None:
        command = [sys.executable, str(ROOT / "examples/kinds" / script), *([job] if job else [])]
        self.process = subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, start_new_session=True)

    def finish(self, status: int = 0) -> str:
        """Waits for the end, and returns what the worker printed."""
        said, _ = self.process.communicate(timeout=120)
        assert self.process.returncode == status, f"{self.process.returncode}: {said}"
        return said

    def kill(self) -> None:
        """Ends the worker as `kill -9` does."""
        self.process.kill()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


class KindCase(unittest.TestCase):
    """A test with a ledger of its own."""

    maxDiff = None

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.server = Server(self.folder / "ledger")
        self.addCleanup(self.server.end)
        self.tokens = {role: self.server.token(role) for role in ("worker", "admin", "viewer")}

    def append(self, type: str, job: str, data: dict[str, Any], role: str = "worker") -> None:
        event = {"specversion": "1.0", "source": "/platform", "id": new_id(), "type": type, "subject": job,
                 "data": data}
        Ledger(self.server.url, self.tokens[role]).ask("/ledger/events", event)

    def worker(self, script: str, job: str, **environment: str) -> Worker:
        worker = Worker(script, job, {
            "PATH": PATH, "PYTHONPATH": str(ROOT / "clients/python"), "PYTHONDONTWRITEBYTECODE": "1",
            "JOBLEDGER_URL": self.server.url, "JOBLEDGER_TOKEN": self.tokens["worker"], **environment})
        self.addCleanup(worker.kill)
        return worker

    def send(self, method: str, path: str, role: str = "admin") -> tuple[int, str, str]:
        """The status, content type and body of an answer."""
        connection = HTTPConnection(self.server.address, timeout=30)
        self.addCleanup(connection.close)
        connection.request(method, path, headers={"Authorization": f"Bearer {self.tokens[role]}"})
        answer = connection.getresponse()
        return answer.status, answer.getheader("Content-Type", ""), answer.read().decode()

    def get(self, path: str, role: str = "admin") -> Any:
        status, _, body = self.send("GET", path, role)
        self.assertEqual(status, 200, body)
        return json.loads(body)

    def until(self, what: str, holds: Callable[[], Any]) -> Any:
        try:
            for _ in attempts():
                found = holds()
                if found:
                    return found
        except AssertionError as error:
            raise AssertionError(f"{what}: {error}") from None

    def same(self, path: str, expected: Any, content_type: str = "application/json", role: str = "admin",
             told: dict[str, Any] | None = None) -> None:
        """Fails unless an answer has these members in this order with these values. Every time counts as "T".

        `told` is an answer in which the members of `told` stand for figures that the clock decides.
        """
        status, found_type, body = self.send("GET", path, role)
        self.assertEqual((status, found_type), (200, content_type), body)
        body = TIME.sub('"T"', body)
        for name, pattern in (told or {}).items():
            body, count = re.subn(f'"{name}":{pattern}', f'"{name}":0', body)
            self.assertGreater(count, 0, f"{name} in {body}")
        self.assertEqual(body, text(expected))

    def positions(self, job: str) -> list[int]:
        return [int(event["position"]) for event in self.get(f"/ledger/jobs/{job}/events?limit=1000")["events"]]

    def holds_no(self, *passwords: str) -> None:
        """Fails if a file of the ledger holds a password. A known word proves that the files can be searched."""
        contents = {str(path): path.read_bytes() for path in (self.folder / "ledger").rglob("*") if path.is_file()}
        self.assertTrue(any(b"hoop_ro" in content for content in contents.values()))
        for password in passwords:
            self.assertGreaterEqual(len(password), 20)
            for path, content in contents.items():
                self.assertNotIn(password.encode(), content, path)

    def record(self, name: str, *asks: tuple[str, str]) -> None:
        """Writes the history as a recording: `sent.ndjson`, `events.ndjson` and `asks.json`."""
        if "JOBLEDGER_TEST_RECORD" not in os.environ:
            return
        folder = Path(os.environ["JOBLEDGER_TEST_RECORD"]) / name
        folder.mkdir(parents=True)
        command = [PROGRAM, "export", "--data", str(self.folder / "ledger")]
        export = subprocess.run(command, env={}, check=True, capture_output=True, text=True).stdout
        (folder / "events.ndjson").write_text(export)
        (folder / "sent.ndjson").write_text("".join(f"{line}\n" for line in map(text, sent(export))))
        lines = [text({"get": get, "role": role, "org": NIL}) for get, role in asks]
        (folder / "asks.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")


def text(value: Any) -> str:
    """JSON as the ledger writes it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def sent(export: str) -> list[dict[str, Any]]:
    """The requests that lead to an export. The first is refused: it says when the ledger was made."""
    lines = [json.loads(line) for line in export.splitlines()]
    leaves = [json.loads(line["leaf"]) for line in lines]
    head = {"actor": "worker", "role": "worker", "org": NIL}
    early = {"specversion": "1.0", "id": "early", "source": "/platform", "type": "job.started", "subject": "early"}
    requests = [{**head, "at": leaves[0]["recordedtime"], "expect": 404, "code": "no-such-job", "events": [early]}]
    for leaf, line in list(zip(leaves, lines))[1:]:
        request = {**head, "actor": leaf["actor"], "role": leaf["actor"], "at": leaf["recordedtime"]}
        if leaf["source"] == "/api/v1/jobs":
            requests.append({**request, "expect": 204, "delete": f"/api/v1/jobs/{leaf['subject']}"})
            continue
        event = {name: leaf[name] for name in ("specversion", "id", "source", "type", "subject", "time")}
        requests.append({**request, "expect": 201, "events": [{**event, "data": line["data"]}]})
    return requests
