"""Queries on rows that wait: of a person, whose movie is not there yet."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.errors import NotFound
from app.mark import Mark, Marked, changed
from app.rating import Rating
from app.repository import aliases, marks, merged_movies, movies, personal_images, ratings
from app.repository.personal_images import Image
from app.storage.database import database_of
from app.storage.personal import waiting
from app.storage.schema import ratings as rating_rows

MOST = 100_000
"""Rows of a person that wait at most."""
_BATCH = 500
_KEYS = ("search_key", "second_key", "third_key")


@dataclass(frozen=True, slots=True)
class Waiting:
    """A row whose movie is not there. `work`: what rows of the same work have in common (`Work.key`).

    `candidates`: (movie id, why), best first; `import_seq`: of the import that wrote it last.
    `number` is 0 before it is kept. `search_keys`: by which a movie that comes finds it
    (`app.imports.names.search_keys`), the first ones count; none in a row of an older release.
    """

    user_id: int
    work: str
    title: str
    year: int | None = None
    imdb_id: int | None = None
    tmdb_id: int | None = None
    score: float | None = None
    rated_at: int | None = None
    marks: Mapping[Mark, Marked] = field(default_factory=dict)
    reason: str = ""
    candidates: tuple[tuple[int, str], ...] = ()
    import_seq: int | None = None
    created_at: float = 0.0
    number: int = 0
    search_keys: tuple[str, ...] = ("",)


def put(
    connection: Connection, user_id: int, rows: Iterable[Waiting], *, import_seq: int | None = None
) -> list[Waiting]:
    """Keep a person's rows, one a work: its newest score and marks. Returns those that have no room.

    `import_seq`: of the import that brings them, for whose undo is kept what was there.
    """
    by_work: dict[str, Waiting] = {}
    for row in rows:
        by_work[row.work] = joined(by_work[row.work], row) if row.work in by_work else row
    room, refused = MOST - count(connection, user_id), list[Waiting]()
    given = list(by_work.values())
    for some in (given[at : at + _BATCH] for at in range(0, len(given), _BATCH)):
        known = _of_works(connection, user_id, [row.work for row in some])
        new = [row for row in some if row.work not in known]
        refused += new[max(0, room) :]
        new = new[: max(0, room)]
        room -= len(new)
        if new:
            values = {"user_id": user_id} | ({} if import_seq is None else {"import_seq": import_seq})
            connection.execute(waiting.insert(), [_values(row) | values for row in new])
        images = [Image(user_id, personal_images.WAITING, row.work, None) for row in new]
        for row in some:
            if row.work in known and _replace(connection, known[row.work], row, import_seq):
                images.append(_image(known[row.work], personal_images.WAITING))
        if import_seq is not None:
            personal_images.keep(connection, import_seq, images)
    return refused


def joined(old: Waiting, new: Waiting) -> Waiting:
    """What two rows of one work come to; title, ids and candidates are those of the later one."""
    keeps = old.score is not None and (new.score is None or (old.rated_at or 0) > (new.rated_at or 0))
    score, rated_at = (old.score, old.rated_at) if keeps else (new.score, new.rated_at)
    merged = {**old.marks, **changed(old.marks, new.marks)}
    return replace(new, score=score, rated_at=rated_at, marks=merged)


def _replace(connection: Connection, old: Waiting, new: Waiting, import_seq: int | None) -> bool:
    """Whether the new row changes anything."""
    both = replace(joined(old, new), created_at=old.created_at, import_seq=old.import_seq)
    if _values(both) == _values(old):
        return False
    seq = old.import_seq if import_seq is None else import_seq
    values = _values(both) | {"import_seq": seq}
    connection.execute(waiting.update().where(waiting.c.number == old.number).values(values))
    return True


def _values(row: Waiting) -> dict[str, Any]:
    kept = {mark.value: [state.is_set, state.at] for mark, state in row.marks.items()}
    names = ("work", "title", "year", "imdb_id", "tmdb_id", "score", "rated_at", "reason", "import_seq")
    values = {name: getattr(row, name) for name in (*names, "created_at")} | _keyed(row.search_keys)
    return values | {"marks": kept, "candidates": [list(one) for one in row.candidates]}


def _keyed(keys: Sequence[str]) -> dict[str, str | None]:
    """The first keys in their columns."""
    return dict(zip_longest(_KEYS, keys[: len(_KEYS)]))


def to_json(row: Waiting) -> dict[str, Any]:
    """A row as it can be kept in a file."""
    return _values(row) | {"user_id": row.user_id}


def from_json(data: dict[str, Any]) -> Waiting:
    return _read(data)


def _read(row: Any) -> Waiting:
    values = dict(row)
    keys = [values.pop(name) for name in _KEYS]
    values["search_keys"] = tuple(key for key in keys if key is not None)
    values["marks"] = {Mark(name): Marked(*state) for name, state in row["marks"].items()}
    values["candidates"] = tuple((movie_id, why) for movie_id, why in row["candidates"])
    return Waiting(**values)


def _of_works(connection: Connection, user_id: int, works: list[str]) -> dict[str, Waiting]:
    query = sa.select(waiting).where(waiting.c.user_id == user_id, waiting.c.work.in_(works))
    return {row["work"]: _read(row) for row in connection.execute(query).mappings()}


def count(connection: Connection, user_id: int) -> int:
    """How many rows of a person wait."""
    query = sa.select(sa.func.count()).select_from(waiting).where(waiting.c.user_id == user_id)
    return int(connection.execute(query).scalar_one())


def listing(connection: Connection, user_id: int, *, limit: int, after: int = 0) -> list[Waiting]:
    """A person's rows by number, after that one."""
    query = sa.select(waiting).where(waiting.c.user_id == user_id, waiting.c.number > after)
    rows = connection.execute(query.order_by(waiting.c.number).limit(limit)).mappings()
    found = [_read(row) for row in rows]
    now = merged_movies.among(connection, {one[0] for row in found for one in row.candidates})
    return [_of_merged(row, now) for row in found]


