"""Faults of the environment - disk, permissions, database server - as errors that a caller can act on."""

import errno
import sqlite3
import traceback
from collections.abc import Callable
from functools import partial

from sqlalchemy import exc

from app.errors import AppError, Invalid, StorageFull, Unavailable

FULL = "The disk of the data directory or of the database is full. Make room there and try again."
READ_ONLY = (
    "The database or the data directory cannot be written: it is read-only, or belongs to another user. "
    "Give the service's user the right to write there and try again."
)
_STANDBY = (
    "The database cannot be written: its server is a standby of another one, or was set read-only. Point the "
    "service to the server that takes changes, or wait until this one does, and try again."
)
_DAMAGED = "The database is damaged. Restore it from a backup and restart the service."
_TOO_MANY_FILES = "The service has too many files open. Raise its limit (ulimit -n), or send less at once."
_BAD_DISK = "The disk of the data directory or of the database reports errors; the system's log has more."
_NO_DATABASE = "The database cannot be reached, or is short of resources. Try again in a moment."
_HELD = "Another program holds the database. Try again in a moment."
_BAD_VALUE = "A value of the request is out of range, or has characters that the database does not take."

_OPERATIONAL = "OperationalError"
"""What every driver calls its error of this kind (PEP 249)."""

_Make = Callable[[], AppError]


class Collision(Unavailable):
    """The engine has ended a transaction in favour of another one: all of it may be done again."""

    def __init__(self) -> None:
        detail = "Another change of the same things came between. Nothing was changed; try again in a second."
        super().__init__(detail, headers={"Retry-After": "1"})


def _soon(detail: str) -> _Make:
    return partial(Unavailable, detail, headers={"Retry-After": "5"})


_full, _read_only = partial(StorageFull, FULL), partial(Unavailable, READ_ONLY)
_BY_ERRNO: dict[int, _Make] = {
    errno.ENOSPC: _full,
    errno.EDQUOT: _full,
    errno.EROFS: _read_only,
    errno.EACCES: _read_only,
    errno.EPERM: _read_only,
    errno.EIO: _soon(_BAD_DISK),
    errno.EMFILE: _soon(_TOO_MANY_FILES),
    errno.ENFILE: _soon(_TOO_MANY_FILES),
}
_BY_SQLITE_CODE: dict[int, _Make] = {
    sqlite3.SQLITE_FULL: _full,
    sqlite3.SQLITE_IOERR: partial(StorageFull, f"{FULL} If there is room, the disk itself reports errors."),
    sqlite3.SQLITE_READONLY: _read_only,
    sqlite3.SQLITE_PERM: _read_only,
    sqlite3.SQLITE_CANTOPEN: partial(Unavailable, f"The database cannot be opened. {READ_ONLY}"),
    sqlite3.SQLITE_CORRUPT: partial(Unavailable, _DAMAGED),
    sqlite3.SQLITE_NOTADB: partial(Unavailable, _DAMAGED),
    sqlite3.SQLITE_BUSY: _soon(_HELD),
    sqlite3.SQLITE_LOCKED: _soon(_HELD),
}
"""By primary result code, the lower eight bits of an extended one (https://sqlite.org/rescode.html)."""
_BY_SQLSTATE: dict[str, _Make] = {
    "53100": _full,
    "25006": partial(Unavailable, _STANDBY, headers={"Retry-After": "30"}),  # read_only_sql_transaction
    "25P03": _soon(_NO_DATABASE),  # idle_in_transaction_session_timeout
    "42501": _read_only,  # insufficient_privilege
    "40": Collision,  # deadlock, serialization failure
    "57P": _soon(_NO_DATABASE),  # shutdown, crash, cannot connect now
    "53": _soon(_NO_DATABASE),  # insufficient resources
    "08": _soon(_NO_DATABASE),  # connection exceptions
    "58": _soon(_BAD_DISK),  # system errors
    "22": partial(Invalid, _BAD_VALUE),  # data exceptions
}
"""By code or its first letters (https://www.postgresql.org/docs/current/errcodes-appendix.html)."""


def failure(error: BaseException) -> AppError | None:
    """The error that a caller gets for `error`; None for a fault of the program.

    507 for a full disk, 503 for what may pass or be mended, 422 for a value that no engine takes.
    """
    if isinstance(error, AppError):
        return error
    make = None
    if isinstance(error, exc.DBAPIError):
        make = _of_driver(error)
    elif isinstance(error, exc.TimeoutError):  # no connection of the pool came free
        make = _BY_SQLSTATE["53"]
    elif isinstance(error, sqlite3.Error):
        make = _of_sqlite(error)
    elif _is_of_driver(error):
        make = _of_state(error)
    elif isinstance(error, OSError):
        make = _BY_ERRNO.get(error.errno or 0)
    return make and make()


def _of_driver(error: exc.DBAPIError) -> _Make | None:
    if isinstance(error.orig, sqlite3.Error):
        return _of_sqlite(error.orig)
    if error.orig is not None and (found := _of_state(error.orig)):
        return found
    if isinstance(error, exc.DataError):  # a NUL is found before the server sees it
        return _BY_SQLSTATE["22"]
    has_state = getattr(error.orig, "sqlstate", None)
    if error.connection_invalidated or (isinstance(error, exc.OperationalError) and not has_state):
        return _BY_SQLSTATE["08"]
    return None


def _of_state(error: BaseException) -> _Make | None:
    sqlstate = getattr(error, "sqlstate", None) or ""
    if not sqlstate and any(kind.__name__ == _OPERATIONAL for kind in type(error).__mro__):
        return _BY_SQLSTATE["08"]  # there was no server that could tell
    return next((_BY_SQLSTATE[sqlstate[:n]] for n in (5, 3, 2) if sqlstate[:n] in _BY_SQLSTATE), None)


def _is_of_driver(error: BaseException) -> bool:
    """Also as a driver raises it, from a statement that it runs itself (`storage.prepared`)."""
    return isinstance(error, exc.DBAPIError | sqlite3.Error) or hasattr(error, "sqlstate")


def _of_sqlite(error: sqlite3.Error) -> _Make | None:
    return _BY_SQLITE_CODE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)


def damage_of(error: BaseException) -> str | None:
    """What to do about the file of the database, if the error says that it is damaged."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return _DAMAGED if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) else None


def explain(error: BaseException) -> str:
    """What went wrong, in one line without the values of the statement: ratings do not belong in a log."""
    driver = error.orig if isinstance(error, exc.DBAPIError) and error.orig else error
    name = getattr(driver, "sqlite_errorname", None) or getattr(driver, "sqlstate", None)
    diagnosis = getattr(driver, "diag", None)
    text = str(driver) if diagnosis is None else diagnosis.message_primary or ""
    return f"{type(driver).__name__}{f' {name}' if name else ''}: {text}"


def trace(error: BaseException) -> str:
    """The traceback of a fault of the program, without the values that a driver writes into its messages."""
    if _is_of_driver(error):
        return "".join(traceback.format_tb(error.__traceback__)) + explain(error)
    return "".join(traceback.format_exception(error))


def unavailable(what: str) -> Unavailable:
    """The database cannot be had now; `what` says why, in a sentence."""
    return Unavailable(f"{what} Try again in a few seconds.", headers={"Retry-After": "2"})
