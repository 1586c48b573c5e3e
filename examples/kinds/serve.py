"""The part that the three workers share: get a job, work on it, and report how it ended."""
from __future__ import annotations

import os
import socket
import sys
from typing import Callable

from jobledger import Cancelled, Job, LeaseLost, Ledger


def serve(kind: str, work: Callable[[Job], None]) -> None:
    """Works on the job that the command line names, or else claims jobs of `kind` one after another.

    A claimed job is failed by the ledger, and may be tried again, `LEASE_SEC` seconds (60) after its worker was killed.
    """
    ledger = Ledger(source=f"/examples/{kind}")
    if len(sys.argv) > 1:
        sys.exit(0 if run(ledger.resume(sys.argv[1]), work) else 1)
    while True:
        worker = f"{socket.gethostname()}-{os.getpid()}"
        job = ledger.claim(kind, worker, lease_sec=int(os.getenv("LEASE_SEC", "60")))
        if job:
            run(job, work)


def run(job: Job, work: Callable[[Job], None]) -> bool:
    """Works on one job. The end of the block completes the job unless `work` ended it."""
    try:
        with job:
            if job.state["status"] in ("pending", "running"):
                work(job)
        print(f"{job.id}: {job.state['status']}", flush=True)
        return bool(job.state["status"] == "completed")
    except (Cancelled, LeaseLost) as stopped:
        print(f"{job.id}: stopped: {stopped}", flush=True)
    except Exception as error:  # The ledger has it as the job's message. The next job is another try.
        print(f"{job.id}: {type(error).__name__}: {error}", flush=True)
    return False
