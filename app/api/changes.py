"""Changes over HTTP, each with its row in the audit: who did what, in the transaction of the change."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, TypeVar

from fastapi import Depends, Request
from sqlalchemy.engine import Connection

from app.api.dependencies import ServiceDependency
from app.api.discretion import hidden
from app.api.edge.direct import written_briefly
from app.repository import audit
from app.service import Service
from app.user import Caller

Found = TypeVar("Found")


class Changes:
    """The write transaction of a request that no idempotency key covers, such as a PUT."""

    def __init__(self, request: Request, service: Service) -> None:
        self._request, self._service = request, service

    @contextmanager
    def write(self, target: str = "", *, audited: bool = True) -> Iterator[Connection]:
        """A transaction that commits the change with its row in the audit, or neither.

        `target`: an address for what is changed (default: the path). `audited`: False for a person's own
        ratings.
        """
        with self._service.database.write() as connection:
            yield connection
            if audited:
                note(connection, self._request, target)

    async def briefly(self, change: Callable[[Connection], Found], *, audited: bool = True) -> Found:
        """The same, for a change of a few statements (`written_briefly`); returns what it returns."""

        def work(connection: Connection) -> Found:
            found = change(connection)
            if audited:
                note(connection, self._request)
            return found

        return await written_briefly(self._service.database, work)


def note(connection: Connection, request: Request, target: str = "") -> None:
    """Add to the audit that the caller does what the endpoint is named after.

    `target`: an address for what it is done to (default: the path).
    """
    scope = request.scope
    caller: Caller | None = scope["caller"]
    audit.add(
        connection,
        scope["route"].name,
        target or hidden(scope["path"].removeprefix(scope.get("root_path", ""))),
        now=time.time(),
        user_id=caller.user_id if caller else None,
        key=caller.key if caller else None,
        address=request.client.host if request.client else "unix socket",
        request_id=scope.get("request_id"),
    )


def is_own(request: Request, user_id: int) -> bool:
    """Whether the caller changes what is their own. With the door closed it is not known who is who."""
    caller: Caller = request.scope["caller"]
    return caller.user_id is None or caller.user_id == user_id


async def _changes(  # async: a sync one would run in a thread
    request: Request, service: ServiceDependency
) -> Changes:
    return Changes(request, service)


ChangesDependency = Annotated[Changes, Depends(_changes)]
