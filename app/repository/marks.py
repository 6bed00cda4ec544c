"""Queries on marks: what a person says of a movie beside a score."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.mark import HIDING, Mark, Marked, changed
from app.movie import Movie
from app.repository import movies as movie_queries
from app.repository import personal_images
from app.repository.personal_images import Image
from app.storage.bulk import execute_many
from app.storage.database import database_of
from app.storage.personal import marks
from app.storage.prepared import Prepared
from app.storage.schema import movies


@dataclass(frozen=True, slots=True)
class MarkedMovie:
    """A movie and what a person marked it as, each with its time."""

    movie: Movie
    marks: dict[Mark, Marked]


@dataclass(frozen=True, slots=True)
class UserMarks:
    """The set marks of a person. `hidden`: ids not to be recommended; `liked`: id to time."""

    hidden: frozenset[int] = frozenset()
    liked: Mapping[int, int] = field(default_factory=dict)
    watchlist: frozenset[int] = frozenset()


def of_movie(connection: Connection, user_id: int, movie_id: int) -> dict[Mark, Marked]:
    """A person's marks of a movie, those that were taken away too."""
    mine = marks.c.user_id == user_id, marks.c.movie_id == movie_id
    query = sa.select(marks.c.mark, marks.c.is_set, marks.c.marked_at).where(*mine)
    return {Mark(row.mark): Marked(row.is_set, row.marked_at) for row in connection.execute(query)}


def set_marks(
    connection: Connection, user_id: int, movie_id: int, wanted: Mapping[Mark, bool], *, now: int
) -> dict[Mark, Marked]:
    """Change the marks that are named, over whatever is there; returns all. Raises `NotFound`."""
    movie_queries.get(connection, movie_id, lock=True)  # so that none deletes it meanwhile
    before = of_movie(connection, user_id, movie_id)
    # What a person says stands, whatever the clock.
    latest = max((now, *(state.at for state in before.values())))
    given = {mark: Marked(is_set, latest) for mark, is_set in wanted.items()}
    return before | _write(connection, user_id, movie_id, before, given)


def add(
    connection: Connection,
    user_id: int,
    movie_id: int,
    given: Mapping[Mark, Marked],
    *,
    import_seq: int | None = None,
) -> dict[Mark, Marked]:
    """Write marks with times of their own, of which the newer one wins; returns those that changed."""
    before = of_movie(connection, user_id, movie_id)
    return _write(connection, user_id, movie_id, before, given, import_seq)


def _write(
    connection: Connection,
    user_id: int,
    movie_id: int,
    before: Mapping[Mark, Marked],
    given: Mapping[Mark, Marked],
    import_seq: int | None = None,
) -> dict[Mark, Marked]:
    written = changed(before, given)
    if written:
        key: dict[str, Any] = {"user_id": user_id, "movie_id": movie_id, "import_seq": import_seq}
        rows: list[dict[str, Any]] = [
            key | {"mark": mark.value, "is_set": state.is_set, "marked_at": state.at}
            for mark, state in written.items()
        ]
        upsert = database_of(connection).upsert(marks, "is_set", "marked_at", "import_seq")
        connection.execute(upsert, rows)
    return written


def add_many(
    connection: Connection, given: Mapping[tuple[int, int], Mapping[Mark, Marked]], *, import_seq: int
) -> int:
    """Write marks by (user, movie) as `add` does, and keep what was there for the undo of the import.

    Returns how many changed.
    """
    before = _of_pairs(connection, given)
    images, rows = list[Image](), list[dict[str, Any]]()
    for (user_id, movie_id), wanted in given.items():
        was = before.get((user_id, movie_id), {})
        states = {Mark(name): Marked(row["is_set"], row["marked_at"]) for name, row in was.items()}
        for mark, state in changed(states, wanted).items():
            images.append(Image(user_id, personal_images.MARK, f"{movie_id}:{mark}", was.get(mark)))
            key = {"user_id": user_id, "movie_id": movie_id, "mark": mark.value, "import_seq": import_seq}
            rows.append(key | {"is_set": state.is_set, "marked_at": state.at})
    if rows:
        personal_images.keep(connection, import_seq, images)
        upsert = database_of(connection).upsert(marks, "is_set", "marked_at", "import_seq")
        execute_many(connection, upsert, {name: [row[name] for row in rows] for name in rows[0]})
    return len(rows)


def marked(connection: Connection, movie_id: int) -> bool:
    """Whether there is a mark of a movie."""
    query = sa.select(marks.c.mark).where(marks.c.movie_id == movie_id, marks.c.is_set).limit(1)
    return connection.execute(query).first() is not None


