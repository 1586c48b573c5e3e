"""The worker of database roles, against real PostgreSQL, MariaDB and OpenBao servers."""
from __future__ import annotations

import json
import os
import socket
import subprocess
import unittest
import uuid
from pathlib import Path
from typing import Any

from case import KindCase, NIL, Worker
from systems import PATH, Bao, MariaDb, Postgres

KEYS = ["HOST", "PORT", "USER", "PASSWORD", "DB"]
ROLES = ["hoop_ro", "hoop_rw", "hoop_ddl"]
DONE = "All user roles have been successfully provisioned"
FAILED = "One or more user roles failed to be provisioned"
UNSAVED = "One or more user roles could not be saved to the Vault key-value store"
ARN = "arn:aws:rds:us-west-2:123456789012:db:customers-1"


def running(role: str) -> dict[str, Any]:
    return {"user_role": role, "status": "running", "message": "", "credentials_info": None, "completed_at": None}


def failed(role: str, message: str) -> dict[str, Any]:
    return {**running(role), "status": "failed", "message": message, "completed_at": "T"}


def kept(role: str, secret_id: str = "") -> dict[str, Any]:
    """A role whose password is in the database, or in the vault under `secret_id`."""
    info = {"secrets_manager_provider": "vault" if secret_id else "database", "secret_id": secret_id,
            "secret_keys": KEYS if secret_id else []}
    return {**running(role), "status": "completed", "message": "provisioned", "credentials_info": info,
            "completed_at": "T"}


class RolesCase(KindCase):
    """A job for one database, and what `/dbroles/jobs` must show of it."""

    def setUp(self) -> None:
        super().setUp()
        self.job = str(uuid.uuid4())

    def create(self, engine: str, job: str = "") -> dict[str, Any]:
        spec = {"account_arn": "arn:aws:iam:123456789012", "db_arn": ARN, "db_name": "customers", "db_engine": engine,
                "db_tags": [{"key": "squad", "value": "banking"}]}
        self.append("job.created", job or self.job, {"kind": "dbrole", "spec": spec, "created_by": "ann"})
        return spec

    def shown(self, job: str, spec: dict[str, Any], phase: str = "", message: str = "",
              result: list[dict[str, Any]] | None = None, hook: tuple[int, str] | None = None) -> dict[str, Any]:
        """The documented job: every member, in the order of the document."""
        return {"org_id": NIL, "id": job, "created_at": "T",
                "completed_at": "T" if phase in ("completed", "failed") else None, "spec": spec,
                "status": {"phase": phase, "message": message, "result": result or []} if phase else None,
                "hook_status": hook and {"exit_code": hook[0], "output": hook[1], "execution_time_sec": 0}}

    def provision(self, system: Postgres | MariaDb, job: str = "", **environment: str) -> Worker:
        return self.worker("roles.py", job or self.job, DB_HOST=system.host, DB_PORT=str(system.port),
                           DB_USER="provisioner", DB_PASSWORD=system.password, **environment)

    def result(self, job: str = "") -> list[str]:
        """Each role with its status, as `/dbroles/jobs` shows them now."""
        status = self.get(f"/dbroles/jobs/{job or self.job}", "viewer")["status"]
        return [f"{role['user_role']} {role['status']}" for role in (status or {"result": []})["result"]]

    def credentials(self, system: Postgres | MariaDb) -> dict[str, str]:
        """The passwords in the table of the database."""
        rows = system.root("SELECT role, password FROM provisioning.credential;").splitlines()
        return dict(row.replace("\t", "|").split("|") for row in rows)

    def steps(self, spec: dict[str, Any], expected: list[dict[str, Any]]) -> None:
        """Fails unless the job showed these states, one after each of its events."""
        positions = self.positions(self.job)
        self.assertEqual(len(positions), len(expected))
        for position, state in zip(positions, expected):
            told = {"execution_time_sec": r"\d"} if state["hook_status"] else None
            self.same(f"/dbroles/jobs/{self.job}?as_of={position}", state, role="viewer", told=told)

    def no_argument_holds(self, *passwords: str) -> None:
        """Fails if the command line of a process holds a password."""
        lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if os.access(path, os.R_OK)]
        self.assertTrue(any(b"roles.py" in line for line in lines))
        self.assertFalse([line for line in lines for password in passwords if password.encode() in line])

    def logins(self, system: Postgres | MariaDb, passwords: dict[str, str]) -> None:
        """Logs in as each role, and tries what each may and may not do."""
        may = {"SELECT name FROM customer;": ("hoop_ro", "hoop_rw"),
               "INSERT INTO customer (name) VALUES ('Ben');": ("hoop_rw",),
               "UPDATE customer SET name = 'Bea' WHERE name = 'Ben';": ("hoop_rw",),
               "DELETE FROM customer WHERE name = 'Bea';": ("hoop_rw",),
               "CREATE TABLE note (id int); ALTER TABLE note ADD COLUMN body text; DROP TABLE note;": ("hoop_ddl",)}
        self.assertEqual(sorted(passwords), sorted(ROLES))
        self.assertEqual(len(set(passwords.values())), 3)
        for role, password in passwords.items():
            self.assertNotEqual(system.sql(role, password + "x", "SELECT 1;").returncode, 0)
            for sql, allowed in may.items():
                ran = system.sql(role, password, sql)
                self.assertEqual(ran.returncode == 0, role in allowed, f"{role}: {sql} {ran.stderr}")
                self.assertTrue(role in allowed or "denied" in ran.stderr, f"{role}: {sql} {ran.stderr}")


