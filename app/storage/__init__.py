"""The engines: `open_database` picks one by the scheme of the URL."""

from app.config import Settings
from app.errors import ConfigurationError
from app.storage.database import Database
from app.storage.private import make_private

__all__ = ["Database", "open_database"]


def open_database(settings: Settings, *, durable: bool = True) -> Database:
    """Open the database of `settings` and bring its schema up to date.

    `durable`: whether a commit on SQLite has to survive a power cut. Raises `ConfigurationError` for a
    scheme that no engine serves.
    """
    scheme = settings.url.split(":", 1)[0].split("+", 1)[0]
    make_private(settings.data_dir)
    database: Database
    if scheme == "sqlite":
        from app.storage.sqlite import SQLiteDatabase

        database = SQLiteDatabase(settings.url, durable=durable)
    elif scheme == "postgresql":
        from app.storage.postgres import PostgresDatabase

        database = PostgresDatabase(settings.url)
    else:
        raise ConfigurationError(
            f"MATINEE_DATABASE_URL has the scheme {scheme!r}; set it to sqlite:///FILE or postgresql://..."
        )
    database.migrate()
    return database
