"""New events of tasks: one query for the newest ones serves every stream and long poll from memory."""

import asyncio
import logging
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from app.repository import task_events
from app.repository.task_events import Event
from app.service import Service
from app.task import ENDED

LOOK_EVERY = 0.1
"""Seconds between two queries for the number of the newest event, while a subscription is open."""
LOOK_BACK, BACK = 2.0, 200
"""Seconds after which a query rereads so many events: PostgreSQL may commit them out of order."""
MOST_KEPT = 1_000
"""Events kept in memory for a slow reader; after more it reads them from the database."""

log = logging.getLogger("matinee.api")


def is_end(event: Event) -> bool:
    """Whether it says that the task has ended."""
    return event.type == "status" and event.data.get("status") in ENDED


class Subscription:
    """New events of one task, for a coroutine of the event loop in which it was opened."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()
        self._news: deque[Event] = deque()
        self.missed = False

    def tell(self, events: list[Event]) -> None:
        """Hand over events, from the thread of the feed. Without events: end a wait."""
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._take, events)

    def _take(self, events: list[Event]) -> None:
        self._news.extend(events)
        if len(self._news) > MOST_KEPT:
            self._news.clear()
            self.missed = True
        self._woken.set()

    async def wait(self, seconds: float | None = None) -> list[Event]:
        """Events since the last call, as soon as there are any; none after `seconds`."""
        if not self._news and not self.missed:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), seconds)
        self._woken.clear()
        news = list(self._news)
        self._news.clear()
        return news


class Feed:
    """Queries for events in a thread of its own, which lives as long as there is a subscription."""

    def __init__(self, service: Service, closing: threading.Event) -> None:
        self.closing = closing
        self._service = service
        self._lock = threading.Lock()
        self._subscriptions: defaultdict[int, set[Subscription]] = defaultdict(set)
        self._looking = False

    @contextmanager
    def subscribe(self, seq: int) -> Iterator[Subscription]:
        """New events of the task with that `seq`. Read earlier events after subscribing."""
        subscription = Subscription()
        with self._lock:
            self._subscriptions[seq].add(subscription)
            if not self._looking:
                self._looking = True
                threading.Thread(target=self._look_on, name="matinee-feed", daemon=True).start()
        try:
            yield subscription
        finally:
            with self._lock:
                self._subscriptions[seq].discard(subscription)
                if not self._subscriptions[seq]:
                    del self._subscriptions[seq]

    def _look_on(self) -> None:
        look = _Look(self._service)
        while True:
            with self._lock:
                if self.closing.is_set() or not self._subscriptions:
                    self._looking = False
                    break
            for seq, events in look.news().items():
                self._tell(seq, events)
            self.closing.wait(LOOK_EVERY)
        if self.closing.is_set():
            with self._lock:
                waiting = list(self._subscriptions)
            for seq in waiting:
                self._tell(seq, [])

    def _tell(self, seq: int, events: list[Event]) -> None:
        with self._lock:
            subscriptions = list(self._subscriptions.get(seq, ()))
        for subscription in subscriptions:
            subscription.tell(events)


class _Look:
    """Remembers which events it has returned."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._newest = -1
        self._seen: set[int] = set()
        self._back_at = 0.0
        self._failing = False

    def news(self) -> dict[int, list[Event]]:
        """New events by task; the first call may return some that existed before."""
        try:
            found = self._read()
        except Exception:  # the next query may succeed; the requests themselves report the fault
            if not self._failing:
                log.exception("task events cannot be read; trying again")
            self._failing = True
            return {}
        self._failing = False
        news: defaultdict[int, list[Event]] = defaultdict(list)
        for seq, event in found:
            if event.number not in self._seen:
                self._seen.add(event.number)
                news[seq].append(event)
        self._seen = {number for number in self._seen if number > self._newest - BACK}
        return news

    def _read(self) -> list[tuple[int, Event]]:
        with self._service.database.read() as connection:
            newest, now = task_events.last_event(connection), time.monotonic()
            back = self._newest < 0 or now >= self._back_at
            if newest == self._newest and not back:
                return []
            after = (newest if self._newest < 0 else self._newest) - (BACK if back else 0)
            self._newest = max(newest, self._newest)
            if back:
                self._back_at = now + LOOK_BACK
            return task_events.events_of_all(connection, after=after)