class OnPostgres(RolesCase):
    def setUp(self) -> None:
        super().setUp()
        self.database = Postgres()
        self.addCleanup(self.database.close)
        self.database.fill()

    def hold(self) -> subprocess.Popen[str]:
        """A session with an open transaction: no other session can make or change the role hoop_rw until it ends."""
        environment = {"PATH": PATH, "PGHOST": self.database.host, "PGPORT": str(self.database.port), "PGUSER": "root",
                       "PGPASSWORD": self.database.password, "PGDATABASE": "customers"}
        holder = subprocess.Popen(["psql", "-XqAt"], env=environment, text=True, stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE)
        self.addCleanup(holder.communicate)
        assert holder.stdin and holder.stdout
        holder.stdin.write("BEGIN; CREATE ROLE hoop_rw; SELECT 'held';\n")
        holder.stdin.flush()
        self.assertEqual(holder.stdout.readline(), "held\n")
        return holder

    def waiting(self, count: int) -> None:
        """Waits until so many sessions wait for the role."""
        sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock';"
        self.until(f"{count} sessions wait", lambda: self.database.root(sql) == str(count))

    def changes(self, role: str) -> int:
        """How many statements of the log set the password of a role."""
        return self.database.log.read_text().count(f"ALTER ROLE {role} LOGIN PASSWORD")

    def vault(self) -> tuple[Bao, dict[str, str]]:
        vault = Bao()
        self.addCleanup(vault.close)
        vault.fill()
        return vault, {"VAULT_ADDR": vault.url, "VAULT_TOKEN": vault.password}

    def secret(self, vault: Bao, role: str) -> dict[str, Any]:
        with vault.ask("GET", f"dbsecrets/data/{role}_127.0.0.1") as answer:
            return dict(json.load(answer)["data"])

    def test_a_killed_worker_goes_on_with_the_same_passwords(self) -> None:
        vault, environment = self.vault()
        spec = self.create("postgres")
        holder = self.hold()
        first = self.provision(self.database, **environment)
        self.until("hoop_rw runs", lambda: self.result() == ["hoop_ro completed", "hoop_rw running"])
        self.waiting(1)
        path = f"/dbroles/jobs/{self.job}"
        self.same(path, self.shown(self.job, spec, "running", "", [kept("hoop_ro"), running("hoop_rw")]), role="viewer")
        before = self.credentials(self.database)
        self.no_argument_holds(self.database.password, vault.password, *before.values())
        first.kill()
        second = self.provision(self.database, **environment)
        self.waiting(2)  # A statement of the killed worker, and one of the second.
        holder.communicate("ROLLBACK;\n")
        said = second.finish()
        secrets = {role: self.secret(vault, role) for role in ROLES}
        passwords = {role: secret["data"]["PASSWORD"] for role, secret in secrets.items()}
        for role, secret in secrets.items():
            data = {"HOST": "127.0.0.1", "PORT": str(self.database.port), "USER": role, "DB": "customers"}
            self.assertEqual(secret["data"], {**data, "PASSWORD": passwords[role]})
            self.assertEqual(secret["metadata"]["version"], 1)
        self.assertEqual(before, {role: passwords[role] for role in ("hoop_ro", "hoop_rw")})
        self.assertEqual(self.credentials(self.database), {})
        self.assertEqual([self.changes("hoop_ro"), self.changes("hoop_ddl")], [1, 1])
        self.logins(self.database, passwords)
        self.holds_no(self.database.password, vault.password, *passwords.values())
        self.assertFalse([password for password in passwords.values() if password in said])
        ids = [f"dbsecrets/data/{role}_127.0.0.1" for role in ROLES]
        roles, moved = [kept(role) for role in ROLES], [kept(role, id) for role, id in zip(ROLES, ids)]
        hook = (0, f"job {self.job} completed\nusable: hoop_ro\nusable: hoop_rw\nusable: hoop_ddl\n")
        self.steps(spec, [
            self.shown(self.job, spec), self.shown(self.job, spec, "running"),
            *[self.shown(self.job, spec, "running", "", [*roles[:number], last]) for number in range(3)
              for last in (running(ROLES[number]), roles[number])],
            *[self.shown(self.job, spec, "running", "", [*moved[:number], *roles[number:]]) for number in (1, 2, 3)],
            self.shown(self.job, spec, "running", "", moved), self.shown(self.job, spec, "running", "", moved, hook),
            self.shown(self.job, spec, "completed", DONE, moved, hook)])
        asks = [(f"{path}?as_of={position}", "viewer") for position in self.positions(self.job)]
        self.record("dbrole.provisioned", *asks, (path, "viewer"), (f"/ledger/jobs/{self.job}", "viewer"))

    def test_a_role_fails_while_the_others_are_tried(self) -> None:
        self.database.root("CREATE ROLE hoop_rw SUPERUSER;")
        spec = self.create("postgres")
        self.provision(self.database).finish(1)
        message = "ERROR:  must be superuser to alter superuser roles or change superuser attribute"
        roles = [kept("hoop_ro"), failed("hoop_rw", message), kept("hoop_ddl")]
        hook = (1, f"job {self.job} failed\nusable: hoop_ro\nusable: hoop_ddl\n")
        self.same(f"/dbroles/jobs/{self.job}", self.shown(self.job, spec, "failed", FAILED, roles, hook), role="viewer",
                  told={"execution_time_sec": r"\d"})
        self.holds_no(*self.credentials(self.database).values())
        self.assertEqual(self.result(), ["hoop_ro completed", "hoop_rw failed", "hoop_ddl completed"])
        # The same job again changes nothing: it has ended.
        self.provision(self.database).finish(1)
        self.assertEqual(self.changes("hoop_ro"), 1)

    def test_two_workers_do_not_change_one_database_at_once(self) -> None:
        spec, other = self.create("postgres"), str(uuid.uuid4())
        self.create("postgres", other)
        holder = self.hold()
        first = self.provision(self.database)
        self.waiting(1)
        self.provision(self.database, other).finish(1)
        busy = f"process already being executed, resource_id={ARN}"
        self.same(f"/dbroles/jobs/{other}", self.shown(other, spec, "failed", busy), role="viewer")
        holder.communicate("ROLLBACK;\n")
        first.finish()
        self.logins(self.database, self.credentials(self.database))

    def test_a_vault_that_refuses_fails_the_job_but_no_role(self) -> None:
        vault, environment = self.vault()
        spec = self.create("postgres")
        self.provision(self.database, **{**environment, "VAULT_TOKEN": "guessed"}).finish(1)
        hook = (1, f"job {self.job} failed\nusable: hoop_ro\nusable: hoop_rw\nusable: hoop_ddl\n")
        state = self.shown(self.job, spec, "failed", UNSAVED, [kept(role) for role in ROLES], hook)
        self.same(f"/dbroles/jobs/{self.job}", state, role="viewer", told={"execution_time_sec": r"\d"})
        self.assertFalse(vault.has("dbsecrets/data/hoop_ro_127.0.0.1"))
        self.logins(self.database, self.credentials(self.database))

    def test_a_worker_that_is_killed_before_the_vault_answers_saves_the_same_passwords(self) -> None:
        vault, environment = self.vault()
        self.create("postgres")
        with socket.create_server(("127.0.0.1", 0)) as silent:
            stalled = f"http://127.0.0.1:{silent.getsockname()[1]}"
            worker = self.provision(self.database, **{**environment, "VAULT_ADDR": stalled})
            silent.settimeout(60)
            connection, _ = silent.accept()
            worker.kill()
            connection.close()
        before = self.credentials(self.database)
        self.provision(self.database, **environment).finish()
        self.assertEqual({role: self.secret(vault, role)["data"]["PASSWORD"] for role in ROLES}, before)
        self.assertEqual([self.changes(role) for role in ROLES], [1, 1, 1])

    def test_a_cancelled_job_stops_before_the_next_role(self) -> None:
        spec = self.create("postgres")
        holder = self.hold()
        worker = self.provision(self.database)
        self.waiting(1)
        self.append("job.cancelled", self.job, {"reason": "wrong database"}, "admin")
        holder.communicate("ROLLBACK;\n")
        worker.finish(1)
        roles = [kept("hoop_ro"), running("hoop_rw")]
        message = "cancelled by admin: wrong database"
        self.same(f"/dbroles/jobs/{self.job}", self.shown(self.job, spec, "failed", message, roles), role="viewer")
        self.assertEqual(self.changes("hoop_ddl"), 0)


