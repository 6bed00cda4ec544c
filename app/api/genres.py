"""The genres of the catalogue over HTTP."""

from fastapi import APIRouter

from app.api.dependencies import ServiceDependency
from app.api.edge.rules import VIEWER
from app.api.etags import SHOWN
from app.repository import genres

router = APIRouter(prefix="/genres", tags=["movies"])


@router.get("", dependencies=[VIEWER, *SHOWN])
def list_genres(service: ServiceDependency) -> list[str]:
    """Every genre of the catalogue, sorted; each can be the `genre` of a filter."""
    with service.database.read() as connection:
        return genres.listing(connection)
