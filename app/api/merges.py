"""What the merges of people and of movies have in common over HTTP."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.engine import Connection

from app.api.idempotency import Reply, accepted
from app.api.values import NUMBER, Id
from app.service import Service
from app.tasks.kinds import Kind
from app.tasks.start import queue
from app.user import Caller


class MergeBody(BaseModel):
    """`from`: the id whose ratings move to the one in the path."""

    model_config = ConfigDict(extra="forbid")

    from_id: Annotated[Id, NUMBER, Field(alias="from")]


def start(connection: Connection, service: Service, caller: Caller, kind: Kind[Any], params: Any) -> Reply:
    """Queue a merge. Raises what its kind refuses."""
    limit = service.settings.max_queue
    task = queue(connection, kind.name, params, owner=caller.user_id, max_queue=limit)
    return accepted(task, f"/tasks/{task.id}")
