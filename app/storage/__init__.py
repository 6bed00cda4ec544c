"""The engines: `open_database` picks one by the scheme of the URL."""

from pathlib import Path

from app.config import Settings
from app.errors import ConfigurationError
from app.storage.database import Database, database_of
from app.storage.heartbeat import Heartbeat
from app.storage.private import make_private
from app.storage.upgrades import migrate

__all__ = ["Database", "database_of", "engine_of", "lock_directory", "open_database"]


def engine_of(settings: Settings) -> type[Database]:
    """The engine that serves the scheme of the URL. Raises `ConfigurationError` if there is none.

    Engines are imported here, since each imports its driver.
    """
    scheme = settings.url.split(":", 1)[0].split("+", 1)[0]
    if scheme == "sqlite":
        from app.storage.sqlite import SQLiteDatabase

        return SQLiteDatabase
    if scheme == "postgresql":
        from app.storage.postgres import PostgresDatabase

        return PostgresDatabase
    raise ConfigurationError(
        f"MATINEE_DATABASE_URL has the scheme {scheme!r}; set it to sqlite:///FILE or postgresql://..."
    )


def lock_directory(settings: Settings) -> Path:
    """Where this machine keeps the locks and heartbeats of the database."""
    return engine_of(settings).lock_directory(settings)


def open_database(
    settings: Settings, *, durable: bool = True, heartbeat: Heartbeat | None = None
) -> Database:
    """Open the database of `settings`, show others that it is in use, and bring its schema up to date.

    `durable`: whether a commit on SQLite has to survive a power cut. `heartbeat`: a worker's, which waits
    for locks without bound. Raises `ConfigurationError` for a scheme that no engine serves, `Unavailable`
    if the database cannot be had, or another process brings it up to date.
    """
    make_private(settings.data_dir)
    database = engine_of(settings)(settings, durable=durable, heartbeat=heartbeat)
    try:
        database.presence.show()
        migrate(database)
    except BaseException:
        database.close()
        raise
    return database
