"""What the kinds of merges have in common, and the kind that makes one movie of two."""

from dataclasses import dataclass

from sqlalchemy.engine import Connection

from app.errors import Conflict
from app.imports.kinds import has_begun, noun
from app.repository import import_order
from app.repository.import_order import MERGE_MOVIES, MERGE_USERS
from app.repository.moves import Source
from app.task import CANCELLED, CANCELLING, COMPLETE, Task
from app.tasks.kinds import RATINGS, Kind, Shown, later


@dataclass(frozen=True, slots=True)
class MergeMoviesParams:
    """The movie `from_movie_id` becomes part of `movie_id`."""

    movie_id: int
    from_movie_id: int


def source_of(task: Task) -> Source | None:
    """Whose ratings a task takes away: a merge, or an import that has taken movies over."""
    params, figures = task.params, (task.checkpoint or {}).get("figures", {})
    if task.kind == MERGE_USERS:
        return Source("user_id", params["from_id"], params["user_id"])
    if task.kind == MERGE_MOVIES:
        return Source("movie_id", params["from_movie_id"], params["movie_id"])
    return Source("movie_id") if figures.get("taken_over") else None


def check(connection: Connection, task: Task) -> None:
    """Raises `Conflict` with the reason if the database has changed so that the merge cannot go on."""
    for undo in import_order.undos_of(connection, task.id):
        if undo.status == COMPLETE or has_begun(undo) or not undo.ended:
            raise Conflict(f"Merge {task.id} was undone, or is being undone. Start another one.")
    if has_begun(task) and (newer := import_order.newest_after(connection, task)):
        raise Conflict(f"{noun(newer)} {newer.id} has written since. Undo that one first, then this merge.")


def shown(task: Task) -> Shown:
    figures = (task.checkpoint or {}).get("figures", {})
    rows = int(sum(figures.get(name, 0) for name in ("new", "replaced", "deleted")))
    left = "Cancelled before anything was written."
    if has_begun(task):
        left = f"Cancelled after {rows:,} ratings were merged. POST /tasks/{task.id}/undo takes them back."
    return Shown(written=rows, left_behind=left if task.status == CANCELLED else None)


def _join(connection: Connection, params: MergeMoviesParams) -> Task | None:
    """The same merge, if it waits or runs. Raises `Conflict` for one that is in the way."""
    for task in import_order.active(connection):
        if task.kind != MERGE_MOVIES:
            continue
        other = MERGED_MOVIES.params_of(task)
        if other == params and task.status != CANCELLING:
            return task
        if other.from_movie_id in (params.movie_id, params.from_movie_id):
            raise Conflict(
                f"Movie {other.from_movie_id} is being merged into movie {other.movie_id} by task {task.id}. "
                "Wait for its end, or cancel it."
            )
    return None


MERGED_MOVIES: Kind[MergeMoviesParams] = Kind(
    MERGE_MOVIES,
    MergeMoviesParams,
    later("app.imports.merge_movies", "run"),
    RATINGS,
    join=_join,
    check=check,
    aliases={"from_movie_id": "from"},
    has_begun=has_begun,
    shown=shown,
)
