"""Queries on model versions. At most one is active: the one that is served."""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.errors import NotFound
from app.repository import counters, versions
from app.repository.ratings import LAST_FIRST_RATER
from app.storage.database import serialize
from app.storage.prepared import Prepared
from app.storage.schema import models


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A row of `models`: what was built from what, how good it is, and whether it is served."""

    version: int
    task_id: str
    checksum: str
    active: bool
    promoted: bool
    reason: str
    settings: dict[str, Any]
    evaluation: dict[str, Any]
    ratings: int
    users: int
    movies: int
    created_at: float
    rating_changes: int
    forgotten: int = 0  # people ever, when its ratings were read


@dataclass(frozen=True, slots=True)
class Active:
    """What a request needs to know of the active model, in one query."""

    version: int
    checksum: str
    created_at: float
    catalogue: int  # its version; if it moved, other movies may exist or other titles be shown
    movies_deleted: int  # ever
    shown: int  # see `versions.shown`
    first_rater: int  # the newest first rater; a change of it means that there may be movies to fold in
    newest: int  # the newest version; a higher one than the active may be about to be served


_NEWEST = sa.select(sa.func.max(models.c.version)).correlate(None).scalar_subquery()
_ACTIVE = Prepared(
    sa.select(
        models.c.version,
        models.c.checksum,
        models.c.created_at,
        counters.value("catalogue").scalar_subquery().label("catalogue"),
        counters.value("movies_deleted").scalar_subquery().label("movies_deleted"),
        versions.SHOWN.scalar_subquery().label("shown"),
        LAST_FIRST_RATER.scalar_subquery().label("first_rater"),
        _NEWEST.label("newest"),
    ).where(models.c.active)
)


def active(connection: Connection) -> Active | None:
    row = _ACTIVE.first(connection)
    return Active(*row) if row else None


def add(connection: Connection, **values: Any) -> int:
    """Add a version, which is not served before it is activated; returns its number."""
    serialize(connection, "models")
    statement = models.insert().values(active=False, **values).returning(models.c.version)
    return int(connection.execute(statement).scalar_one())


def activate(connection: Connection, version: int) -> ModelVersion:
    """Serve this version. Raises `NotFound`."""
    serialize(connection, "models")
    get(connection, version)
    connection.execute(models.update().where(models.c.active).values(active=False))
    connection.execute(models.update().where(models.c.version == version).values(active=True))
    return get(connection, version)


def get(connection: Connection, version: int) -> ModelVersion:
    row = connection.execute(sa.select(models).where(models.c.version == version)).mappings().first()
    if row is None:
        raise NotFound(f"There is no model version {version}. GET /models lists them.")
    return ModelVersion(**row)


def listing(connection: Connection, *, limit: int, before: int | None = None) -> list[ModelVersion]:
    """Versions below `before`, newest first."""
    query = sa.select(models).order_by(models.c.version.desc()).limit(limit)
    if before is not None:
        query = query.where(models.c.version < before)
    return [ModelVersion(**row) for row in connection.execute(query).mappings()]


def newest(connection: Connection) -> ModelVersion | None:
    """The version that was built last, served or not."""
    return next(iter(listing(connection, limit=1)), None)


FORGOTTEN = "people_forgotten"
"""The counter of people who were forgotten."""


def forgotten(connection: Connection) -> int:
    """How many people were ever forgotten: a model that was built when there were fewer has seen some."""
    return int(connection.execute(counters.value(FORGOTTEN)).scalar_one())


def that_saw_forgotten(connection: Connection) -> list[int]:
    """The versions that were built from ratings of people who are forgotten by now, oldest first."""
    query = sa.select(models.c.version).where(models.c.forgotten < forgotten(connection))
    return list(connection.execute(query.order_by(models.c.version)).scalars())


def forget_before(connection: Connection, version: int) -> set[str]:
    """Delete the versions that saw people whom this one, which is served, has not seen any more.

    Returns the checksums of the files that no version needs after that.
    """
    older = models.c.forgotten < get(connection, version).forgotten
    gone = set(connection.execute(models.delete().where(older).returning(models.c.checksum)).scalars())
    return gone - checksums(connection)


def checksums(connection: Connection) -> set[str]:
    return set(connection.execute(sa.select(models.c.checksum)).scalars())


def forget(connection: Connection, *, keep: int) -> set[str]:
    """Delete all but the newest versions and the active one; returns the checksums of the rest."""
    newest_ones = sa.select(models.c.version).order_by(models.c.version.desc()).limit(keep)
    stay = sa.or_(models.c.active, models.c.version.in_(newest_ones.scalar_subquery()))
    connection.execute(models.delete().where(sa.not_(stay)))
    return checksums(connection)
