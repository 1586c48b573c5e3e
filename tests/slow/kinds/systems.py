"""Private PostgreSQL, MariaDB, slapd and OpenBao servers: each in a temporary folder, on a free port, for one test."""
from __future__ import annotations

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from glob import glob
from pathlib import Path
from typing import Any
from urllib import error, request

PATIENCE = 60.0
PATH = os.pathsep.join([os.environ["PATH"], "/usr/sbin", *sorted(glob("/usr/lib/postgresql/*/bin"))])


def free_port() -> int:
    """A port that was free a moment ago: these servers take no port 0."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class System:
    """A server of another project. It runs as `user` if the tests run as root, because most refuse root."""

    user = ""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="kinds-"))
        self.host, self.port, self.password = "127.0.0.1", free_port(), secrets.token_urlsafe(16)
        self.owner: dict[str, Any] = {}
        if os.getuid() == 0 and self.user:
            account = pwd.getpwnam(self.user)
            self.owner = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        self.log = self.folder / "log"
        self.process: subprocess.Popen[bytes] | None = None
        try:
            self.prepare()
            self.await_start()
        except BaseException:
            print(self.log.read_text(errors="replace")[-4000:] if self.log.exists() else "", file=sys.stderr)
            self.close()
            raise

    def prepare(self) -> None:
        """Makes the server's files and starts it."""
        raise NotImplementedError

    def answers(self) -> bool:
        """Whether the server is ready."""
        raise NotImplementedError

    def write(self, name: str, text: str) -> str:
        """A file that only the server's user reads."""
        path = self.folder / name
        path.touch(0o600)
        path.write_text(text)
        if self.owner:
            os.chown(path, self.owner["user"], self.owner["group"])
        return str(path)

    def run(self, *command: str) -> None:
        environment = {"PATH": PATH, "HOME": str(self.folder)}
        ran = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, **self.owner)
        if ran.returncode:
            raise AssertionError(f"{command[0]}: {ran.stdout.decode()[-2000:]}{ran.stderr.decode()[-2000:]}")

    def start(self, *command: str, **environment: str) -> None:
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log, **self.owner,
                                            env={"PATH": PATH, "HOME": str(self.folder), **environment})

    def await_start(self) -> None:
        end = time.monotonic() + PATIENCE
        while not self.answers():
            if self.process and self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"{type(self).__name__} did not start")
            time.sleep(0.02)

    def close(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class Postgres(System):
    """PostgreSQL with a superuser `root`, and a database `customers` that belongs to a `provisioner`."""

    user, engine = "postgres", "postgres"

    def prepare(self) -> None:
        password = self.write("password", self.password)
        self.run("initdb", "--pgdata=data", "--username=root", f"--pwfile={password}", "--auth=scram-sha-256",
                 "--encoding=UTF8", "--locale=C", "--no-sync")
        self.start("postgres", "-D", "data", "-h", self.host, "-p", str(self.port), "-c", "unix_socket_directories=",
                   "-c", "log_statement=ddl", "-c", "fsync=off", "-c", "timezone=UTC")

    def answers(self) -> bool:
        return self.sql("root", self.password, "SELECT 1", "postgres").returncode == 0

    def sql(self, user: str, password: str, sql: str, database: str = "customers") -> subprocess.CompletedProcess[str]:
        """Runs statements as a user."""
        environment = {"PATH": PATH, "PGHOST": self.host, "PGPORT": str(self.port), "PGUSER": user,
                       "PGPASSWORD": password, "PGDATABASE": database}
        return subprocess.run(["psql", "-XqAt", "-v", "ON_ERROR_STOP=1"], input=sql, env=environment, text=True,
                              capture_output=True)

    def root(self, sql: str, database: str = "customers") -> str:
        ran = self.sql("root", self.password, sql, database)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.strip()

    def fill(self) -> None:
        self.root(f"CREATE ROLE provisioner LOGIN CREATEROLE PASSWORD '{self.password}';", "postgres")
        self.root("CREATE DATABASE customers OWNER provisioner;", "postgres")
        table = "CREATE TABLE customer (id serial PRIMARY KEY, name text); INSERT INTO customer (name) VALUES ('Ann');"
        assert self.sql("provisioner", self.password, table).returncode == 0


class MariaDb(System):
    """MariaDB with a database `customers`, an account `root`, and a `provisioner` who may grant on the database."""

    user, engine = "mysql", "mysql"

    def prepare(self) -> None:
        data = f"--datadir={self.folder}/data"
        self.run("mariadb-install-db", "--no-defaults", data, "--auth-root-authentication-method=normal",
                 "--skip-test-db")
        begin = self.write("begin.sql", f"CREATE USER root@'127.0.0.%' IDENTIFIED BY '{self.password}';\n"
                                        "GRANT ALL ON *.* TO root@'127.0.0.%' WITH GRANT OPTION;\n"
                                        "DELETE FROM mysql.global_priv WHERE Host <> '127.0.0.%' AND User = 'root';\n"
                                        "FLUSH PRIVILEGES;\n")
        self.start("mariadbd", "--no-defaults", data, f"--port={self.port}", f"--bind-address={self.host}",
                   f"--socket={self.folder}/socket", f"--pid-file={self.folder}/pid", f"--init-file={begin}",
                   "--skip-name-resolve", "--innodb-flush-log-at-trx-commit=0")

    def answers(self) -> bool:
        return self.sql("root", self.password, "SELECT 1", "mysql").returncode == 0

    def sql(self, user: str, password: str, sql: str, database: str = "customers") -> subprocess.CompletedProcess[str]:
        """Runs statements as a user."""
        command = ["mariadb", "--no-defaults", "-BN", "--protocol=tcp", f"--host={self.host}", f"--port={self.port}",
                   f"--user={user}", database]
        return subprocess.run(command, input=sql, env={"PATH": PATH, "MYSQL_PWD": password}, text=True,
                              capture_output=True)

    def root(self, sql: str, database: str = "customers") -> str:
        ran = self.sql("root", self.password, sql, database)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.strip()

    def fill(self, may: str = "ALL") -> None:
        self.root(f"""CREATE DATABASE customers;
            CREATE TABLE customers.customer (id int AUTO_INCREMENT PRIMARY KEY, name text);
            INSERT INTO customers.customer (name) VALUES ('Ann');
            CREATE USER provisioner@'%' IDENTIFIED BY '{self.password}';
            GRANT CREATE USER ON *.* TO provisioner@'%';
            GRANT ALL ON provisioning.* TO provisioner@'%';
            GRANT {may} ON customers.* TO provisioner@'%' WITH GRANT OPTION;""", "mysql")


class Directory(System):
    """slapd with people and groups under dc=example,dc=org, which only its administrator reads."""

    base, admin = "dc=example,dc=org", "cn=admin,dc=example,dc=org"

    def prepare(self) -> None:
        (self.folder / "data").mkdir()
        schemas = "".join(f"include /etc/ldap/schema/{name}.schema\n" for name in ("core", "cosine", "inetorgperson"))
        config = self.write("slapd.conf", f"""{schemas}modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {self.folder}/pid
database mdb
suffix "{self.base}"
rootdn "{self.admin}"
rootpw {self.password}
directory {self.folder}/data
sizelimit size.soft=500 size.hard=500 size.prtotal=unlimited
access to * by users read by anonymous auth
""")
        self.start("slapd", "-d", "0", "-f", config, "-h", self.url)

    @property
    def url(self) -> str:
        return f"ldap://{self.host}:{self.port}"

    def answers(self) -> bool:
        return self.ldap("ldapsearch", "", "-b", "", "-s", "base").returncode == 0

    def ldap(self, program: str, text: str, *options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([program, "-x", "-H", self.url, "-D", self.admin, "-w", self.password, *options],
                              input=text, env={"PATH": PATH}, text=True, capture_output=True)

    def change(self, ldif: str) -> None:
        """Applies an LDIF text; an entry without a changetype is added."""
        ran = self.ldap("ldapmodify", ldif, "-a")
        assert ran.returncode == 0, ran.stderr


class Bao(System):
    """OpenBao in its development mode, with a key-value engine of version 2 at `dbsecrets`."""

    def prepare(self) -> None:
        self.start(os.environ["JOBLEDGER_TEST_BAO"], "server", "-dev", f"-dev-listen-address={self.host}:{self.port}",
                   "-dev-no-store-token", BAO_DEV_ROOT_TOKEN_ID=self.password, TMPDIR=str(self.folder))

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def answers(self) -> bool:
        try:
            return bool(self.ask("GET", "sys/health").status == 200)
        except OSError:
            return False

    def ask(self, method: str, path: str, body: bytes | None = None) -> Any:
        asked = request.Request(f"{self.url}/v1/{path}", body, {"X-Vault-Token": self.password}, method=method)
        return request.build_opener(request.ProxyHandler({})).open(asked, timeout=10)

    def fill(self) -> None:
        self.ask("POST", "sys/mounts/dbsecrets", b'{"type":"kv","options":{"version":"2"}}').close()

    def has(self, path: str) -> bool:
        try:
            self.ask("GET", path).close()
            return True
        except error.HTTPError:
            return False