def _of_merged(row: Waiting, now: Mapping[int, int]) -> Waiting:
    """The row with the movies that its candidates are by now."""
    candidates = {now.get(movie_id, movie_id): why for movie_id, why in row.candidates}
    return replace(row, candidates=tuple(candidates.items()))


def get(connection: Connection, user_id: int, number: int) -> Waiting:
    """Raises `NotFound`; another person's row is none."""
    query = sa.select(waiting).where(waiting.c.user_id == user_id, waiting.c.number == number)
    row = connection.execute(query.with_for_update()).mappings().first()
    if row is None:
        raise NotFound(f"No row {number} of user {user_id} waits. GET /users/{user_id}/waiting lists them.")
    return _read(row)


def remove(connection: Connection, user_id: int, number: int) -> None:
    """Raises `NotFound`."""
    get(connection, user_id, number)
    connection.execute(waiting.delete().where(waiting.c.number == number))


def resolve(connection: Connection, user_id: int, number: int, movie_id: int, *, now: float) -> Waiting:
    """Give a row its movie: score and marks become the movie's unless newer ones are there.

    The choice is remembered. Raises `NotFound` for the row or the movie.
    """
    movies.get(connection, movie_id, lock=True)  # as an import: the movie, its ratings, the row
    database_of(connection).join_ratings(connection, user_id)
    row = get(connection, user_id, number)
    rated_at = int(row.created_at) if row.rated_at is None else row.rated_at
    if row.score is not None and not _has_newer(connection, user_id, movie_id, rated_at):
        ratings.put(connection, Rating(user_id, movie_id, row.score, rated_at))
    marks.add(connection, user_id, movie_id, row.marks)
    aliases.remember(connection, user_id, row.work, movie_id, now=now)
    connection.execute(waiting.delete().where(waiting.c.number == number))
    return row


def _has_newer(connection: Connection, user_id: int, movie_id: int, rated_at: int) -> bool:
    mine = rating_rows.c.user_id == user_id, rating_rows.c.movie_id == movie_id
    there = connection.execute(sa.select(rating_rows.c.rated_at).where(*mine)).scalar()
    return there is not None and there > rated_at


