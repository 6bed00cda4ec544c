"""Queries on the tasks that write imports and merges: their order, what undoes them, what runs, what is kept.

The order of an import is a number that its checkpoint gets as it begins to write, from a counter. It is not
`tasks.seq`: an import that failed before it wrote anything may be tried again after newer ones have written.
Imports of older releases have none; they wrote in the order of `tasks.seq`, before all that have one.
"""

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.repository.tasks import ended_before
from app.storage.database import database_of
from app.storage.schema import counters, tasks
from app.task import ACTIVE, COMPLETE, Task

IMPORT_RATINGS, UNDO_IMPORT = "import_ratings", "undo_import"
MERGE_USERS, MERGE_MOVIES = "merge_users", "merge_movies"
WRITERS = (IMPORT_RATINGS, MERGE_USERS, MERGE_MOVIES)
"""The kinds that write ratings under their number, and that can be undone, newest first."""

EXPIRED = "It ended so long ago that what its undo needs is no longer kept (MATINEE_KEEP_TASKS)."

_ORDER = sa.func.coalesce(tasks.c.checkpoint["order"].as_integer(), 0)
UNDO_OF = tasks.c.params["undo_of"].as_string()
_WRITTEN = tuple(
    sa.func.coalesce(tasks.c.checkpoint[("figures", name)].as_integer(), 0)
    for name in ("new", "replaced", "deleted", "movies", "personal")
)
_DRY_RUN = sa.func.coalesce(tasks.c.params["dry_run"].as_boolean(), sa.false())


def next_order(connection: Connection) -> int:
    """The order of an import that begins to write: higher than any before."""
    statement = database_of(connection).insert(counters).values(name="imports_begun", value=1)
    more = {"value": counters.c.value + 1}
    statement = statement.on_conflict_do_update(index_elements=["name"], set_=more)
    return int(connection.execute(statement.returning(counters.c.value)).scalar_one())


def undos_of(connection: Connection, import_id: str) -> list[Task]:
    """Every undo of an import, newest first."""
    query = sa.select(tasks).where(tasks.c.kind == UNDO_IMPORT, sa.literal(import_id) == UNDO_OF)
    return [Task(**row) for row in connection.execute(query.order_by(tasks.c.seq.desc())).mappings()]


def active(connection: Connection) -> list[Task]:
    """The imports, merges and undos that have not ended."""
    kinds, statuses = (*WRITERS, UNDO_IMPORT), ACTIVE
    query = sa.select(tasks).where(tasks.c.kind.in_(kinds), tasks.c.status.in_(statuses))
    return [Task(**row) for row in connection.execute(query.order_by(tasks.c.seq)).mappings()]


def newest_after(connection: Connection, task: Task, *, undoable: bool = False) -> Task | None:
    """The import or merge that wrote last of those that wrote after this one and are not undone.

    `undoable`: of those alone that can be undone.
    """
    undone = sa.select(UNDO_OF).where(tasks.c.kind == UNDO_IMPORT, tasks.c.status == COMPLETE)
    mine = sa.tuple_(sa.literal((task.checkpoint or {}).get("order", 0)), sa.literal(task.seq))
    query = sa.select(tasks).where(
        tasks.c.kind.in_(WRITERS),
        sa.tuple_(_ORDER, tasks.c.seq) > mine,
        sa.or_(*(rows > 0 for rows in _WRITTEN)),
        ~_DRY_RUN,
        tasks.c.id.not_in(undone),
    )
    if undoable:
        query = query.where(tasks.c.undo_refused.is_(None))
    newest = query.order_by(_ORDER.desc(), tasks.c.seq.desc()).limit(1)
    row = connection.execute(newest).mappings().first()
    return Task(**row) if row else None


def to_be_undone(connection: Connection) -> set[str]:
    """The ids of the imports whose undo is still to be done."""
    undos = sa.select(UNDO_OF).where(tasks.c.kind == UNDO_IMPORT, tasks.c.status.in_(ACTIVE))
    return set(connection.execute(undos).scalars())


def expire(connection: Connection, *, before: float, limit: int) -> list[int]:
    """The numbers of imports that ended before that time; from now on they cannot be undone."""
    old = (tasks.c.kind.in_(WRITERS), tasks.c.id.not_in(to_be_undone(connection)))
    seqs = [task.seq for task in ended_before(connection, before, limit, *old)]
    mine = tasks.update().where(tasks.c.seq.in_(seqs), tasks.c.undo_refused.is_(None))
    connection.execute(mine.values(undo_refused=EXPIRED))
    return seqs
