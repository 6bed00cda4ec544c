"""Connections to PostgreSQL: how each is opened, whether its server will do, and what to do if not."""

import select
from collections.abc import Generator
from typing import Any

import psycopg
import sqlalchemy as sa

from app.errors import ConfigurationError
from app.storage.heartbeat import Heartbeat

OLDEST = 15
"""The first version of PostgreSQL that is served: the oldest on which the tests were run."""
ENCODING = "UTF8"
IDLE_SECONDS = 60
"""A transaction whose process does nothing for so long is ended: it may hold locks that others wait for."""
_OPTIONS = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "client_encoding": "utf8",
}
"""Options of libpq, in seconds (tcp_user_timeout in milliseconds): a server that has vanished is noticed."""
_SETTINGS = (
    "lock_timeout",
    "statement_timeout",
    "idle_in_transaction_session_timeout",
    "max_parallel_workers_per_gather",
)
_SET = "SELECT " + ", ".join(f"set_config('{name}', %s, false)" for name in _SETTINGS)
HELPERS = 0
"""Of a statement: those of one that reads all ratings would have the priority of a request."""
_USED = "used"
_ADVICE = {
    "password authentication failed": "Put the right user and password into MATINEE_DATABASE_URL "
    "(postgresql://USER:PASSWORD@HOST/NAME, with %40 for an @ of the password).",
    "no password supplied": "Put it into MATINEE_DATABASE_URL (postgresql://USER:PASSWORD@HOST/NAME).",
    "no pg_hba.conf entry": "Let this machine and user in by the pg_hba.conf of the server, or correct "
    "MATINEE_DATABASE_URL.",
    'role "': "Make the user (createuser), or correct that of MATINEE_DATABASE_URL.",
    'database "': "Make it (createdb --encoding UTF8 --template template0 NAME), or correct the name in "
    "MATINEE_DATABASE_URL.",
    "failed to resolve host": "Correct the host in MATINEE_DATABASE_URL.",
    "URI query parameter": "Correct the options after the ? of MATINEE_DATABASE_URL.",
    "connection option": "Correct the options after the ? of MATINEE_DATABASE_URL.",
    "too many clients": "Raise max_connections of the server, or end other programs that use it.",
    "remaining connection slots": "Raise max_connections of the server, or end other programs that use it.",
    "starting up": "Wait until it takes connections.",
    "shutting down": "Wait until it takes connections again.",
}
"""What to do, by words of the reason (the server's messages in English); the first that is found."""


def options(url: sa.URL) -> dict[str, Any]:
    """The options of libpq that the URL does not give itself."""
    return {name: value for name, value in _OPTIONS.items() if name not in url.query}


def advice(reason: str, url: sa.URL) -> str:
    """What to do about a database that cannot be reached, in a line for an operator."""
    where = url.render_as_string(hide_password=True).replace("+psycopg", "")
    found = (what for words, what in _ADVICE.items() if words in reason)
    return (
        f"The database {where} cannot be reached: {reason}. "
        f"{next(found, 'Start it, or correct MATINEE_DATABASE_URL.')}"
    )


def prepare(connection: psycopg.Connection[Any], lock_seconds: float, statement_seconds: float) -> None:
    """Set the limits of a new connection; 0: none. Raises `ConfigurationError` if its server will not do."""
    _check(connection.info)
    limits = [round(1000 * seconds) for seconds in (lock_seconds, statement_seconds, IDLE_SECONDS)]
    connection.autocommit = True
    connection.execute(_SET, [str(value) for value in (*limits, HELPERS)])
    connection.autocommit = False


def refuse_ended(connection: psycopg.Connection[Any], record: Any, _proxy: Any) -> None:
    """Have the pool open new connections if the server has ended this one, which its socket tells at once.

    A query would cost a request as much as one of its own. One that was just opened is not looked at: of that
    the first query tells what happened. Raises `InvalidatePoolError`.
    """
    if record.info.get(_USED) and (connection.closed or _is_readable(connection.fileno())):
        raise sa.exc.InvalidatePoolError
    record.info[_USED] = True


def _is_readable(file: int) -> bool:
    """Of a connection that waits for nothing: the server's last words, and the end."""
    poll = select.poll()
    poll.register(file, select.POLLIN)
    return bool(poll.poll(0))


def leave_pipeline(
    _connection: Any, cursor: Any, _statement: Any, _values: Any, _context: Any, executemany: bool
) -> None:
    """Have the server count how long a transaction is idle, which it does not begin at the end of a pipeline.

    The driver sends a statement with many rows in one; after any other statement it counts.
    """
    if executemany:
        cursor.connection.execute("SELECT")


def _check(info: psycopg.ConnectionInfo) -> None:
    """By what the server sends as it is connected to: without a query."""
    where = f"The database {info.dbname} of MATINEE_DATABASE_URL"
    if info.server_version < OLDEST * 10_000:
        raise ConfigurationError(
            f"{where} is on PostgreSQL {info.parameter_status('server_version')}, and needs {OLDEST} or a "
            "newer one. Upgrade the server, or set MATINEE_DATABASE_URL to another one."
        )
    encoding = info.parameter_status("server_encoding")
    if encoding != ENCODING:
        raise ConfigurationError(
            f"{where} has the encoding {encoding}, which does not hold every title. Make another one "
            "(createdb --encoding UTF8 --template template0 NAME), and set MATINEE_DATABASE_URL to it."
        )


def beating(heartbeat: Heartbeat) -> Any:
    """Connects so that waits for the server beat: a worker that waits for it is not stuck."""

    def beating(steps: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        try:
            state = next(steps)
            while True:
                ready = yield state
                heartbeat.beat()
                state = steps.send(ready)
        except StopIteration as end:
            return end.value

    class Beating(psycopg.Connection[Any]):
        def wait(self, gen: Any, *arguments: Any, **options: Any) -> Any:
            return super().wait(beating(gen), *arguments, **options)

    def connect(_dialect: Any, _record: Any, arguments: Any, options: Any) -> Any:
        return Beating.connect(*arguments, **options)

    return connect