def like(
    connection: Connection,
    keys: Collection[str],
    imdb_ids: Collection[int],
    tmdb_ids: Collection[int],
    *,
    limit: int,
    after: int = 0,
) -> list[Waiting]:
    """The next rows of all people, by number, that have one of the search keys or ids."""
    wanted = (
        *((waiting.c[name], keys) for name in _KEYS),
        *((waiting.c.imdb_id, imdb_ids), (waiting.c.tmdb_id, tmdb_ids)),
    )
    queries = [
        sa.select(waiting.c.number).where(column.in_(sorted(values)), waiting.c.number > after)
        for column, values in wanted
        if values
    ]
    if not queries:
        return []
    numbers = sa.union(*queries).subquery()
    page = connection.execute(sa.select(numbers.c.number).order_by(numbers.c.number).limit(limit))
    return _numbered(connection, page.scalars())


def _numbered(connection: Connection, numbers: Iterable[int], *, lock: bool = False) -> list[Waiting]:
    found = list[Waiting]()
    for some in database_of(connection).batches(numbers):
        query = sa.select(waiting).where(waiting.c.number.in_(some)).order_by(waiting.c.number)
        rows = connection.execute(query.with_for_update() if lock else query).mappings()
        found += [_read(row) for row in rows]
    return found


def take(connection: Connection, numbers: Iterable[int], import_seq: int | None) -> list[Waiting]:
    """Delete and return the rows that are there still; of an import it is kept what they were."""
    rows = _numbered(connection, sorted(numbers), lock=True)
    for some in database_of(connection).batches(row.number for row in rows):
        connection.execute(waiting.delete().where(waiting.c.number.in_(some)))
    if import_seq is not None:
        personal_images.keep(connection, import_seq, [_image(row, personal_images.ENDED) for row in rows])
    return rows


def _image(row: Waiting, noun: str) -> Image:
    return Image(row.user_id, noun, row.work, _values(row) | {"number": row.number})


def hold_back(
    connection: Connection, found: Mapping[int, int], reason: str, why: str, import_seq: int
) -> None:
    """Let rows (by number) wait on, since another one has their movie (by id), which they offer then."""
    rows = _numbered(connection, sorted(found), lock=True)
    personal_images.keep(connection, import_seq, [_image(row, personal_images.WAITING) for row in rows])
    for row in rows:
        values = {"reason": reason, "candidates": [[found[row.number], why]], "import_seq": import_seq}
        connection.execute(waiting.update().where(waiting.c.number == row.number).values(values))


def without_key(connection: Connection, limit: int) -> list[Waiting]:
    """Some rows of an older release, which had no search keys."""
    query = sa.select(waiting).where(waiting.c.search_key.is_(None)).limit(limit)
    return [_read(row) for row in connection.execute(query).mappings()]


def put_keys(connection: Connection, keys: Mapping[int, Sequence[str]]) -> None:
    """Give rows (by number) their search keys."""
    for number, some in keys.items():
        connection.execute(waiting.update().where(waiting.c.number == number).values(_keyed(some)))


def any_waits(connection: Connection) -> bool:
    return connection.execute(sa.select(waiting.c.number).limit(1)).first() is not None


def move(connection: Connection, before: int, after: int, import_seq: int, limit: int) -> int:
    """Give up to `limit` of a person's rows to another, of two of a work the newest of each.

    Returns how many; those that find no room stay. What there was is kept for the undo of that number.
    """
    other = waiting.alias()
    double = sa.exists().where(other.c.user_id == after, other.c.work == waiting.c.work)
    query = sa.select(waiting).where(waiting.c.user_id == before)
    first = query.order_by(sa.case((double, 0), else_=1), waiting.c.number).limit(limit)
    rows = [_read(row) for row in connection.execute(first).mappings()]
    refused = {row.work for row in put(connection, after, rows, import_seq=import_seq)}
    moved = [row.number for row in rows if row.work not in refused]
    return len(take(connection, moved, import_seq))
