"""The revisions of the schema: one file each, in one line, and each says whether it may roll.

One that rolls (`rolls = True`) only adds, so that the code of the schema before works beside it: a service of
several processes is upgraded one process after the other. Any other needs them all to stop. The database has
the least schema whose code works with it, in a counter.
"""

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.storage.schema import counters

MIGRATIONS = Path(__file__).parent / "migrations"
SCHEMAS, STEP = "schemas", 10_000
"""The counter: the schema times `STEP`, and the least schema whose processes may be at work."""
ADDED_LATER = (
    ("0006", "upgrade", "tasks", "undo_refused"),
    ("0008", "count_scores", "movies", "scored_1"),
    ("0016", "upgrade", "title_words", "id"),
    ("0017", "upgrade", "marks", "mark"),
)
"""What was put into the line of migrations when there were databases with this or a later one: a function of
a migration, and a column that it makes.
"""


def head_revision() -> str:
    """The newest migration: their files are named by number, and form one line."""
    return max(path.stem.split("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def current(connection: Connection) -> str | None:
    """That of the schema of a database; None if there is none yet."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


def least(connection: Connection) -> int | None:
    """The least schema whose code works with this database; None if no upgrade to its schema has noted it."""
    if not sa.inspect(connection).has_table(counters.name):
        return None
    noted = connection.execute(sa.select(counters.c.value).where(counters.c.name == SCHEMAS)).scalar()
    return noted % STEP if noted and f"{noted // STEP:04}" == current(connection) else None


def stops(before: str | None) -> list[str]:
    """The migrations after that one which do not roll."""
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(_config(None)).walk_revisions()
    later = [one for one in scripts if before is None or one.revision > before]
    return [one.revision for one in later if not getattr(one.module, "rolls", False)]


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Bring the schema to that revision."""
    # Alembic is imported here: a process that finds its schema up to date saves its memory and time.
    from alembic import command

    before, known = current(connection), least(connection)
    if before is not None:
        _catch_up(connection, before)
    command.upgrade(_config(connection), revision)
    _note_least(connection, before, known)


def _config(connection: Connection | None) -> Any:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _catch_up(connection: Connection, before: str) -> None:
    """Run what was put into the line up to that migration after the database had it."""
    from alembic.migration import MigrationContext
    from alembic.operations import Operations
    from alembic.script import ScriptDirectory

    lacking = [one for one in ADDED_LATER if one[0] <= before and not _has(connection, *one[2:])]
    if lacking:
        scripts = ScriptDirectory.from_config(_config(connection))
        with Operations.context(MigrationContext.configure(connection)):
            for number, function, *_ in lacking:
                getattr(scripts.get_revision(number).module, function)()


def _has(connection: Connection, table: str, column: str) -> bool:
    inspector = sa.inspect(connection)
    if not inspector.has_table(table):
        return False
    return any(found["name"] == column for found in inspector.get_columns(table))


def _note_least(connection: Connection, before: str | None, known: int | None) -> None:
    if not sa.inspect(connection).has_table(counters.name):
        return
    done = current(connection) or ""
    last = max((number for number in stops(before) if number <= done), default=None)
    new = int(last) if last is not None else known if known is not None else int(before or done)
    connection.execute(counters.delete().where(counters.c.name == SCHEMAS))
    connection.execute(counters.insert().values(name=SCHEMAS, value=int(done) * STEP + new))
