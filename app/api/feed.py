"""Waiting for tasks to change: one look at the newest event, whoever and however many wait for it."""

import asyncio
import contextlib
import signal
import threading
from typing import Any

from starlette.concurrency import run_in_threadpool

from app.repository import tasks
from app.service import Service

LOOK_EVERY = 0.1
"""Seconds between two looks at the number of the newest event, while anybody waits."""

LOOK_AGAIN = 2.0
"""Seconds after which a waiter looks for itself: on PostgreSQL numbers may become visible out of order."""


class Feed:
    """Lets coroutines of one event loop wait until any task has changed."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._waiters: set[asyncio.Future[None]] = set()
        self._watcher: asyncio.Task[None] | None = None
        self.closing = threading.Event()

    async def wait(self, seconds: float = LOOK_AGAIN) -> None:
        """Return when some task has changed, the server shuts down, or after that time."""
        future = asyncio.get_running_loop().create_future()
        self._waiters.add(future)
        if self._watcher is None or self._watcher.done():
            self._watcher = asyncio.create_task(self._watch())
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(future, seconds)
        finally:
            self._waiters.discard(future)

    async def _watch(self) -> None:
        last = await run_in_threadpool(self._newest)
        while self._waiters:
            await asyncio.sleep(LOOK_EVERY)
            newest = last if self.closing.is_set() else await run_in_threadpool(self._newest)
            if newest != last or self.closing.is_set():
                last = newest
                for future in self._waiters:
                    if not future.done():
                        future.set_result(None)

    def _newest(self) -> int:
        with self._service.database.read() as connection:
            return tasks.last_event(connection)

    def close_on_signals(self) -> None:
        """End the waits as soon as the process is told to stop: the server waits for its answers to end."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGTERM, signal.SIGINT):
            before = signal.getsignal(number)

            def stop(received: int, frame: Any, before: Any = before) -> None:
                self.closing.set()
                if callable(before):
                    before(received, frame)

            signal.signal(number, stop)
