"""Short writes of the event loop: their statements run there, and a thread commits all that came meanwhile.

In a thread each statement hands the interpreter over, and waits for it again: with many connections a rating
does so ten times. And the disk is slower than its statements: while a commit waits for it, the next writes
gather, and one transaction has them all. What fails is undone by itself, by a savepoint. Waits for other
writers are a thread's too; what would hold up the loop otherwise raises `TooLong`, as reads do (`app.brief`).
"""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError

from app import brief
from app.errors import Unavailable
from app.storage.database import PATIENCE, run_after_commit
from app.storage.locks import WriteLock
from app.storage.preconditions import begin

Work = Callable[[Connection], Any]


@dataclass(slots=True)
class _Write:
    """`context`: that of its request. `settle`: sets its result or error, to be called after the commit."""

    work: Work
    context: Context = field(default_factory=copy_context)
    result: "asyncio.Future[Any]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    settle: Callable[[], None] = lambda: None


class BriefWriter:
    """Writes for one event loop at a time, by a connection of its own, opened at its first use."""

    def __init__(self, engine: Engine, lock: WriteLock) -> None:
        self._engine, self._lock = engine, lock
        self._connection: Connection | None = None
        self._waiting: list[_Write] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._mutex = threading.Lock()
        self._thread = ThreadPoolExecutor(1, "writer")

    async def run(self, work: Work) -> Any:
        """Do `work` in a transaction; returns what it returns, after the commit.

        Raises what it raises, and `TooLong`: then nothing was changed.
        """
        write, loop = _Write(work), asyncio.get_running_loop()
        with self._mutex:
            if self._loop not in (None, loop):
                raise brief.TooLong
            self._waiting.append(write)
            if self._loop is None:
                self._loop = loop
                self._task = loop.create_task(self._work_off(loop), context=Context())
        return await write.result

    async def _work_off(self, loop: asyncio.AbstractEventLoop) -> None:
        """Transaction after transaction, until no write waits. Their waits for another writer are bounded."""
        while self._waits():
            writes: list[_Write] = []
            try:
                with ExitStack() as stack:
                    await self._take_lock(loop, stack)
                    writes = self._next()
                    brief.attempt(partial(self._statements, stack, writes))
                    ending = stack.pop_all()
                    await loop.run_in_executor(self._thread, ending.close)
            except Exception:
                for write in writes or self._next():
                    if not write.result.done():
                        write.result.set_exception(brief.TooLong())
            except BaseException:  # the loop ends: a commit may be under way
                for write in (*writes, *self._next()):
                    write.result.cancel()
                self._waits()
                raise
            else:
                for write in writes:
                    if not write.result.done():
                        write.settle()

    def _waits(self) -> bool:
        """Whether a write waits; if none does, the loop is free to be another one."""
        with self._mutex:
            if not self._waiting:
                self._loop = None
            return bool(self._waiting)

    def _next(self) -> list[_Write]:
        with self._mutex:
            found, self._waiting = self._waiting, []
        return found

    async def _take_lock(self, loop: asyncio.AbstractEventLoop, stack: ExitStack) -> None:
        """Raises `Unavailable` after `PATIENCE`."""
        try:
            stack.enter_context(self._lock.hold(0.0))
        except Unavailable:
            waiting = self._lock.hold(time.monotonic() + PATIENCE)
            await loop.run_in_executor(self._thread, stack.enter_context, waiting)

    def _statements(self, stack: ExitStack, writes: list[_Write]) -> None:
        """Raises errors of the database, which may be of the whole transaction."""
        connection = stack.enter_context(self._transaction())
        driver: Any = connection.connection.driver_connection
        for write in writes:
            if write.result.done():  # its caller has gone
                continue
            driver.execute("SAVEPOINT single")
            try:
                found, after = write.context.run(_done, connection, write.work)
            except (DBAPIError, sqlite3.Error):
                raise
            except Exception as error:
                driver.execute("ROLLBACK TO single")
                write.settle = partial(write.result.set_exception, error)
            else:
                write.settle = partial(_succeed, write.result, found, after)
            driver.execute("RELEASE single")

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        """Commits at its end, or rolls back on any error."""
        connection = self._connection or self._open()
        driver: Any = connection.connection.driver_connection
        driver.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            driver.execute("COMMIT")
        finally:
            if connection.in_transaction():  # of which SQLAlchemy knows if it ran a statement
                connection.rollback()
            if driver.in_transaction:
                driver.execute("ROLLBACK")

    def _open(self) -> Connection:
        self._connection = connection = self._engine.connect()
        driver: Any = connection.connection.driver_connection
        driver.execute("PRAGMA busy_timeout=0")
        return connection

    def close(self) -> None:
        """Only after the last write."""
        self._thread.shutdown()
        if self._connection is not None:
            self._connection.invalidate()  # no other may have it from the pool
            self._connection.close()
            self._connection = None


def _done(connection: Connection, work: Work) -> tuple[Any, Callable[[], None]]:
    after = run_after_commit(connection)
    begin(connection)
    return work(connection), after


def _succeed(result: "asyncio.Future[Any]", found: Any, after: Callable[[], None]) -> None:
    result.set_result(found)
    after()
