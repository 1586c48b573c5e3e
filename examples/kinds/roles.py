"""Provisions the roles hoop_ro, hoop_rw and hoop_ddl of a database, for the database-role jobs of a jobledger.

It needs `psql` or `mariadb`, and PYTHONPATH=clients/python or `pip install clients/python`. Then:

    export JOBLEDGER_URL=http://127.0.0.1:8347 JOBLEDGER_TOKEN=jl_...
    export DB_HOST=127.0.0.1 DB_PORT=5432 DB_USER=provisioner DB_PASSWORD=...
    export VAULT_ADDR=http://127.0.0.1:8200 VAULT_TOKEN=...   # without these the passwords stay in the database
    python3 examples/kinds/roles.py            # claims jobs, one after another
    python3 examples/kinds/roles.py JOB        # works on this job, also where a killed worker stopped

A job gives each role one password, also if its worker is killed. The table `provisioning.credential` keeps the password
under the job's id before the role gets it, so a second try finds it. A vault keeps it before the table forgets it.
The administrator needs: to create roles, to grant on the database, and to create the schema `provisioning`.
"""
from __future__ import annotations

import os
import secrets
import subprocess
import time
from pathlib import Path
from typing import Any

from databases import Busy, Database, DatabaseError, connect
from jobledger import Job
from serve import serve
from vault import Vault, VaultError

ROLES = ("hoop_ro", "hoop_rw", "hoop_ddl")
HOOK = os.getenv("HOOK", str(Path(__file__).with_name("hook.sh")))


def work(job: Job) -> None:
    """Tries every role, saves the passwords, runs the hook, and ends the job."""
    spec = job.state["spec"]
    try:
        database = connect(spec["db_engine"], spec["db_name"])
        with database.locked(spec["db_arn"]):
            results = {item["item"]: item for item in job.state["items"]}
            usable = [role for role in ROLES if provision(job, database, role, results.get(role, {}))]
            saved = "VAULT_ADDR" not in os.environ or save(job, database, usable, results)
            problem = ("One or more user roles failed to be provisioned" if len(usable) < len(ROLES) else
                       "" if saved else "One or more user roles could not be saved to the Vault key-value store")
            run_hook(job, "failed" if problem else "completed", usable)
    except Busy as busy:
        problem = f"process already being executed, resource_id={busy}"
    if problem:
        job.fail(problem)
    else:
        job.complete(message="All user roles have been successfully provisioned")


def provision(job: Job, database: Database, role: str, result: dict[str, Any]) -> bool:
    """Provisions a role, unless the job has its result. Returns whether the role is usable."""
    if result.get("status") in ("completed", "failed"):
        return bool(result["status"] == "completed")
    if not result:
        job.item(role, "running")
        job.flush()
    try:
        database.provision(role, database.keep(role, job.id, secrets.token_urlsafe(24)))
        detail = {"credentials_info": {"secrets_manager_provider": "database"}}
        job.item(role, message="provisioned", detail=detail)
    except DatabaseError as error:
        job.item(role, "failed", message=str(error))
        return False
    finally:
        job.flush()
    return True


def save(job: Job, database: Database, roles: list[str], results: dict[str, Any]) -> bool:
    """Moves the passwords from the database to the vault. Returns whether the vault has all of them."""
    vault, saved = Vault(), True
    for role in roles:
        info = (results.get(role, {}).get("detail") or {}).get("credentials_info", {})
        if info.get("secrets_manager_provider") == "vault":
            continue
        id, password = vault.id(f"{role}_{database.host}"), database.kept(role, job.id)
        secret = {"HOST": database.host, "PORT": database.port, "USER": role, "PASSWORD": password, "DB": database.name}
        try:
            if password:  # Else an earlier run of this job moved it, and was killed before the report.
                vault.write(id, secret)
                database.forget(role)
        except VaultError as error:
            job.report("job.noted", text=str(error))
            saved = False
            continue
        detail = {"credentials_info": {"secrets_manager_provider": "vault", "secret_id": id, "secret_keys": [*secret]}}
        job.item(role, message="provisioned", detail=detail)
        job.flush()
    return saved


def run_hook(job: Job, phase: str, usable: list[str]) -> None:
    """Runs the hook once for a job. Its exit code does not change how the job ends."""
    if (job.state["hook"] or {}).get("exit_code") is not None:
        return
    begin = time.monotonic()
    told = {"PATH": os.environ["PATH"], "JOB": job.id, "PHASE": phase, "ROLES": " ".join(usable)}
    with subprocess.Popen([HOOK], env=told, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as hook:
        assert hook.stdout
        for line in hook.stdout:
            job.output(line)
    job.report("job.hook_output", exit_code=hook.returncode, execution_time_sec=int(time.monotonic() - begin))


if __name__ == "__main__":
    serve("dbrole", work)
