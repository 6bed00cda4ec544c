"""Models through Redis (or Valkey), for API processes that do not see the worker's disk.

With a store that every machine reaches, a model is announced here; without one its bytes are kept here.
Nothing that is here alone is needed: who does not find Redis finds the rest more slowly.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from app.errors import ConfigurationError, Unavailable

KEEP = 30 * 24 * 3600
"""Seconds that a published model stays which is not the active one."""
CHANNEL = "matinee:models"
PAUSE = 2.0
"""Seconds until a listener that lost Redis tries again."""

log = logging.getLogger("matinee.redis")
_told = threading.Event()


class SharedModels:
    """Model files by their checksum. Nothing here is trusted: a reader verifies the checksum."""

    def __init__(self, url: str) -> None:
        self._redis, self._errors = _client(url)

    def put(self, checksum: str, data: bytes) -> None:
        """Publish a model. Raises `Unavailable` if Redis cannot be reached."""
        try:
            self._redis.set(_key(checksum), data, ex=KEEP)
        except self._errors as error:
            raise Unavailable(
                f"The model cannot be published through MATINEE_REDIS_URL: {error}. "
                "It is kept, and publishing it is tried again. Start Redis there, or unset the variable.",
                headers={"Retry-After": "10"},
            ) from error

    def keep(self, checksum: str, data: Callable[[], bytes]) -> None:
        """Have the active model there for good, put again if Redis has lost it; the others are to expire."""
        with _telling(self._errors):
            if not self._redis.exists(_key(checksum)):
                self._redis.set(_key(checksum), data())
            self._redis.persist(_key(checksum))
            for key in self._redis.scan_iter(match=_key("*")):
                if key != _key(checksum).encode() and self._redis.ttl(key) == -1:
                    self._redis.expire(key, KEEP)

    def reach(self) -> None:
        """Raises `Unavailable` if Redis cannot be reached."""
        _reach(self._redis, self._errors)

    def get(self, checksum: str) -> bytes | None:
        """A published model; None if it is not there or Redis cannot be reached."""
        found: list[bytes | None] = [None]
        with _telling(self._errors):
            found = [self._redis.get(_key(checksum))]
        return found[0]

    def delete(self, checksum: str) -> None:
        """Delete a published model; one that cannot be reached now expires by itself."""
        with suppress(self._errors):
            self._redis.delete(_key(checksum))


class Announcements:
    """Versions of the model that are about to be served, for every process that listens."""

    def __init__(self, url: str) -> None:
        self._redis, self._errors = _client(url)

    def announce(self, version: int) -> None:
        with _telling(self._errors):
            self._redis.publish(CHANNEL, str(version))

    def reach(self) -> None:
        """Raises `Unavailable` if Redis cannot be reached."""
        _reach(self._redis, self._errors)

    def listen(self, heard: Callable[[int], object], ended: threading.Event) -> None:
        """Call `heard` with each version, until `ended`; without Redis it waits for that to come back."""
        while not ended.is_set():
            with _telling(self._errors), self._redis.pubsub(ignore_subscribe_messages=True) as channel:
                channel.subscribe(CHANNEL)
                while not ended.is_set():
                    message = channel.get_message(timeout=1.0)
                    if message is not None:
                        heard(int(message["data"]))
            ended.wait(PAUSE)


def _client(url: str) -> tuple[Any, type[Exception]]:
    try:
        import redis
    except ImportError:
        raise ConfigurationError(
            "MATINEE_REDIS_URL needs the redis client: install matinee[redis], or unset it."
        ) from None
    return redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=2), redis.RedisError


def _reach(client: Any, errors: type[Exception]) -> None:
    try:
        client.ping()
    except errors as error:
        raise Unavailable(f"Redis at MATINEE_REDIS_URL cannot be reached: {error}.") from error


@contextmanager
def _telling(errors: type[Exception]) -> Iterator[None]:
    """Go on without Redis, and say so once until it can be reached again."""
    try:
        yield
    except errors as error:
        if not _told.is_set():
            log.warning("Redis at MATINEE_REDIS_URL does not answer (%s); all goes on without it", error)
        _told.set()
    else:
        _told.clear()


def _key(checksum: str) -> str:
    return f"matinee:model:{checksum}"