class OnMariaDb(RolesCase):
    def setUp(self) -> None:
        super().setUp()
        self.database = MariaDb()
        self.addCleanup(self.database.close)
        self.database.fill()

    def hold(self) -> subprocess.Popen[str]:
        """A session that keeps every other session from changing users until it ends."""
        command = ["mariadb", "--no-defaults", "-BN", "--unbuffered", "--protocol=tcp", "--host=127.0.0.1",
                   f"--port={self.database.port}", "--user=root", "mysql"]
        holder = subprocess.Popen(command, env={"PATH": PATH, "MYSQL_PWD": self.database.password}, text=True,
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(holder.communicate)
        assert holder.stdin and holder.stdout
        holder.stdin.write("LOCK TABLES global_priv READ; SELECT 'held';\n")
        holder.stdin.flush()
        self.assertEqual(holder.stdout.readline(), "held\n")
        return holder

    def waiting(self, count: int) -> None:
        """Waits until so many statements of the workers wait."""
        sql = ("SELECT count(*) FROM information_schema.processlist "
               "WHERE user = 'provisioner' AND command = 'Query' AND time > 0;")
        self.until(f"{count} statements wait", lambda: self.database.root(sql) == str(count))

    def test_a_killed_worker_goes_on_with_the_same_passwords(self) -> None:
        spec, other = self.create("mysql"), str(uuid.uuid4())
        holder = self.hold()
        first = self.provision(self.database)
        self.waiting(1)
        before = self.credentials(self.database)
        self.no_argument_holds(self.database.password, *before.values())
        self.create("mysql", other)
        self.provision(self.database, other).finish(1)
        busy = f"process already being executed, resource_id={ARN}"
        self.same(f"/dbroles/jobs/{other}", self.shown(other, spec, "failed", busy), role="viewer")
        first.kill()
        second = self.provision(self.database)
        self.waiting(2)  # A statement of the killed worker, and one of the second.
        holder.communicate("UNLOCK TABLES;\n")
        second.finish()
        after = self.credentials(self.database)
        self.assertEqual(before, {"hoop_ro": after["hoop_ro"]})
        self.logins(self.database, after)
        self.holds_no(*after.values())

    def test_the_roles_of_mariadb(self) -> None:
        database, spec = self.database, self.create("mysql")
        self.provision(database).finish()
        hook = (0, f"job {self.job} completed\nusable: hoop_ro\nusable: hoop_rw\nusable: hoop_ddl\n")
        state = self.shown(self.job, spec, "completed", DONE, [kept(role) for role in ROLES], hook)
        self.same(f"/dbroles/jobs/{self.job}", state, role="viewer", told={"execution_time_sec": r"\d"})
        passwords = self.credentials(database)
        self.logins(database, passwords)
        self.holds_no(database.password, *passwords.values())
        # A second job gives each role a new password. The administrator may no longer grant INSERT, so one role fails.
        database.root("REVOKE INSERT ON customers.* FROM provisioner@'%'; FLUSH PRIVILEGES;")
        self.job = str(uuid.uuid4())
        self.create("mysql")
        self.provision(database).finish(1)
        message = "ERROR 1044 (42000) at line 3: Access denied for user 'provisioner'@'%' to database 'customers'"
        roles = [kept("hoop_ro"), failed("hoop_rw", message), kept("hoop_ddl")]
        hook = (1, f"job {self.job} failed\nusable: hoop_ro\nusable: hoop_ddl\n")
        self.same(f"/dbroles/jobs/{self.job}", self.shown(self.job, spec, "failed", FAILED, roles, hook), role="viewer",
                  told={"execution_time_sec": r"\d"})
        self.assertTrue(set(passwords.values()).isdisjoint(self.credentials(database).values()))
        self.holds_no(*self.credentials(database).values())


if __name__ == "__main__":
    unittest.main()
