"""The engines: `open_database` picks one by the scheme of the URL."""

from pathlib import Path

import sqlalchemy as sa

from app.config import Settings
from app.errors import ConfigurationError
from app.storage.database import Database
from app.storage.heartbeat import Heartbeat
from app.storage.private import make_private

__all__ = ["Database", "lock_directory", "open_database"]


def lock_directory(settings: Settings) -> Path:
    """Where this machine keeps the locks and heartbeats of the database."""
    url = sa.make_url(settings.url)
    if url.get_backend_name() == "sqlite":
        return Path(url.database or "").absolute().parent
    return settings.data_dir.absolute()


def open_database(
    settings: Settings, *, durable: bool = True, heartbeat: Heartbeat | None = None
) -> Database:
    """Open the database of `settings` and bring its schema up to date.

    `durable`: whether a commit on SQLite has to survive a power cut. `heartbeat`: a worker's, which waits
    for locks without bound. Raises `ConfigurationError` for a scheme that no engine serves, `Unavailable`
    if the database cannot be had, or another process brings it up to date.
    """
    scheme = settings.url.split(":", 1)[0].split("+", 1)[0]
    make_private(settings.data_dir)
    database: Database
    if scheme == "sqlite":
        from app.storage.sqlite import SQLiteDatabase

        database = SQLiteDatabase(settings.url, durable=durable, heartbeat=heartbeat)
    elif scheme == "postgresql":
        from app.storage.postgres import PostgresDatabase

        database = PostgresDatabase(settings.url, settings.data_dir.absolute(), heartbeat=heartbeat)
    else:
        raise ConfigurationError(
            f"MATINEE_DATABASE_URL has the scheme {scheme!r}; set it to sqlite:///FILE or postgresql://..."
        )
    database.migrate()
    return database
