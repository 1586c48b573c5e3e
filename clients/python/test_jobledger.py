"""Tests of the client against a real server. `JOBLEDGER_TEST_PROGRAM` names the program `jobledger`.

    JOBLEDGER_TEST_PROGRAM=target/debug/jobledger python3 clients/python/test_jobledger.py
"""
from __future__ import annotations

import contextlib
import http.client
import http.server
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import uuid
from pathlib import Path
from typing import Any, Callable, Iterator
from unittest import mock

sys.path.insert(0, str(Path(__file__).parent))
from jobledger import CHUNK, Cancelled, Job, LeaseLost, Ledger, Refused, Unavailable, new_id

PROGRAM = os.environ["JOBLEDGER_TEST_PROGRAM"]
PATIENCE = 60.0
SPEC = {"job_type": "import"}


def attempts() -> Iterator[int]:
    """Counts until the patience of a test is over."""
    end = time.monotonic() + PATIENCE
    count = 0
    while time.monotonic() < end:
        yield count
        count += 1
        time.sleep(0.001)
    raise AssertionError(f"waited {PATIENCE} s")


class Server:
    """A server over a data folder. A killed server starts again at the same port."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder, self.options, self.address = folder, options, "127.0.0.1:0"
        self.start()

    def start(self) -> None:
        command = [PROGRAM, "serve", "--create", "--data", str(self.folder), "--listen", self.address, *self.options]
        self.process = subprocess.Popen(command, env={}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout
        self.url = self.process.stdout.readline().split()[-1]
        self.address = self.url.partition("://")[2]

    def end(self) -> None:
        """Ends the server as `kill -9` does."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdout
        self.process.stdout.close()

    def token(self, role: str) -> str:
        command = [PROGRAM, "token", "create", "--data", str(self.folder), "--name", role, "--role", role]
        return subprocess.run(command, env={}, check=True, capture_output=True, text=True).stdout.strip()