def hold_movies(connection: Connection, movie_ids: Iterable[int]) -> set[int]:
    """Those of the ids that are movies, which none can delete until the end of the transaction."""
    found: set[int] = set()
    for some in database_of(connection).batches(sorted(set(movie_ids))):
        query = sa.select(movies.c.id).where(movies.c.id.in_(some)).order_by(movies.c.id)
        found |= set(connection.execute(query.with_for_update(read=True, key_share=True)).scalars())
    return found


def _of_pairs(
    connection: Connection, pairs: Iterable[tuple[int, int]]
) -> dict[tuple[int, int], dict[str, Any]]:
    """The rows of marks by (user, movie) and mark, those that were taken away too."""
    by_user: dict[int, list[int]] = {}
    for user_id, movie_id in pairs:
        by_user.setdefault(user_id, []).append(movie_id)
    found: dict[tuple[int, int], dict[str, Any]] = {}
    for user_id, movie_ids in by_user.items():
        for some in database_of(connection).batches(movie_ids):
            query = sa.select(marks).where(marks.c.user_id == user_id, marks.c.movie_id.in_(some))
            for row in connection.execute(query).mappings():
                found.setdefault((user_id, row["movie_id"]), {})[row["mark"]] = dict(row)
    return found


_OF_USER = Prepared(
    sa.select(marks.c.movie_id, marks.c.mark, marks.c.marked_at).where(
        marks.c.user_id == sa.bindparam("user"), marks.c.is_set
    )
)


def ask_of(connection: Connection, user_id: int) -> Callable[[], UserMarks]:
    """Ask what recommendations need of a person's marks; the function returned reads the result."""
    cursor = _OF_USER.run(connection, user=user_id)
    return lambda: _of_user(cursor.fetchall())


def _of_user(rows: Iterable[tuple[int, str, int]]) -> UserMarks:
    hidden, liked, watchlist = set(), {}, set()
    for movie_id, mark, at in rows:
        if mark in HIDING:
            hidden.add(movie_id)
        elif mark == Mark.LIKE:
            liked[movie_id] = at
        else:
            watchlist.add(movie_id)
    return UserMarks(frozenset(hidden), liked, frozenset(watchlist))


def listing(
    connection: Connection,
    user_id: int,
    *,
    limit: int,
    after: int = -1,
    mark: Mark | None = None,
    movie_id: int | None = None,
) -> list[MarkedMovie]:
    """The movies that a person marked, by id; with `mark` those that have it, with `movie_id` that one."""
    mine = [marks.c.user_id == user_id, marks.c.is_set]
    ids = sa.select(marks.c.movie_id).where(*mine, marks.c.movie_id > after)
    if movie_id is not None:
        ids = ids.where(marks.c.movie_id == movie_id)
    if mark is not None:
        ids = ids.where(marks.c.mark == mark.value)
    page = connection.execute(ids.distinct().order_by(marks.c.movie_id).limit(limit)).scalars().all()
    whole = movie_queries.by_ids(connection, page)
    found = {movie_id: MarkedMovie(whole[movie_id], {}) for movie_id in page}
    for row in connection.execute(sa.select(marks).where(*mine, marks.c.movie_id.in_(page))):
        found[row.movie_id].marks[Mark(row.mark)] = Marked(row.is_set, row.marked_at)
    return list(found.values())


def move(connection: Connection, before: int, after: int, import_seq: int, limit: int) -> int:
    """Give up to `limit` of a person's marks to another, of two the newer one; returns how many there were.

    What there was is kept for the undo of that number.
    """
    theirs = sa.select(marks).where(marks.c.user_id == before)
    rows = connection.execute(theirs.order_by(marks.c.movie_id, marks.c.mark).limit(limit)).mappings().all()
    given: dict[tuple[int, int], dict[Mark, Marked]] = {}
    images = list[Image]()
    for row in rows:
        states = given.setdefault((after, row["movie_id"]), {})
        states[Mark(row["mark"])] = Marked(row["is_set"], row["marked_at"])
        images.append(Image(before, personal_images.MOVED, f"{row['movie_id']}:{row['mark']}", dict(row)))
    if rows:
        personal_images.keep(connection, import_seq, images)
        add_many(connection, given, import_seq=import_seq)
        last = sa.tuple_(sa.literal(rows[-1]["movie_id"]), sa.literal(rows[-1]["mark"]))
        key = sa.tuple_(marks.c.movie_id, marks.c.mark)
        connection.execute(marks.delete().where(marks.c.user_id == before, key <= last))
    return len(rows)
