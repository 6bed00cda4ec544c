"""The engines: `open_database` picks one by the scheme of the URL."""

from pathlib import Path

import sqlalchemy as sa

from app.config import Settings
from app.errors import ConfigurationError
from app.storage import marker
from app.storage.database import Database, database_of
from app.storage.heartbeat import Heartbeat
from app.storage.private import make_private
from app.storage.upgrades import migrate
from app.storage.workers import MIGRATE, OUTSIDE, RUNNER

__all__ = [
    "Database",
    "database_of",
    "engine_of",
    "held_places",
    "lock_directory",
    "open_database",
    "places_of",
]


_NO_URL = (
    "MATINEE_DATABASE_URL is not a URL; set it to sqlite:///FILE or postgresql://USER:PASSWORD@HOST:PORT/NAME,"
    " with %40 for an @ of the password."
)


def engine_of(settings: Settings) -> type[Database]:
    """The engine that serves the scheme of the URL. Raises `ConfigurationError` if there is none.

    Engines are imported here, since each imports its driver.
    """
    try:
        sa.make_url(settings.url)
    except (sa.exc.ArgumentError, ValueError) as error:  # such as a port that is no number
        raise ConfigurationError(_NO_URL) from error
    scheme = settings.url.partition(":")[0]
    if scheme == "sqlite":
        from app.storage.sqlite import SQLiteDatabase

        return SQLiteDatabase
    if scheme == "postgresql+psycopg":
        from app.storage.postgres import PostgresDatabase

        return PostgresDatabase
    raise ConfigurationError(
        f"MATINEE_DATABASE_URL has the scheme {scheme!r}; set it to sqlite:///FILE or postgresql://..., "
        "without the name of a driver."
    )


def lock_directory(settings: Settings) -> Path:
    """Where this machine keeps the locks and heartbeats of the database."""
    return engine_of(settings).lock_directory(settings)


def places_of(settings: Settings, worker: str) -> list[Path]:
    """The locks that a worker of this machine may hold, that of its main thread first."""
    engine = engine_of(settings)
    directory = engine.lock_directory(settings)
    names = [engine.workers.place(name, worker) for name in (RUNNER, OUTSIDE)]
    return [directory / f"{name}.lock" for name in (*names, MIGRATE)]


def held_places(settings: Settings) -> list[Path]:
    """The locks that workers of this machine, whichever they are, may hold."""
    engine = engine_of(settings)
    directory = engine.lock_directory(settings)
    found = [lock for name in (RUNNER, OUTSIDE) for lock in engine.workers.locks(directory, name)]
    return [*found, directory / f"{MIGRATE}.lock"]


def open_database(
    settings: Settings, *, durable: bool = True, heartbeat: Heartbeat | None = None
) -> Database:
    """Open the database of `settings`, show others that it is in use, and bring its schema up to date.

    `durable`: whether a commit on SQLite has to survive a power cut. `heartbeat`: a worker's, which waits
    for locks without bound. Raises `ConfigurationError` for a scheme that no engine serves and for a store of
    another database, `Unavailable` if the database cannot be had, or another process brings it up to date.
    """
    make_private(settings.data_dir)
    database = engine_of(settings)(settings, durable=durable, heartbeat=heartbeat)
    try:
        database.presence.show()
        migrate(database)
        marker.claim(database, settings)
    except BaseException:
        database.close()
        raise
    return database