class Gateway(http.server.ThreadingHTTPServer):
    """Stands before a server, keeps the events of each append, and may answer in the server's place."""

    def __init__(self, server: Server) -> None:
        super().__init__(("127.0.0.1", 0), Passing)
        self.server = server
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.appends: list[tuple[float, list[dict[str, Any]]]] = []
        # For the number of an append, from 0: the status of the answer, or -1 to lose the answer, or 0 to pass it on.
        self.instead: Callable[[int], int] = lambda _count: 0
        self.renewals, self.renews = 0, True  # Whether a renewal of a lease is passed on.
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Passing(http.server.BaseHTTPRequestHandler):
    """Passes one request on."""

    server: Gateway

    def do_GET(self) -> None:
        self.answer(*self.passed_on(None))

    def do_PUT(self) -> None:
        self.server.renewals += 1
        self.answer(*(self.passed_on(None) if self.server.renews else (503, b"{}")))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path != "/ledger/events":
            self.answer(*self.passed_on(body))
            return
        status = self.server.instead(len(self.server.appends))
        self.server.appends.append((time.monotonic(), json.loads(body)))
        if status > 0:
            self.answer(status, b'{"code":"overloaded","title":"Service Unavailable"}')
            return
        answer = self.passed_on(body)
        if status == 0:
            self.answer(*answer)

    def passed_on(self, body: bytes | None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self.server.server.address)
        names = ("Authorization", "Content-Type", "Ledger-Lease")
        headers = {name: self.headers[name] for name in names if name in self.headers}
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        result = answer.status, answer.read()
        connection.close()
        return result

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        if status == 503:
            self.send_header("Retry-After", "1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


class Case(unittest.TestCase):
    """Tests that share a server. Each has a folder of its own."""

    server: Server
    worker: str
    admin: str

    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.server = Server(Path(folder.name))
        cls.addClassCleanup(cls.server.end)
        cls.worker, cls.admin = cls.server.token("worker"), cls.server.token("admin")

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        if self.server.process.poll() is not None:
            self.server.start()  # A failed test left it dead.
        self.ledger = self.client()

    def client(self, url: str = "", **options: Any) -> Ledger:
        return Ledger(url or self.server.url, self.worker, **options)

    def gateway(self) -> Gateway:
        gateway = Gateway(self.server)
        self.addCleanup(gateway.server_close)
        self.addCleanup(gateway.shutdown)
        return gateway

    def read(self, path: str) -> dict[str, Any]:
        return dict(Ledger(self.server.url, self.admin).ask(path))

    def events(self, job: Job) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = self.read(f"/ledger/jobs/{job.id}/events?limit=1000")["events"]
        return events

    def types(self, job: Job) -> list[str]:
        return [event["type"].replace("job.", "") for event in self.events(job)]

    def state(self, job: Job) -> dict[str, Any]:
        return self.read(f"/ledger/jobs/{job.id}")

    def cancel(self, job: Job) -> None:
        event = {"specversion": "1.0", "source": "/admins", "id": new_id(), "type": "job.cancelled", "subject": job.id,
                 "data": {"reason": "wrong target"}}
        Ledger(self.server.url, self.admin).ask("/ledger/events", [event])


class Reports(Case):
    def test_a_block_is_a_job(self) -> None:
        with self.ledger.job("task", spec={"job_type": "account_sync"}, labels={"ticket": "OPS-7"}) as job:
            job.start(total_records=2)
            job.progress(records_processed=1, current_step="first")
            job.item("b", "failed", message="no such user")
            job.output("one")
            job.progress(records_processed=2)
            self.assertEqual(job.check(), "running")
        state = self.state(job)
        self.assertEqual((state["status"], state["progress"], state["labels"]), ("completed", 100, {"ticket": "OPS-7"}))
        self.assertEqual([(item["item"], item["status"]) for item in state["items"]], [("b", "failed")])
        self.assertEqual(state["hook"]["output"], "one\n")
        self.assertEqual(self.types(job)[:2] + self.types(job)[-2:], ["created", "started", "progress", "completed"])

    def test_the_first_report_starts_the_job(self) -> None:
        with self.ledger.job("generic", spec=SPEC) as job:
            job.output("a")
        self.assertEqual(self.types(job), ["created", "started", "hook_output", "completed"])

    def test_an_exception_fails_the_job(self) -> None:
        with self.assertRaisesRegex(ValueError, "line 7"):
            with self.ledger.job("generic", spec=SPEC) as job:
                job.output("half")
                raise ValueError("line 7 has no name")
        self.assertEqual(self.state(job)["status"], "failed")
        self.assertEqual(self.events(job)[-1]["data"], {"message": "ValueError: line 7 has no name"})
        self.assertEqual(self.types(job), ["created", "started", "hook_output", "failed"])

    def test_a_long_message_of_an_exception_is_cut(self) -> None:
        with self.assertRaises(ValueError), self.ledger.job("generic", spec=SPEC) as job:
            raise ValueError("ü" * 100_000)
        self.assertEqual(self.state(job)["status"], "failed")

    def test_a_cancelled_job_raises_in_the_block(self) -> None:
        reached = False
        with self.assertRaises(Cancelled) as raised:
            with self.ledger.job("generic", spec=SPEC) as job:
                job.start()
                job.flush()
                self.cancel(job)
                for count in attempts():
                    job.progress(records_processed=count)
                reached = True
        self.assertFalse(reached)
        self.assertEqual((raised.exception.status, raised.exception.state), (409, "cancelled"))
        self.assertEqual(self.types(job)[-1], "cancelled")

    def test_a_job_that_was_cancelled_before_its_last_report_raises_at_the_end(self) -> None:
        with self.assertRaises(Cancelled), self.ledger.job("generic", spec=SPEC) as job:
            job.start()
            job.flush()
            self.cancel(job)
        with self.assertRaises(Cancelled):
            job.check()

    def test_a_job_that_exists_goes_on(self) -> None:
        killed = self.ledger.job("generic", spec=SPEC, id="nightly-1").__enter__()
        killed.output("one")
        killed.flush()
        with self.ledger.resume("nightly-1") as job:
            job.output("two")
            job.complete(message="done")
            job.report("job.noted", text="twice as long as yesterday")
        self.assertEqual(self.state(job)["hook"]["output"], "one\ntwo\n")
        self.assertEqual(self.types(job), ["created", "started", "hook_output", "hook_output", "completed", "noted"])
        with self.assertRaisesRegex(Refused, "is completed"):
            killed.output("three")
            killed.flush()


class Errors(Case):
    def test_a_bad_spec_is_refused_at_the_start_of_the_block(self) -> None:
        with self.assertRaises(Refused) as raised:
            with self.ledger.job("task", spec={"job_type": "nothing"}):
                self.fail("the block began")
        self.assertEqual((raised.exception.status, raised.exception.code), (422, "invalid"))
        self.assertEqual(raised.exception.field, "/data/spec/job_type")
        self.assertTrue(raised.exception.title and raised.exception.detail)

    def test_a_bad_report_names_the_field_and_holds_no_other_report_back(self) -> None:
        with self.assertRaises(Refused) as raised:
            with self.ledger.job("generic", spec=SPEC) as job:
                job.output("before")
                job.item("a", "lost")
                job.output("after")
        self.assertEqual((raised.exception.status, raised.exception.field), (422, "/data/status"))
        self.assertEqual(self.types(job), ["created", "started", "hook_output", "hook_output", "failed"])
        self.assertIn("/data/status", self.events(job)[-1]["data"]["message"])

    def test_a_report_that_is_no_json_is_an_error_at_once(self) -> None:
        with self.assertRaises(TypeError), self.ledger.job("generic", spec=SPEC) as job:
            job.item("a", detail={"now": object()})
        self.assertEqual(self.state(job)["status"], "failed")

    def test_a_report_outside_of_the_block_is_an_error(self) -> None:
        job = self.ledger.job("generic", spec=SPEC)
        with self.assertRaises(RuntimeError):
            job.start()
        with job:
            job.start()
        with self.assertRaises(RuntimeError):
            job.output("late")

    def test_a_bad_token_is_refused(self) -> None:
        with self.assertRaises(Refused) as raised, Ledger(self.server.url, "jl_guessed").job("generic", spec=SPEC):
            self.fail("the block began")
        self.assertEqual((raised.exception.status, raised.exception.code), (401, "unauthorized"))

    def test_a_ledger_needs_a_url_and_a_token(self) -> None:
        with mock.patch.dict(os.environ, clear=True):
            for url, token in [("", "t"), ("ftp://x", "t"), ("http://x", "")]:
                with self.assertRaises(ValueError):
                    Ledger(url, token)
            os.environ.update(JOBLEDGER_URL=self.server.url, JOBLEDGER_TOKEN=self.worker)
            with Ledger().job("generic", spec=SPEC) as job:
                pass
        self.assertEqual(self.state(job)["status"], "completed")

    def test_a_ledger_that_does_not_answer_is_an_error_after_the_deadline(self) -> None:
        self.server.end()
        with self.assertRaises(Unavailable), self.client(deadline=0.5).job("generic", spec=SPEC):
            self.fail("the block began")
        self.server.start()


class Retries(Case):
    def test_a_lost_answer_records_nothing_twice(self) -> None:
        gateway = self.gateway()
        gateway.instead = lambda count: -1 if count % 2 == 0 else 0
        with self.client(gateway.url).job("generic", spec=SPEC) as job:
            for number in range(5):
                job.item(f"item-{number}")
                job.flush()
        items = [event["data"]["item"] for event in self.events(job) if event["type"] == "job.item_result"]
        self.assertEqual(items, [f"item-{number}" for number in range(5)])
        self.assertEqual(self.types(job), ["created", "started", *["item_result"] * 5, "completed"])
        sent = [event["id"] for _, events in gateway.appends for event in events]
        self.assertEqual(len(sent), 2 * len(set(sent)))

    def test_a_killed_server_comes_back_in_the_middle_of_a_job(self) -> None:
        with self.ledger.job("generic", spec=SPEC) as job:
            for number in range(300):
                job.item(f"item-{number}")
                if number % 100 == 50:
                    self.server.end()
                    threading.Timer(0.3, self.server.start).start()
                    job.flush()
        items = [event["data"]["item"] for event in self.events(job) if event["type"] == "job.item_result"]
        self.assertEqual(items, [f"item-{number}" for number in range(300)])
        self.assertEqual(self.state(job)["status"], "completed")

    def test_retry_after_is_honoured(self) -> None:
        gateway = self.gateway()
        gateway.instead = lambda count: 503 if count == 0 else 0
        with self.client(gateway.url).job("generic", spec=SPEC) as job:
            pass
        (first, events), (second, again) = gateway.appends[:2]
        self.assertGreaterEqual(second - first, 1.0)
        self.assertEqual(events, again)
        self.assertEqual(self.types(job), ["created", "started", "completed"])

    def test_an_event_that_was_sent_never_changes(self) -> None:
        gateway = self.gateway()
        with self.client(gateway.url, deadline=0.2).job("generic", spec=SPEC) as job:
            job.start()
            job.flush()
            gateway.instead = lambda _count: -1
            job.output("one")
            for _ in attempts():
                if job._errors:
                    break
            gateway.instead = lambda _count: 0
            with self.assertRaises(Unavailable):
                job.output("lost")
            job.output("two")
        self.assertEqual(self.state(job)["hook"]["output"], "one\ntwo\n")


class Pace(Case):
    def test_progress_is_joined_and_the_last_one_is_sent(self) -> None:
        begin = time.monotonic()
        with self.client(pace=0.2).job("generic", spec=SPEC) as job:
            for count in range(20_000):
                job.progress(records_processed=count + 1)
        shown = [event for event in self.events(job) if event["type"] == "job.progress"]
        self.assertLessEqual(len(shown), 5 * (time.monotonic() - begin) + 2)
        self.assertEqual(shown[-1]["data"], {"records_processed": 20_000})

    def test_a_progress_that_waits_keeps_its_other_members(self) -> None:
        gateway = self.gateway()
        with self.client(gateway.url, pace=2).job("generic", spec=SPEC) as job:
            job.progress(progress=1)
            for _ in attempts():
                if any(event["type"] == "job.progress" for _, events in gateway.appends for event in events):
                    break
            job.progress(current_step="second", progress=30)
            job.progress(records_processed=40, total_records=80)
        self.assertEqual(self.events(job)[-2]["data"],
                         {"current_step": "second", "records_processed": 40, "total_records": 80})

    def test_lines_of_output_share_events_and_keep_their_order(self) -> None:
        lines = [f"line {number} ü\n" for number in range(5000)]
        with self.ledger.job("generic", spec=SPEC) as job:
            for line in lines:
                job.output(line)
            job.output("x" * (3 * CHUNK))
            job.output("oops", stream="stderr")
            job.report("job.hook_output", output="", stream="stderr", exit_code=7, execution_time_sec=1)
        outputs = [event["data"] for event in self.events(job) if event["type"] == "job.hook_output"]
        self.assertEqual("".join(data["output"] for data in outputs), "".join(lines) + "x" * 3 * CHUNK + "\noops\n")
        self.assertLess(len(outputs), 100)
        self.assertTrue(all(data["output"].endswith("\n") for data in outputs if "line" in data["output"]))
        self.assertEqual(outputs[-2], {"output": "oops\n", "stream": "stderr"})
        self.assertEqual(self.state(job)["hook"]["exit_code"], 7)

    def test_reports_keep_their_order(self) -> None:
        with self.ledger.job("generic", spec=SPEC) as job:
            for number in range(2000):
                job.item(str(number))
                job.progress(records_processed=number)
        seen = [int(event["data"].get("item", event["data"].get("records_processed")))
                for event in self.read(f"/ledger/jobs/{job.id}/events?limit=1000")["events"][2:]]
        self.assertEqual(seen, sorted(seen))

    def test_text_that_is_no_unicode_is_replaced(self) -> None:
        with self.ledger.job("generic", spec=SPEC) as job:
            job.output(b"caf\xe9".decode(errors="surrogateescape"))
        self.assertEqual(self.state(job)["hook"]["output"], "caf?\n")


class Leases(Case):
    def pending(self, job_type: str) -> str:
        """The id of a new job that no worker has."""
        event = {"specversion": "1.0", "source": "/platform", "id": new_id(), "type": "job.created",
                 "data": {"kind": "generic", "spec": {"job_type": job_type}}}
        answer = Ledger(self.server.url, self.worker).ask("/ledger/events", event)
        return str(answer["events"][0]["subject"])

    def claimed(self, job_type: str, url: str = "", lease_sec: int = 60) -> Job:
        job = self.client(url, deadline=0.2).claim("generic", "worker-1", lease_sec=lease_sec, job_type=job_type)
        assert job
        return job

    def test_a_claim_takes_a_pending_job_and_starts_it(self) -> None:
        id = self.pending("claimed")
        job = self.claimed("claimed")
        self.assertEqual((job.id, job.state["status"], job.state["spec"]["job_type"]), (id, "running", "claimed"))
        with job:
            job.item("a")
        state = self.state(job)
        self.assertEqual((state["status"], state["worker"], state["lease_sec"]), ("completed", "worker-1", 60))
        self.assertEqual(self.types(job), ["created", "started", "item_result", "completed"])

    def test_a_claim_ends_if_there_is_no_job(self) -> None:
        self.assertIsNone(self.ledger.claim("generic", "worker-1", wait_sec=0, job_type="nothing"))

    def test_a_claim_waits_for_a_job(self) -> None:
        threading.Timer(0.3, self.pending, ["later"]).start()
        with self.claimed("later") as job:
            self.assertEqual(job.state["status"], "running")

    def test_the_thread_renews_the_lease(self) -> None:
        gateway = self.gateway()
        self.pending("renewed")
        with self.claimed("renewed", gateway.url, lease_sec=1) as job:
            for _ in attempts():  # Six renewals take two leases.
                if gateway.renewals >= 6:
                    break
            job.item("a")
        self.assertEqual(self.types(job), ["created", "started", "item_result", "completed"])

    def test_a_lost_lease_stops_the_work(self) -> None:
        gateway = self.gateway()
        gateway.renews = False
        self.pending("lost")
        with self.assertRaises(LeaseLost) as raised:
            with self.claimed("lost", gateway.url, lease_sec=1) as job:
                for _ in attempts():
                    if self.state(job)["status"] == "failed":
                        break
                gateway.renews = True
                for _ in attempts():
                    with contextlib.suppress(Unavailable):  # A renewal before that had no answer.
                        job.item("a")
                        job.flush()
        self.assertEqual((raised.exception.status, raised.exception.state), (409, "failed"))
        self.assertIn("worker-1 was lost", self.state(job)["message"])
        self.assertEqual(self.types(job), ["created", "started", "failed"])

    def test_a_cancellation_reaches_a_worker_that_reports_nothing(self) -> None:
        self.pending("silent")
        with self.assertRaises(Cancelled), self.claimed("silent", lease_sec=1) as job:
            self.cancel(job)
            for _ in attempts():
                if job._errors:
                    break
            job.item("a")
        self.assertEqual(self.types(job), ["created", "started", "cancelled"])

    def test_a_start_with_a_lease_keeps_others_out(self) -> None:
        with self.ledger.job("generic", spec=SPEC) as job:
            job.start(worker="worker-1", lease_sec=60)
            job.flush()
            with self.assertRaises(LeaseLost), self.ledger.resume(job.id) as other:
                other.item("b")
                other.flush()
            job.item("a")
        self.assertEqual(self.types(job), ["created", "started", "item_result", "completed"])


class Connections(Case):
    def test_no_proxy_is_asked_for_this_machine(self) -> None:
        with mock.patch.dict(os.environ, http_proxy="http://127.0.0.1:9", HTTP_PROXY="http://127.0.0.1:9"):
            with self.client(deadline=0).job("generic", spec=SPEC) as job:
                pass
        self.assertEqual(self.state(job)["status"], "completed")

    def test_a_certificate_is_verified(self) -> None:
        key, certificate = self.folder / "key", self.folder / "certificate"
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost",
                   "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
        subprocess.run(command, check=True, capture_output=True)
        server = Server(self.folder / "ledger", "--tls-cert", str(certificate), "--tls-key", str(key))
        self.addCleanup(server.end)
        token = server.token("worker")
        with self.assertRaisesRegex(Unavailable, "CERTIFICATE_VERIFY_FAILED"):
            with Ledger(server.url, token, deadline=0).job("generic", spec=SPEC):
                self.fail("the block began")
        with Ledger(server.url, token, ca=str(certificate)).job("generic", spec=SPEC) as job:
            job.start()
            self.assertEqual(job.check(), "running")


class Ids(unittest.TestCase):
    def test_ids_are_uuids_of_version_7_and_sort_by_time(self) -> None:
        ids = []
        for count in range(3):
            with mock.patch("time.time_ns", return_value=1_750_000_000_000_000_000 + count * 1_000_000):
                ids.append(new_id())
        self.assertEqual(ids, sorted(ids))
        for id in map(uuid.UUID, ids):
            self.assertEqual((id.version, id.variant), (7, uuid.RFC_4122))
        self.assertEqual(uuid.UUID(ids[0]).int >> 80, 1_750_000_000_000)


if __name__ == "__main__":
    unittest.main()
