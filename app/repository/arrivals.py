"""Queries for movies that come: the rows that wait for them, and the movies made here that are the same."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.mark import Mark, Marked, changed
from app.movie import Movie
from app.rating import STEP, RatingColumns, newest
from app.repository import catalogue, first_raters, imports, marks, moves, movie_merges, plays, waiting
from app.repository.catalogue import IS_MADE
from app.repository.count_changes import changes_of
from app.repository.movies import WHOLE, movie_of
from app.repository.waiting import Waiting
from app.storage.database import database_of
from app.storage.schema import FIRST_OWN_ID, catalogue_before_images, links, movies
from app.storage.schema import ratings as rating_rows


@dataclass(slots=True)
class Taken:
    """A movie made here that an imported one takes over. `raters`: as they were read, outside the write."""

    movie_id: int
    into_id: int
    ratings: int
    raters: list[int] = field(default_factory=list)


def has_made(connection: Connection) -> bool:
    """Whether there is a movie that was made here."""
    return connection.execute(sa.select(movies.c.id).where(IS_MADE).limit(1)).first() is not None


def imported(connection: Connection, ids: Iterable[int]) -> dict[int, Movie]:
    """Those of the ids that are movies, and not made here."""
    return _by_id(connection, ids, ~IS_MADE)


def made_like(
    connection: Connection, names: Collection[str], imdb_ids: Collection[int], tmdb_ids: Collection[int]
) -> dict[int, Movie]:
    """The movies made here that have one of the names, as terms of the index, or one of the ids."""
    database, ids = database_of(connection), set[int]()
    for column, values in ((links.c.imdb_id, imdb_ids), (links.c.tmdb_id, tmdb_ids)):
        query = sa.select(links.c.movie_id).where(links.c.movie_id >= FIRST_OWN_ID)
        for some in database.batches(sorted(values)):
            ids |= set(connection.execute(query.where(column.in_(some))).scalars())
    if names:
        text = database.titles.text_of([[(name,) for name in sorted(names)]])
        query = sa.select(movies.c.id).where(IS_MADE, movies.c.id.in_(database.titles.matching(text)))
        ids |= set(connection.execute(query).scalars())
    return _by_id(connection, ids, IS_MADE)


def _by_id(connection: Connection, ids: Iterable[int], condition: sa.ColumnElement[bool]) -> dict[int, Movie]:
    found: dict[int, Movie] = {}
    for some in database_of(connection).batches(sorted(set(ids))):
        rows = connection.execute(WHOLE.where(movies.c.id.in_(some), condition)).mappings()
        found |= {movie.id: movie for movie in map(movie_of, rows)}
    return found


def imported_with_id(connection: Connection, imdb_id: int | None, tmdb_id: int | None) -> set[int]:
    """The movies not made here that have the IMDb id or the TMDB id."""
    wanted = [
        column == value
        for column, value in ((links.c.imdb_id, imdb_id), (links.c.tmdb_id, tmdb_id))
        if value is not None
    ]
    query = sa.select(movies.c.id).join(links, links.c.movie_id == movies.c.id)
    return set(connection.execute(query.where(sa.or_(*wanted), ~IS_MADE)).scalars()) if wanted else set()


def made_by(connection: Connection, import_seq: int, *, after: int, limit: int) -> list[int]:
    """The next ids of the movies that an import has made for rows that had none."""
    image = catalogue_before_images.c
    mine = image.import_seq == import_seq, image.noun == catalogue.MOVIE, image.id > after
    query = sa.select(image.id).where(*mine, image.id >= FIRST_OWN_ID).order_by(image.id)
    return list(connection.execute(query.limit(limit)).scalars())


def read_raters(connection: Connection, taken: Sequence[Taken]) -> None:
    """Find who has rated the movies: this reads every rating, if any of them is rated."""
    by_id: dict[int, list[int]] = {one.movie_id: [] for one in taken if one.ratings}
    for some in database_of(connection).batches(sorted(by_id)):
        query = sa.select(rating_rows.c.movie_id, rating_rows.c.user_id)
        for movie_id, user_id in connection.execute(query.where(rating_rows.c.movie_id.in_(some))):
            by_id[movie_id].append(user_id)
    for one in taken:
        one.raters = sorted(by_id.get(one.movie_id, ()))


def take_over(connection: Connection, taken: Sequence[Taken], *, import_seq: int) -> list[Taken]:
    """Make movies part of others, whose ratings, marks and ids they get; returns those that were there still.

    The caller calls `movies.note_change`, once for all that it does.
    """
    plays.lock(connection)
    held = _hold(connection, {movie_id for one in taken for movie_id in (one.movie_id, one.into_id)})
    taken = [one for one in taken if one.movie_id in held and one.into_id in held]
    database_of(connection).lock_ratings(connection)
    if stale := [one for one in taken if len(one.raters) != held[one.movie_id]]:
        for one in stale:  # rated since they were read
            one.ratings = held[one.movie_id]
        read_raters(connection, stale)
    for one in taken:
        movie_merges.begin(connection, one.movie_id, one.into_id, import_seq)
        if one.raters:
            moves.move_movie(connection, one.movie_id, one.into_id, one.raters, import_seq)
        movie_merges.close(connection, one.movie_id, one.into_id, import_seq, moved=held[one.movie_id])
    return taken


def _hold(connection: Connection, ids: Iterable[int]) -> dict[int, int]:
    """Movies by id with their number of ratings, locked in one order until the end of the transaction."""
    found: dict[int, int] = {}
    for some in database_of(connection).batches(sorted(ids)):
        query = sa.select(movies.c.id, movies.c.rating_count).where(movies.c.id.in_(some))
        rows = connection.execute(query.order_by(movies.c.id).with_for_update()).all()
        found |= {row.id: row.rating_count for row in rows}
    return found


def end_waiting(
    connection: Connection, found: Mapping[int, int], *, import_seq: int | None = None
) -> list[Waiting]:
    """Give waiting rows (by number) their movies (by id): the movie gets score and marks, unless it has newer
    ones. Returns the rows that have ended.

    `import_seq`: of the import that brought the movies, for whose undo is kept what was there. The caller
    holds nothing, or has called `lock_ratings`.
    """
    known = marks.hold_movies(connection, found.values())
    database_of(connection).lock_ratings(connection)
    rows = [row for row in waiting.take(connection, found, import_seq) if found[row.number] in known]
    _write_scores(connection, [(row, found[row.number]) for row in rows if row.score is not None], import_seq)
    given: dict[tuple[int, int], dict[Mark, Marked]] = {}
    for row in rows:
        states = given.setdefault((row.user_id, found[row.number]), {})
        states |= changed(states, row.marks)
    if import_seq is not None:
        marks.add_many(connection, given, import_seq=import_seq)
    else:
        for (user_id, movie_id), wanted in given.items():
            marks.add(connection, user_id, movie_id, wanted)
    return rows


def _write_scores(
    connection: Connection, rows: Sequence[tuple[Waiting, int]], import_seq: int | None
) -> None:
    if not rows:
        return
    values = [
        (
            row.user_id,
            movie_id,
            round((row.score or 0) / STEP),
            int(row.created_at) if row.rated_at is None else row.rated_at,
        )
        for row, movie_id in rows
    ]
    users, ids, steps, times = np.array(values, np.int64).T
    given, _ = newest(RatingColumns(users, ids, steps.astype(np.uint8), times))
    written, replaced = moves.meet(connection, given, import_seq)
    changes = changes_of([written], [replaced])
    if import_seq is None:
        imports.apply_counts(connection, changes)
        first_raters.add(connection, written)
    else:
        imports.change_counts(connection, changes)
