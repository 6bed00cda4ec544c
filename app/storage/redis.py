"""Models shared through Redis (or Valkey), for API processes that do not see the worker's disk."""

from contextlib import suppress
from typing import Any

from app.errors import ConfigurationError, Unavailable

KEEP = 30 * 24 * 3600
"""Seconds that a published model stays. A rebuild or an activation publishes again, sooner as a rule."""


class SharedModels:
    """Model files by their checksum. Nothing here is trusted: a reader verifies the checksum."""

    def __init__(self, url: str) -> None:
        try:
            import redis
        except ImportError:
            raise ConfigurationError(
                "MATINEE_REDIS_URL needs the redis client: install matinee[redis], or unset it."
            ) from None
        self._errors = redis.RedisError
        self._redis: Any = redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=2)

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

    def reach(self) -> None:
        """Raises `Unavailable` if Redis cannot be reached."""
        try:
            self._redis.ping()
        except self._errors as error:
            raise Unavailable(f"Redis at MATINEE_REDIS_URL cannot be reached: {error}.") from error

    def get(self, checksum: str) -> bytes | None:
        """A published model; None if it is not there or Redis cannot be reached."""
        try:
            data: bytes | None = self._redis.get(_key(checksum))
        except self._errors:
            return None
        return data

    def delete(self, checksum: str) -> None:
        """Delete a published model; one that cannot be reached now expires by itself."""
        with suppress(self._errors):
            self._redis.delete(_key(checksum))


def _key(checksum: str) -> str:
    return f"matinee:model:{checksum}"
