"""Report a job to a jobledger, with the standard library alone.

    with Ledger(url, token).job("task", spec={"job_type": "account_sync"}) as job:
        job.progress(records_processed=1, total_records=2)

The end of the block completes the job. An exception in the block fails the job with its message. After a cancellation
the next report raises `Cancelled`, so that the work stops. A thread sends the reports in their order, and a report does
not wait for the network. So a later report, or the end of the block, raises the error of a report.
"""
from __future__ import annotations

import datetime
import http.client
import json
import logging
import os
import secrets
import ssl
import threading
import time
import uuid
from pathlib import Path
from typing import Any
from urllib import error as failures, parse, request

Event = dict[str, Any]
LOG = logging.getLogger("jobledger")
BATCH = 64  # Events in one request. Together with the next two limits it keeps the body under the ledger's 16 MiB.
CHUNK = 32 << 10  # Characters of output in one event.
REPORT = 200_000  # Characters of the JSON of one report.
QUEUE = 1000  # Reports of a job that wait for the thread. A further report waits until there is room.
PACE = 0.1  # Seconds between two requests of a job, unless a whole batch waits.


class LedgerError(Exception):
    """The ledger did not record a report, or did not answer a read."""


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


def new_id() -> str:
    """A UUID of version 7: the milliseconds since 1970 and 74 random bits, so ids sort by time."""
    value = time.time_ns() // 1_000_000 << 80 | secrets.randbits(80)
    return str(uuid.UUID(int=value & ~(0xF << 76 | 3 << 62) | 7 << 76 | 2 << 62))


class Ledger:
    """A server, and the token for it. The environment gives what is left out: `JOBLEDGER_URL`, `_TOKEN` and `_CA`.

    A request without an answer, or with 5xx, 408 or 429, is sent again for `deadline` seconds. Its events keep their
    ids, so the ledger records none twice. With a `spool` (a folder for one process) events wait in files, of together
    `spool_bytes` at most, until they are delivered. The next Ledger with this spool sends first what is left there.
    """

    def __init__(self, url: str = "", token: str = "", *, source: str = "/python", ca: str = "", deadline: float = 60,
                 progress_rate: float = 2, spool: str = "", spool_bytes: int = 64 << 20) -> None:
        self.url = (url or os.getenv("JOBLEDGER_URL", "")).rstrip("/")
        self._token = token or os.getenv("JOBLEDGER_TOKEN", "")
        address = parse.urlsplit(self.url)
        if address.scheme not in ("http", "https") or not address.hostname or not self._token:
            raise ValueError("expected an http or https URL (or JOBLEDGER_URL) and a token (or JOBLEDGER_TOKEN)")
        self.source, self.deadline, self.progress_pause = source, deadline, 1 / progress_rate
        self._spool, self._spool_bytes, self._lock = Path(spool) if spool else None, spool_bytes, threading.Lock()
        tls = ssl.create_default_context(cafile=ca or os.getenv("JOBLEDGER_CA") or None)
        # The proxy of the environment is for other machines: it would look for `localhost` on its own.
        is_here = address.hostname in ("localhost", "::1") or address.hostname.startswith("127.")
        proxy = request.ProxyHandler({} if is_here else None)
        self._opener = request.build_opener(proxy, request.HTTPSHandler(context=tls))

    def job(self, kind: str, *, spec: dict[str, Any], id: str = "", created_by: str | None = None,
            labels: dict[str, str] | None = None) -> Job:
        """A new job. The `with` statement creates it, or raises `Refused`."""
        return Job(self, id or new_id(), {"kind": kind, "spec": spec, "created_by": created_by, "labels": labels})

    def resume(self, id: str) -> Job:
        """A job that exists: another program created it, or an earlier run of this one was killed."""
        return Job(self, id, None)

    def deliver(self, events: list[Event]) -> None:
        """Sends events of one job, after those of the spool. A spool keeps the events that get no answer."""
        if self._spool is None:
            refused = self._send(events, self.deadline)
        else:
            with self._lock:
                refused = self._send_spooled(self._spool, events)
        if refused:
            raise refused

    def ask(self, path: str, body: bytes | None, deadline: float) -> dict[str, Any]:
        """Sends a request until it has an answer or the deadline is over, and returns the JSON of the answer."""
        until, pause = time.monotonic() + deadline, 0.1
        while True:
            asked = request.Request(self.url + path, body, {"Content-Type": "application/json"})
            asked.add_unredirected_header("Authorization", f"Bearer {self._token}")
            try:
                with self._opener.open(asked, timeout=min(30.0, max(10.0, deadline))) as answer:
                    return dict(json.load(answer))
            except failures.HTTPError as error:
                failure, after = _failure(error), error.headers.get("Retry-After", "")
            except (OSError, http.client.HTTPException, ValueError, TypeError) as error:
                failure, after = Unavailable(f"no answer from {self.url}: {error}"), ""
            wait = max(float(after) if after.isdigit() else 0, pause * (0.5 + secrets.randbelow(500) / 1000))
            if not isinstance(failure, Unavailable) or time.monotonic() + wait > until:
                raise failure
            time.sleep(wait)
            pause = min(2 * pause, 8)

    def _send(self, events: list[Event], deadline: float) -> Refused | None:
        """Sends the events that the ledger does not refuse. Returns the first refusal."""
        first = None
        while events:
            try:
                body = json.dumps(events, ensure_ascii=False).encode("utf-8", "replace")
                if len(self.ask("/ledger/events", body, deadline).get("events", ())) != len(events):
                    raise Unavailable(f"the answer of {self.url} is not that of a ledger")
                break
            except Refused as refused:
                if refused.status in (401, 403):
                    raise
                first, later = first or refused, events[refused.index + 1:]
                events = events[:refused.index] + (later if refused.status in (400, 422) else [])
        return first

    def _send_spooled(self, spool: Path, events: list[Event]) -> Refused | None:
        """Writes the events to a file, and sends each file. Returns the first refusal of these events."""
        files, refused = [*sorted(spool.glob("*.ndjson")), self._keep(spool, events)], None
        try:
            for file in files:
                waiting = [json.loads(line) for line in file.read_text().splitlines()]
                refused = self._send(waiting, self.deadline if len(files) == 1 else 0)
                file.unlink()
                if refused and file != files[-1]:
                    LOG.error("the ledger refused events of the spool: %s", refused)
        except Unavailable as unavailable:
            if len(files) == 1:
                LOG.warning("%s; events wait in %s", unavailable, spool)
            return None
        return refused

    def _keep(self, spool: Path, events: list[Event]) -> Path:
        lines = "".join(json.dumps(event) + "\n" for event in events)
        spool.mkdir(0o700, parents=True, exist_ok=True)
        if sum(file.stat().st_size for file in spool.iterdir()) + len(lines) > self._spool_bytes:
            raise Unavailable(f"the spool {spool} is full")
        draft = spool / f"{time.time_ns():020}-{new_id()}.draft"
        with draft.open("x") as file:
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())
        return draft.rename(draft.with_suffix(".ndjson"))


