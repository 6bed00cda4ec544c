"""The load of `benchmarks.cluster`: clients that rate and read, and what became of their calls."""

import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from app.client import ApiError, MatineeClient
from benchmarks.sample import TASTES

FILMS = sorted(film for films in TASTES.values() for film in films)
CLIENTS, PAUSE = 4, 0.2
"""Clients, and seconds between two calls of one."""
FIRST_USER = 1_000_000
"""Of the people who rate through the client; the files have others."""
DEADLINE = 30.0
"""Seconds of a call of our client, with all its attempts."""

Span = tuple[float, float]
"""From when to when, by the monotonic clock."""


class Failure(NamedTuple):
    """A call that failed: when it began, and what its error says."""

    began: float
    text: str

    def is_excused(self, absences: Sequence[Span]) -> bool:
        """Whether its deadline lies within an absence of the database."""
        return any(since <= self.began + DEADLINE <= until for since, until in absences)


class Attempts(logging.Handler):
    """Counts the attempts that failed by (event, cause), as our client tells them to its log."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.event = "start"
        self.causes: Counter[tuple[str, str]] = Counter()
        logging.getLogger("app.retry_client").addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        if isinstance(record.args, tuple):
            target, outcome = str(record.args[0]), record.args[3]
            self.causes[self.event, f"{target.partition(' ')[0]}: {outcome}"] += 1

    def of(self, event: str) -> int:
        return sum(count for (name, _), count in self.causes.items() if name == event)

    def close(self) -> None:
        logging.getLogger("app.retry_client").removeHandler(self)
        super().close()


class Load:
    """Clients that rate `films`, for people of their own.

    `scores`: which a rating may have: one of them, once it is acknowledged.
    """

    def __init__(self, client: Callable[[], MatineeClient], films: Sequence[int]) -> None:
        self._client, self._films, self.calls = client, films, 0
        self.scores: dict[tuple[int, int], set[float | None]] = {}
        self.failures: list[Failure] = []
        self._ended, self._counting = threading.Event(), threading.Lock()
        self._threads = [threading.Thread(target=self._ask, args=(n,), daemon=True) for n in range(CLIENTS)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(2 * DEADLINE)

    def _ask(self, number: int) -> None:
        choose, user = random.Random(number), FIRST_USER + number
        with self._client() as client:
            while not self._ended.wait(PAUSE):
                key, score = (user, choose.choice(self._films)), choose.randint(1, 10) / 2
                before = self.scores.get(key, {None})
                self.scores[key] = before | {score}
                if self._called(partial(client.rate, key[1], user, score)):
                    self.scores[key] = {score}
                self._called(partial(client.recommendations, user, 5))

    def _called(self, call: Callable[[], Any]) -> bool:
        began = time.monotonic()
        try:
            call()
        except ApiError as error:
            self.failures.append(Failure(began, str(error)[:150]))
            return False
        finally:
            with self._counting:
                self.calls += 1
        return True
