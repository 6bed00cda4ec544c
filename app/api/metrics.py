"""Metrics for Prometheus: what all processes of this machine have counted, and what the rows say now."""

import shutil
import threading
import time
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from app.api.dependencies import ServiceDependency
from app.api.edge.manners import Manner, served
from app.api.edge.rules import METRICS
from app.api.families import Families
from app.errors import Unavailable
from app.repository import figures
from app.service import Service

router = APIRouter()

LATEST = 1.0
"""Seconds for which one reading serves all scrapes: a storm of them costs no more than one."""
WAIT = 10.0
"""Seconds that a scrape waits for the reading of another."""


class Exposition:
    """The text of the metrics, made by one scrape at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at, self._text = float("-inf"), b""

    def text(self, service: Service) -> bytes:
        """Raises `Unavailable` if the database or the snapshots cannot be read in time."""
        if not self._lock.acquire(timeout=WAIT):
            raise Unavailable("Another scrape has not ended. Try again.", headers={"Retry-After": "5"})
        try:
            if time.monotonic() - self._at > LATEST:
                self._text = generate_latest(families(service))
                self._at = time.monotonic()
            return self._text
        finally:
            self._lock.release()


def families(service: Service) -> Families:
    with service.database.read() as connection:
        rows = figures.read(connection)
    files = {
        "database": service.database.size(),
        "wal": service.database.size_of_wal(),
        "disk_free": shutil.disk_usage(service.settings.data_dir).free,
    }
    return Families(service.snapshots.all(), rows, service.worker_state(), files)


async def _exposition(request: Request) -> Exposition:  # async: a sync one would run in a thread
    state = request.app.state
    if not hasattr(state, "exposition"):
        state.exposition = Exposition()
    return state.exposition  # type: ignore[no-any-return]


@router.get("/metrics", dependencies=[METRICS], include_in_schema=False)
@served(Manner.PROBES)  # takes no place: it must be read while the service is busiest
def get_metrics(
    service: ServiceDependency, exposition: Annotated[Exposition, Depends(_exposition)]
) -> Response:
    """For Prometheus, in its text format. With accounts: to a viewer's key, or a caller on this machine."""
    return Response(exposition.text(service), media_type=CONTENT_TYPE_PLAIN_0_0_4)
