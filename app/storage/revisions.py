"""The revisions of the schema: one file each, in one line."""

from pathlib import Path

from sqlalchemy.engine import Connection

MIGRATIONS = Path(__file__).parent / "migrations"


def head_revision() -> str:
    """The newest migration: their files are named by number, and form one line."""
    return max(path.stem.split("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Bring the schema to that revision."""
    # Alembic is imported here: a process that finds its schema up to date saves its memory and time.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
