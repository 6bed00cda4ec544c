"""Keeps the secrets that stand in addresses, of invitations, hooks and lists, out of the logs."""

import logging
import re

from starlette.types import Scope

_SECRET = re.compile(r"(/(?:invite|hook|list)/)[^\s?\"/]+")


class Discretion(logging.Filter):
    """Replaces the secret in the address of a request, in whatever field of the record it stands."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(hidden(value) if isinstance(value, str) else value for value in record.args)
        return True


def hidden(text: str) -> str:
    """The text without the secrets in its addresses."""
    return _SECRET.sub(r"\1...", text)


def has_secret(scope: Scope) -> bool:
    """Whether the address of a request holds one: it has no span then, which would show the address."""
    return _SECRET.search(scope.get("path", "")) is not None


def install() -> None:
    """For uvicorn's log of requests; once a process."""
    log = logging.getLogger("uvicorn.access")
    if not any(isinstance(one, Discretion) for one in log.filters):
        log.addFilter(Discretion())
