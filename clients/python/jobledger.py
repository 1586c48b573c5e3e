"""Report jobs to a jobledger, and take jobs from it, with the standard library alone.

The end of a job's `with` block completes the job, and an exception in the block fails it with its message. A thread
sends the reports in their order, so a report does not wait. A later one, or the end of the block, raises its error.
"""
from __future__ import annotations

import contextlib
import http.client
import json
import os
import secrets
import ssl
import threading
import time
import uuid
from datetime import datetime, timezone
from typing import Any
from urllib import error as failures, parse, request

BATCH, CHUNK = 64, 32 << 10  # Events in one request; characters of joined lines of output in one event.
STATES = {"job.started": "running", "job.completed": "completed", "job.failed": "failed"}


class LedgerError(Exception):
    """The ledger did not record a report, or did not answer a request."""


class Unavailable(LedgerError):
    """The ledger gave no answer until the deadline, or only "not now". It may have recorded the events."""


class Refused(LedgerError):
    """The ledger refused a request. `field` is a JSON pointer; `index` is the event's place in the request."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        self.status, self.title, self.detail = status, problem.get("title", ""), problem.get("detail", "")
        self.code, self.field, self.state = problem.get("code"), problem.get("pointer"), problem.get("state")
        self.index: int = problem.get("index") or 0
        super().__init__(" ".join(str(part) for part in (status, self.code, self.field, self.detail) if part))


class Cancelled(Refused):
    """The job was cancelled: stop the work."""


class LeaseLost(Refused):
    """The lease ran out: stop the work, because another worker may do it."""


def new_id() -> str:
    """A UUID of version 7: the milliseconds since 1970 and 74 random bits, so ids sort by time."""
    value = time.time_ns() // 1_000_000 << 80 | secrets.randbits(80)
    return str(uuid.UUID(int=value & ~(0xF << 76 | 3 << 62) | 7 << 76 | 2 << 62))


class Ledger:
    """A server, and the token for it. The environment gives what is left out: `JOBLEDGER_URL`, `_TOKEN` and `_CA`.

    A request without an answer, or with 5xx, 408 or 429, goes again for `deadline` seconds. Its events keep their ids,
    so the ledger records none twice. The reports of a job go every `pace` seconds, or when 64 wait.
    """

    def __init__(self, url: str = "", token: str = "", *, source: str = "/python", ca: str = "", deadline: float = 60,
                 pace: float = 0.5) -> None:
        self.url = (url or os.getenv("JOBLEDGER_URL", "")).rstrip("/")
        self._token = token or os.getenv("JOBLEDGER_TOKEN", "")
        address = parse.urlsplit(self.url)
        if address.scheme not in ("http", "https") or not address.hostname or not self._token:
            raise ValueError("expected an http or https URL (or JOBLEDGER_URL) and a token (or JOBLEDGER_TOKEN)")
        self.source, self.deadline, self.pace = source, deadline, pace
        tls = request.HTTPSHandler(context=ssl.create_default_context(cafile=ca or os.getenv("JOBLEDGER_CA") or None))
        # The proxy of the environment is for other machines: it would look for `localhost` on its own.
        is_here = address.hostname in ("localhost", "::1") or address.hostname.startswith("127.")
        self._opener = request.build_opener(request.ProxyHandler({} if is_here else None), tls)

    def job(self, kind: str, *, spec: dict[str, Any], id: str = "", **created: Any) -> Job:
        """A new job, which the `with` statement creates. `created`: `created_by`, `labels`, `retry`, `not_before`."""
        job = Job(self, id or new_id(), {"status": "pending"})
        job._enqueue("job.created", {"kind": kind, "spec": spec, **created})
        return job

    def resume(self, id: str) -> Job:
        """A job that exists: another program created it, or an earlier run of this one was killed."""
        return Job(self, id)

    def claim(self, kind: str, worker: str, *, lease_sec: int = 60, wait_sec: int = 20, **filters: Any) -> Job | None:
        """Starts a pending job for this worker alone; `None` after `wait_sec`. `filters` is `job_type` or `labels`."""
        taken = self.ask("/ledger/claims", {"id": new_id(), "kind": kind, "worker": worker, "lease_sec": lease_sec,
                                            "wait_sec": wait_sec, **filters}, timeout=wait_sec + 30)
        return Job(self, taken["job"]["id"], taken["job"], taken["lease"]["token"], lease_sec) if taken else None

    def ask(self, path: str, body: Any = None, method: str = "", lease: str = "", timeout: float = 30) -> Any:
        """Sends a request until it has an answer or the deadline is over, and returns the JSON object of the answer."""
        until, pause = time.monotonic() + self.deadline, 0.1
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        headers = {"Content-Type": "application/json", **({"Ledger-Lease": lease} if lease else {})}
        while True:
            asked = request.Request(self.url + path, data, headers, method=method or ("POST" if data else "GET"))
            asked.add_unredirected_header("Authorization", f"Bearer {self._token}")
            try:
                with self._opener.open(asked, timeout=timeout) as answer:
                    return {} if answer.status == 204 else dict(json.load(answer))
            except failures.HTTPError as error:
                failure, after = _failure(error), error.headers.get("Retry-After", "")
            except (OSError, http.client.HTTPException, ValueError, TypeError) as error:
                failure, after = Unavailable(f"no answer from {self.url}: {error}"), ""
            wait = max(float(after) if after.isdigit() else 0, pause * (0.5 + secrets.randbelow(500) / 1000))
            if not isinstance(failure, Unavailable) or time.monotonic() + wait > until:
                raise failure
            time.sleep(wait)
            pause = min(2 * pause, 8)


def _failure(error: failures.HTTPError) -> LedgerError:
    try:
        problem = dict(json.load(error))
    except (OSError, http.client.HTTPException, ValueError, TypeError):
        problem = {"title": error.reason}
    lost = LeaseLost if problem.get("code") == "lease-lost" else Refused
    refused = (Cancelled if problem.get("state") == "cancelled" else lost)(error.code, problem)
    return Unavailable(str(refused)) if error.code >= 500 or error.code in (408, 429) else refused


class Job:
    """One job, in a `with` statement. `state` is the job as `claim`, the start of the block or `check` last read it."""

    def __init__(self, ledger: Ledger, id: str, state: Any = None, lease: str = "", lease_sec: int = 0) -> None:
        self.id, self.state, self._ledger = id, dict(state or {}), ledger
        self._lease, self._lease_sec, self._renewed = lease, lease_sec, time.monotonic()
        self._queue: list[dict[str, Any]] = []
        self._sent: list[dict[str, Any]] = []  # The batch that has no answer yet.
        self._errors: list[LedgerError] = []  # The next report raises the first.
        self._lock, self._sending, self._closed = threading.Lock(), threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Job:
        self.flush() if self.state else self.check()
        self._thread.start()
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        try:
            if error is None:
                self.flush()  # Before `job.completed`, because a report may have an error.
                if self.state["status"] in ("pending", "running"):
                    self.complete()
        except LedgerError as lost:
            error = lost
            raise
        finally:
            if error is not None and not isinstance(error, (Cancelled, LeaseLost)):
                self._errors.clear()
                with contextlib.suppress(LedgerError):  # The block ends with an exception already.
                    self.fail(f"{type(error).__name__}: {error}".rstrip(": "))
            self._closed.set()
            self._thread.join(1)  # A thread that waits for an answer ends with the process.

    def start(self, **data: int | str) -> None:
        """Starts the job, as its first report does. `data`: `total_records`, `message`, `worker` and `lease_sec`."""
        self._lease_sec = int(data.get("lease_sec", 0))
        self.report("job.started", **data)

    def progress(self, **data: int | str) -> None:
        """Reports `progress`, `current_step`, `message`, and counts so far. It takes the place of one that waits."""
        self.report("job.progress", **data)

    def item(self, item: str, status: str = "completed", message: str | None = None, detail: Any = None) -> None:
        """Reports the result of one part of the job: running, completed or failed."""
        self.report("job.item_result", item=item, status=status, message=message, detail=detail)

    def output(self, text: str, stream: str = "stdout") -> None:
        """Reports lines of output, together up to 1 MiB. A text without a newline at its end gets one."""
        self.report("job.hook_output", output=text if text.endswith("\n") else text + "\n", stream=stream)

    def complete(self, **data: int | str) -> None:
        """Completes the job before the end of the block, with a `message` or final counts."""
        self.report("job.completed", **data)

    def fail(self, message: str) -> None:
        """Fails the job before the end of the block."""
        self.report("job.failed", message=message[:4000])  # At most 16 KiB.

    def check(self) -> str:
        """Sends the reports that wait, and reads the job's state. Raises `Cancelled` if the job was cancelled."""
        self.flush()
        self.state = self._ledger.ask(f"/ledger/jobs/{parse.quote(self.id)}")
        if self.state["status"] == "cancelled":
            raise Cancelled(409, {"title": "Conflict", "state": "cancelled", "detail": f"job {self.id} was cancelled"})
        return str(self.state["status"])

    def report(self, type: str, **data: Any) -> None:
        """Reports any event of the guide for workers, such as `job.report("job.noted", text="checked")`."""
        if not self._thread.is_alive():
            raise RuntimeError(f"job {self.id} is reported outside of its `with` block")
        if self.state["status"] == "pending" and type not in ("job.started", "job.failed", "job.noted"):
            self.start()
        json.dumps(data, allow_nan=False)  # A report that is no JSON is an error at once.
        if self._errors:
            raise self._errors.pop(0)
        self.state["status"] = STATES.get(type, self.state["status"])
        self._enqueue(type, data)
        if len(self._queue) >= BATCH or type in ("job.completed", "job.failed"):
            self.flush()

    def flush(self) -> None:
        """Waits until the ledger has answered every report. Raises the first error."""
        with self._sending:
            while self._sent or self._queue and not self._errors:
                with self._lock:  # A batch stays as it is until it has an answer: the ledger may have recorded it.
                    if not self._sent:
                        self._sent, self._queue = self._queue[:BATCH], self._queue[BATCH:]
                try:
                    answers = self._ledger.ask("/ledger/events", self._sent, lease=self._lease)["events"]
                    self._sent, self._renewed = [], time.monotonic()
                    self._lease = next((a["lease"]["token"] for a in answers if "lease" in a), self._lease)
                except Refused as refused:  # None is recorded: send the others, unless they have the same fault.
                    del self._sent[refused.index:refused.index + 1 if refused.status in (400, 422) else None]
                    self._errors.append(refused)
            if self._errors:
                raise self._errors.pop(0)

    def _run(self) -> None:
        while not self._closed.wait(min(self._ledger.pace, (self._lease_sec or 60) / 6)):
            try:
                if self._lease and time.monotonic() > self._renewed + self._lease_sec / 3:
                    self._ledger.ask(f"/ledger/jobs/{parse.quote(self.id)}/lease", method="PUT", lease=self._lease)
                    self._renewed = time.monotonic()
                self.flush()
            except LedgerError as error:
                self._errors = self._errors or [error]

    def _enqueue(self, type: str, data: dict[str, Any]) -> None:
        """Adds an event. A progress takes the place of one that waits; lines of output join the lines before them."""
        data = {name: value for name, value in data.items() if value is not None}
        with self._lock:
            for old in [event for event in self._queue if event["type"] == type == "job.progress"]:
                self._queue.remove(old)
                if not data.keys().isdisjoint(("records_processed", "total_records")):
                    old["data"].pop("progress", None)  # The percentage would win over the newer counts.
                data = {**old["data"], **data}
            last = self._queue[-1]["data"] if self._queue and self._queue[-1]["type"] == type else {}
            joined = {**data, "output": last.get("output", "") + data.get("output", "")}
            if "output" in last and joined == {**last, "output": joined["output"]} and len(joined["output"]) <= CHUNK:
                last.update(joined)
                return
            self._queue.append({"specversion": "1.0", "id": new_id(), "source": self._ledger.source, "subject": self.id,
                                "type": type, "time": datetime.now(timezone.utc).isoformat(), "data": data})