def _failure(error: failures.HTTPError) -> LedgerError:
    try:
        problem = dict(json.load(error))
    except (OSError, http.client.HTTPException, ValueError, TypeError):
        problem = {"title": error.reason}
    refused = (Cancelled if problem.get("state") == "cancelled" else Refused)(error.code, problem)
    return Unavailable(str(refused)) if error.code >= 500 or error.code in (408, 429) else refused


class Job:
    """One job, in a `with` statement. Each report may raise the error of an earlier one."""

    def __init__(self, ledger: Ledger, id: str, created: dict[str, Any] | None) -> None:
        self.id, self._ledger, self._created = id, ledger, created
        self._queue: list[Event] = []  # The thread has sent the first `_in_flight` of these, without an answer yet.
        self._error: LedgerError | None = None
        self._started = self._ended = self._closed = self._flushing = False
        self._in_flight, self._next_progress = 0, 0.0
        self._wake, self._thread = threading.Condition(), threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Job:
        if self._created:
            self._ledger.deliver([self._event("job.created", self._created)])
        else:
            self._started = self.check() == "running"
        self._thread.start()
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        try:
            if error is None:
                self.flush()  # Before `job.completed`, because a report may have an error.
                if not self._ended:
                    self.complete()
        except LedgerError as lost:
            error = lost
            raise
        finally:
            if error is not None and not isinstance(error, Cancelled):
                self._fail(f"{type(error).__name__}: {error}".rstrip(": "))
            with self._wake:
                self._closed = True
                self._wake.notify_all()
            self._thread.join(1)  # A thread that waits for an answer ends with the process.

    def start(self, *, total_records: int | None = None, message: str | None = None) -> None:
        """Starts the job. The first report of another type starts it too."""
        self.report("job.started", total_records=total_records, message=message)

    def progress(self, *, progress: int | None = None, current_step: str | None = None, **more: int | str) -> None:
        """Reports how far the job is. `more` is a `message` and counts, such as `records_processed`: totals so far.

        `progress_rate` reports go a second. A newer one takes the place of one that waits, so the last one always goes.
        """
        self.report("job.progress", progress=progress, current_step=current_step, **more)

    def item(self, item: str, status: str = "completed", message: str | None = None, detail: Any = None) -> None:
        """Reports the result of one part of the job: running, completed or failed."""
        self.report("job.item_result", item=item, status=status, message=message, detail=detail)

    def output(self, text: str, stream: str = "stdout") -> None:
        """Reports lines of output. A text without a newline at its end gets one."""
        text = text if text.endswith("\n") else text + "\n"
        while text:
            end = len(text) if len(text) <= CHUNK else text.rfind("\n", 0, CHUNK) + 1 or CHUNK
            self.report("job.hook_output", output=text[:end], stream=stream)
            text = text[end:]

    def complete(self, **data: int | str) -> None:
        """Completes the job before the end of the block, with a `message` or final counts."""
        self.report("job.completed", **data)
        self.flush()

    def check(self) -> str:
        """Sends the reports that wait, and reads the job's state. Raises `Cancelled` if the job was cancelled."""
        self.flush()
        state = str(self._ledger.ask(f"/ledger/jobs/{parse.quote(self.id)}", None, self._ledger.deadline)["status"])
        if state == "cancelled":
            raise Cancelled(409, {"title": "Conflict", "state": state, "detail": f"job {self.id} was cancelled"})
        return state

    def flush(self) -> None:
        """Waits until the ledger has answered every report, or the spool has it."""
        with self._wake:
            self._flushing = True
            self._wake.notify_all()
            self._wake.wait_for(lambda: isinstance(self._error, Unavailable) or not self._queue)
            self._flushing = False
            self._raise_error()

    def report(self, type: str, **data: Any) -> None:
        """Reports any event of the guide for workers, such as `job.report("job.noted", text="checked")`."""
        if not self._thread.is_alive():
            raise RuntimeError(f"job {self.id} is reported outside of its `with` block")
        if not self._started and type in ("job.progress", "job.item_result", "job.hook_output", "job.completed"):
            self.start()
        if len(json.dumps(data, allow_nan=False)) > REPORT:
            raise ValueError(f"{type}: over {REPORT} characters of JSON")
        with self._wake:
            self._wake.wait_for(lambda: len(self._queue) < QUEUE or self._error)
            if type != "job.failed":
                self._raise_error()
            self._started = self._started or type == "job.started"
            self._ended = self._ended or type in ("job.completed", "job.failed")
            self._enqueue(self._event(type, data))
            self._wake.notify_all()

    def _event(self, type: str, data: dict[str, Any]) -> Event:
        given = {name: value for name, value in data.items() if value is not None}
        return {"specversion": "1.0", "source": self._ledger.source, "id": new_id(), "type": type, "subject": self.id,
                "time": datetime.datetime.now(datetime.timezone.utc).isoformat(), "data": given}

    def _enqueue(self, event: Event) -> None:
        """Adds an event. A progress takes the place of one that waits; lines of output join the lines before them."""
        data, waiting = event["data"], self._queue[self._in_flight:]
        for old in waiting:
            if event["type"] == old["type"] == "job.progress":
                self._queue.remove(old)
                if not data.keys().isdisjoint(("records_processed", "total_records")):
                    old["data"].pop("progress", None)  # The percentage would win over the newer counts.
                event["data"] = {**old["data"], **data}
        last = waiting[-1]["data"] if waiting and waiting[-1]["type"] == event["type"] == "job.hook_output" else {}
        if last.keys() == data.keys() == {"output", "stream"} and last["stream"] == data["stream"] \
                and len(last["output"]) + len(data["output"]) <= CHUNK:
            last["output"] += data["output"]
        else:
            self._queue.append(event)

    def _raise_error(self) -> None:
        error, self._error = self._error, None
        if error:
            raise error

    def _fail(self, message: str) -> None:
        self._error = None  # The block ends with an exception already.
        try:
            self.report("job.failed", message=message[:4000])  # At most 16 KiB.
            self.flush()
        except LedgerError as error:
            LOG.warning("job %s: its failure may be missing in the ledger: %s", self.id, error)

    def _run(self) -> None:
        while count := self._next():
            failure = None
            try:
                self._ledger.deliver(self._queue[:count])
            except Exception as error:  # A full disk under the spool raises an `OSError`, for example.
                failure = error if isinstance(error, LedgerError) else LedgerError(repr(error))
            with self._wake:
                if not isinstance(failure, Unavailable):
                    del self._queue[:count]
                    self._in_flight = 0
                if failure and (self._error is None or isinstance(failure, Unavailable)):
                    self._error = failure
                self._wake.notify_all()

    def _next(self) -> int:
        """Waits until events may go, and counts them; 0 at the end of the job."""
        with self._wake:
            self._wake.wait_for(lambda: self._flushing or self._closed or len(self._queue) >= BATCH, PACE)
            while not self._closed:
                # An event that was sent once stays as it is, because the ledger may have recorded it.
                self._in_flight = max(self._in_flight, self._due())
                if self._in_flight:
                    return self._in_flight
                self._wake.wait(PACE if self._queue else None)
            return 0

    def _due(self) -> int:
        """Counts the events that may go now. A progress waits for its turn, and the events after it wait too."""
        types, now = [event["type"] for event in self._queue[:BATCH]], time.monotonic()
        if "job.progress" in types:
            if now < self._next_progress and not self._flushing:
                return types.index("job.progress")
            self._next_progress = now + self._ledger.progress_pause
        return len(types)
