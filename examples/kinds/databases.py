"""PostgreSQL and MariaDB, each through its own client program.

The client gets the administrator's password in its environment and SQL on its stdin, so no list of processes shows one.
`DB_HOST`, `DB_PORT`, `DB_USER` and `DB_PASSWORD` name the server and the administrator.
"""
from __future__ import annotations

import hashlib
import os
import re
import subprocess
from contextlib import contextmanager
from typing import Iterator


class DatabaseError(Exception):
    """A statement failed. The message is the database's."""


class Busy(Exception):
    """Another worker has the lock of the resource."""


class Database:
    """One database of a server. A subclass says how to speak to it."""

    client: list[str]
    lock: str  # Prints 1 once this session has the lock `{key}`, within 2 s.
    role: str  # Makes `{role}` if it is missing and sets its `{password}`. Waits for the statements of a killed worker.
    grants: dict[str, str]  # What each role may do in the database `{db}`.

    def __init__(self, name: str) -> None:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,62}", name):
            raise DatabaseError(f"db_name: expected letters, digits and _, found {name!r}")
        self.name, self.host, self.port = name, os.environ["DB_HOST"], os.environ["DB_PORT"]
        user, password = os.environ["DB_USER"], os.environ["DB_PASSWORD"]
        self.environment = {
            "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "PGOPTIONS": "-c client_min_messages=warning",
            "PGHOST": self.host, "PGPORT": self.port, "PGUSER": user, "PGPASSWORD": password, "PGDATABASE": name,
            "MYSQL_PWD": password}
        self.client = [part.format(host=self.host, port=self.port, user=user, db=name) for part in self.client]

    def run(self, sql: str) -> str:
        """Runs statements, and returns the rows that they print. A warning is an error: a grant did nothing."""
        ran = subprocess.run(self.client, input=sql, env=self.environment, capture_output=True, text=True)
        if ran.returncode or ran.stderr:
            reason = re.search(r"(ERROR|WARNING).*", ran.stderr)  # `mariadb` prints the statement too.
            raise DatabaseError(reason.group() if reason else f"exit code {ran.returncode}: {ran.stderr.strip()}")
        return ran.stdout.strip()

    @contextmanager
    def locked(self, resource: str) -> Iterator[None]:
        """Holds the lock of a resource. If this process is killed, the session ends and the database frees the lock."""
        key = int.from_bytes(hashlib.sha256(resource.encode()).digest()[:7], "big")
        with subprocess.Popen(self.client, env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True) as session:
            assert session.stdin and session.stdout
            session.stdin.write(self.lock.format(key=key) + "\n")
            session.stdin.flush()
            if session.stdout.readline().strip() != "1":
                raise Busy(resource)
            yield

    def keep(self, role: str, job: str, password: str) -> str:
        """Keeps a job's password of a role in the database, and returns it. A second try gets the first password."""
        mine = f"role = '{role}' AND job = '{job}'"
        return self.run(f"""
            CREATE SCHEMA IF NOT EXISTS provisioning;
            CREATE TABLE IF NOT EXISTS provisioning.credential (
                role varchar(64) PRIMARY KEY, job varchar(128) NOT NULL, password varchar(64) NOT NULL);
            DELETE FROM provisioning.credential WHERE role = '{role}' AND job <> '{job}';
            INSERT INTO provisioning.credential SELECT '{role}', '{job}', '{password}'
                WHERE NOT EXISTS (SELECT 1 FROM provisioning.credential WHERE {mine});
            SELECT password FROM provisioning.credential WHERE {mine};""")

    def kept(self, role: str, job: str) -> str:
        """The job's password of a role; empty once it was moved."""
        return self.run(f"SELECT password FROM provisioning.credential WHERE role = '{role}' AND job = '{job}';")

    def forget(self, role: str) -> None:
        """Deletes the password of a role from the table. The role keeps it."""
        self.run(f"DELETE FROM provisioning.credential WHERE role = '{role}';")

    def provision(self, role: str, password: str) -> None:
        """Makes the role, or changes it if it exists: its password, and what it may do."""
        try:
            self.run((self.role + self.grants[role]).format(role=role, password=password, db=self.name))
        except DatabaseError as error:
            raise DatabaseError(str(error).replace(password, "[password]")) from None


class Postgres(Database):
    client = ["psql", "--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set=ON_ERROR_STOP=1"]
    lock = "SET lock_timeout = '2s'; SELECT 1 FROM pg_advisory_lock({key});"
    role = """BEGIN;
        SELECT pg_advisory_xact_lock(hashtext('{role}'));
        DO $$ BEGIN CREATE ROLE {role}; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
        ALTER ROLE {role} LOGIN PASSWORD '{password}';
        GRANT CONNECT ON DATABASE {db} TO {role};
        GRANT USAGE ON SCHEMA public TO {role};"""
    grants = {
        "hoop_ro": "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}; COMMIT;",
        "hoop_rw": """GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};
                      GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}; COMMIT;""",
        "hoop_ddl": "GRANT CREATE ON SCHEMA public TO {role}; COMMIT;"}


class MariaDb(Database):
    client = ["mariadb", "--no-defaults", "--batch", "--skip-column-names", "--unbuffered", "--protocol=tcp",
              "--host={host}", "--port={port}", "--user={user}", "{db}"]
    lock = "SELECT GET_LOCK('{key}', 2);"
    role = """SELECT GET_LOCK('{role}', 60);
        CREATE USER IF NOT EXISTS {role}@'%';
        ALTER USER {role}@'%' IDENTIFIED BY '{password}';"""
    grants = {
        "hoop_ro": "GRANT SELECT ON {db}.* TO {role}@'%';",
        "hoop_rw": "GRANT SELECT, INSERT, UPDATE, DELETE ON {db}.* TO {role}@'%';",
        "hoop_ddl": "GRANT CREATE, ALTER, DROP, INDEX ON {db}.* TO {role}@'%';"}


ENGINES = {"postgres": Postgres, "mysql": MariaDb, "mariadb": MariaDb}


def connect(engine: str, name: str) -> Database:
    """The database `name`. The administrator's login is checked by its first statement."""
    if engine not in ENGINES:
        raise DatabaseError(f"db_engine: expected one of {', '.join(ENGINES)}, found {engine!r}")
    return ENGINES[engine](name)
