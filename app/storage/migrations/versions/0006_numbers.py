"""Numbers are given once: counters that never go back, and no trace of what they went back to before.

Until now SQLite gave the number of a forgotten task again, while ratings and what is kept for undos still
carried it. An import that shares its number cannot be distinguished from the one before: its undo is refused.
"""

from collections import Counter
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.engine import Connection

revision = "0006"
down_revision = "0005"

Key = sa.BigInteger().with_variant(sa.Integer, "sqlite")
FIRST_OWN_ID, LAST_OWN_ID = 1_000_000_000, 2**53 - 1
NUMBERED = {
    "tasks": "seq",
    "task_events": "number",
    "models": "version",
    "first_raters": "number",
    "count_changes": "number",
}
KEPT = ("rating_before_images", "catalogue_before_images", "later_writes")
SHARED = (
    "What this import wrote cannot be told from what an earlier import with the same number wrote: "
    "an earlier release gave that number twice."
)


def _table(name: str, *columns: Any) -> sa.TableClause:
    return sa.table(name, *(sa.column(c) if isinstance(c, str) else c for c in columns))


tasks = _table(
    "tasks",
    "seq",
    "id",
    "kind",
    "status",
    "undo_refused",
    *(sa.column(c, sa.JSON) for c in ("params", "cursor")),
)
ratings = _table("ratings", "movie_id", "import_seq")
images = _table("rating_before_images", "import_seq", "before_seq", "movie_id")
counters = _table("counters", "name", "value")


def upgrade() -> None:
    connection = op.get_bind()
    op.add_column("tasks", sa.Column("undo_refused", sa.Text))
    op.create_table("retired_movie_ids", sa.Column("id", Key, primary_key=True, autoincrement=False))
    _drop_what_no_import_needs(connection)
    if connection.dialect.name == "sqlite":
        _refuse_shared_numbers(connection)
        for name in NUMBERED:
            with op.batch_alter_table(name, recreate="always", table_kwargs={"sqlite_autoincrement": True}):
                pass
    for name, column in NUMBERED.items():
        _raise(connection, name, column, _highest_referred(connection, name, column))
    op.bulk_insert(counters, [{"name": "movies_created", "value": _last_movie_id(connection)}])


def _drop_what_no_import_needs(connection: Connection) -> None:
    imports = sa.select(tasks.c.seq).where(tasks.c.kind == "import_ratings")
    for name in KEPT:
        kept = _table(name, "import_seq")
        connection.execute(sa.delete(kept).where(kept.c.import_seq.not_in(imports)))


def _refuse_shared_numbers(connection: Connection) -> None:
    """An import shares its number if more carries it, or did before an undo, than the import has written."""
    replaced = _count(connection, "rating_before_images")
    carried = _count(connection, "ratings") + _count(connection, "rating_before_images", "before_seq")
    carried += _count(connection, "later_writes") + _count(connection, "catalogue_before_images")
    undone = _undone_in_part(connection)
    found = sa.select(tasks).where(tasks.c.kind == "import_ratings")
    for task in connection.execute(found).all():
        figures = _figures(task)
        written = figures.get("new", 0) + figures.get("replaced", 0)
        more = carried[task.seq] + undone[task.id] > written
        if more or replaced[task.seq] > figures.get("replaced", 0):
            _disown(connection, task.seq)
            if written:
                refused = tasks.update().where(tasks.c.seq == task.seq).values(undo_refused=SHARED)
                connection.execute(refused)


def _figures(task: sa.Row[Any]) -> dict[str, int]:
    cursor = {} if (task.params or {}).get("dry_run") else task.cursor or {}
    return cursor.get("figures") or {}


def _undone_in_part(connection: Connection) -> Counter[str]:
    """How many rows undos that were cut short have dealt with, by the id of the import."""
    undone = Counter[str]()
    found = sa.select(tasks).where(tasks.c.kind == "undo_import", tasks.c.status != "complete")
    for task in connection.execute(found).all():
        undone[task.params["undo_of"]] += sum(_figures(task).values())
    return undone


def _count(connection: Connection, name: str, column: str = "import_seq") -> Counter[int]:
    number = sa.column(column, sa.BigInteger)
    query = sa.select(number, sa.func.count()).select_from(sa.table(name)).where(number.is_not(None))
    return Counter({row[0]: row[1] for row in connection.execute(query.group_by(number))})


def _disown(connection: Connection, seq: int) -> None:
    connection.execute(ratings.update().where(ratings.c.import_seq == seq).values(import_seq=None))
    connection.execute(images.update().where(images.c.before_seq == seq).values(before_seq=None))
    for name in KEPT:
        kept = _table(name, "import_seq")
        connection.execute(sa.delete(kept).where(kept.c.import_seq == seq))


def _highest_referred(connection: Connection, name: str, column: str) -> int:
    """The highest number that a table has or that anything says of it."""
    referring = [(name, column)]
    if name == "tasks":
        referring += [(other, "import_seq") for other in ("ratings", *KEPT)]
        referring += [("rating_before_images", "before_seq"), ("task_events", "task_seq")]
    said = 0
    if name in ("models", "first_raters"):
        waiting = sa.select(tasks.c.cursor).where(
            tasks.c.kind == "rebuild_model", tasks.c.cursor.is_not(None)
        )
        for cursor in connection.execute(waiting).scalars():
            if name == "models":
                said = max(said, cursor.get("result", {}).get("version", 0))
            else:
                said = max(said, cursor.get("newest_rater", 0))
    return max(said, *(_highest(connection, *place) for place in referring))


def _highest(connection: Connection, name: str, column: str, below: int | None = None) -> int:
    number = sa.column(column, sa.BigInteger)
    query = sa.select(sa.func.coalesce(sa.func.max(number), 0)).select_from(sa.table(name))
    if below is not None:
        query = query.where(number < below)
    return int(connection.execute(query).scalar_one())


def _raise(connection: Connection, name: str, column: str, floor: int) -> None:
    """The next number of a table is above `floor`, and above every one it gave."""
    if connection.dialect.name == "sqlite":
        sequence = _table("sqlite_sequence", "name", "seq")
        connection.execute(sequence.delete().where(sequence.c.name == name))
        connection.execute(sequence.insert().values(name=name, seq=floor))
    else:
        sequence_name = sa.func.pg_get_serial_sequence(name, column)
        given = sa.func.greatest(sa.func.nextval(sequence_name), floor)
        connection.execute(sa.select(sa.func.setval(sequence_name, given)))


def _last_movie_id(connection: Connection) -> int:
    """Where the counter of movies starts: at the highest id that the API can have given.

    It gave the one above the highest, so that each it gave above today's highest belongs to a movie that was
    deleted. Ids in the upper half of what the counter may reach are an import's own.
    """
    places = (
        ("movies", "id"),
        ("links", "movie_id"),
        ("first_raters", "movie_id"),
        ("rating_before_images", "movie_id"),
        ("later_writes", "movie_id"),
        ("catalogue_before_images", "id"),
    )
    highest = max(_highest(connection, *place, below=LAST_OWN_ID // 2) for place in places)
    highest = max(highest, FIRST_OWN_ID - 1)
    deleted = sa.select(counters.c.value).where(counters.c.name == "movies_deleted")
    return highest + int(connection.execute(deleted).scalar_one())
