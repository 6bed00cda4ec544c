"""Queries of imports of movies and links, which are written by id; what was there before is kept."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.movie import keys
from app.repository import merged_movies, title_index
from app.repository import movies as movies_here
from app.storage.database import database_of
from app.storage.schema import FIRST_OWN_ID, catalogue_before_images, links, movies

MOVIE, LINK = "movie", "link"
MADE_HERE = "api"
"""`movies.source` of a movie that was made or changed through the API: no import writes over it."""
MADE = "made"
"""`movies.source` of a movie that was made of a row of a person's file."""

IS_MADE = sa.and_(movies.c.id >= FIRST_OWN_ID, movies.c.source.in_((MADE, MADE_HERE)))
"""Of a movie: it was made here, by a person's file or through the API."""

_TABLES = {MOVIE: (movies, movies.c.id), LINK: (links, links.c.movie_id)}
_KEPT = {
    MOVIE: ("title", "year", "genre", "source", "created_at"),
    LINK: ("imdb_id", "tmdb_id"),
}
_COMPARED = {MOVIE: ("title", "year", "genre"), LINK: ("imdb_id", "tmdb_id")}


@dataclass
class Written:
    """The ids of some rows, by what became of them. `kept`: left, since they were made or merged here."""

    new: list[int] = field(default_factory=list)
    replaced: list[int] = field(default_factory=list)
    unchanged: list[int] = field(default_factory=list)
    duplicate: list[int] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)


def existing(connection: Connection, noun: str, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """The rows of `ids` that exist."""
    table, key = _TABLES[noun]
    return {
        row["key"]: {name: row[name] for name in _KEPT[noun]}
        for some in database_of(connection).batches(ids)
        for row in connection.execute(sa.select(key.label("key"), table).where(key.in_(some))).mappings()
    }


def judge(connection: Connection, noun: str, rows: dict[int, dict[str, Any]], import_seq: int) -> Written:
    """What `write` would make of `rows`."""
    return _judge(connection, noun, rows, existing(connection, noun, list(rows)), import_seq)


def write(
    connection: Connection, noun: str, rows: dict[int, dict[str, Any]], import_seq: int, *, now: float
) -> Written:
    """Write rows by id, and keep what was there before for the import's undo."""
    there = existing(connection, noun, list(rows))
    written = _judge(connection, noun, rows, there, import_seq)
    _keep_images(connection, noun, {key: there[key] for key in written.replaced}, import_seq)
    origin = {"source": "import", "created_at": now} if noun == MOVIE else {}
    changed = written.new + written.replaced + written.duplicate
    put(connection, noun, {key: rows[key] | origin for key in changed})
    _note_new(connection, noun, written.new, import_seq)
    return written


def put(connection: Connection, noun: str, rows: dict[int, dict[str, Any]]) -> None:
    """Write rows by id over whatever is there, except `created_at`."""
    table, column = _TABLES[noun]
    if rows:
        values = [{column.name: key} | _whole(noun, row) for key, row in rows.items()]
        changed = values[0].keys() - {column.name, "created_at"}
        connection.execute(database_of(connection).upsert(table, *sorted(changed)), values)
        if noun == MOVIE:
            title_index.put(connection, {row["id"]: (row["title"], row["search_key"]) for row in values})


def _whole(noun: str, row: dict[str, Any]) -> dict[str, Any]:
    return row | keys(row["title"], row["genre"]) if noun == MOVIE else row


def _judge(
    connection: Connection,
    noun: str,
    rows: dict[int, dict[str, Any]],
    there: dict[int, dict[str, Any]],
    import_seq: int,
) -> Written:
    again = _imaged(connection, noun, list(rows), import_seq)
    written, merged = Written(), merged_movies.among(connection, list(rows))
    for key, row in rows.items():
        old = there.get(key)
        if old is None and key in merged:
            written.kept.append(key)
        elif old is None:  # if it is in `again`, it was deleted after this import had written it
            (written.duplicate if key in again else written.new).append(key)
        elif all(old[name] == row[name] for name in _COMPARED[noun]):
            (written.duplicate if key in again else written.unchanged).append(key)
        elif old.get("source") == MADE_HERE:
            written.kept.append(key)
        else:
            (written.duplicate if key in again else written.replaced).append(key)
    return written


def _imaged(connection: Connection, noun: str, ids: Iterable[int], import_seq: int) -> set[int]:
    table = catalogue_before_images.c
    mine = sa.select(table.id).where(table.import_seq == import_seq, table.noun == noun)
    return {
        key
        for some in database_of(connection).batches(ids)
        for key in connection.execute(mine.where(table.id.in_(some))).scalars()
    }


def _keep_images(
    connection: Connection, noun: str, images: dict[int, dict[str, Any]], import_seq: int
) -> None:
    values = [
        {"import_seq": import_seq, "noun": noun, "id": key, "row": image} for key, image in images.items()
    ]
    if values:
        connection.execute(catalogue_before_images.insert(), values)


def _note_new(connection: Connection, noun: str, ids: Sequence[int], import_seq: int) -> None:
    """Keep that nothing was there before these rows, without sending a row for each: an import has many."""
    _, column = _TABLES[noun]
    image = catalogue_before_images
    constants = (sa.literal(import_seq, image.c.import_seq.type), sa.literal(noun), column)
    nothing = sa.literal(None, image.c.row.type)
    for some in database_of(connection).batches(ids):
        rows = sa.select(*constants, nothing).where(column.in_(some))
        connection.execute(image.insert().from_select(["import_seq", "noun", "id", "row"], rows))


def take_images(connection: Connection, import_seq: int, limit: int) -> tuple[str, dict[int, Any]] | None:
    """Delete and return up to `limit` before-images of an import, of one noun: (noun, row or None by id)."""
    image = catalogue_before_images.c
    mine = sa.select(image.noun, image.id, image.row).where(image.import_seq == import_seq)
    rows = connection.execute(mine.order_by(image.noun, image.id).limit(limit)).all()
    if not rows:
        return None
    noun = rows[0].noun
    images = {row.id: row.row for row in rows if row.noun == noun}
    mine_of_noun = (image.import_seq == import_seq, image.noun == noun)
    for some in database_of(connection).batches(images):
        connection.execute(catalogue_before_images.delete().where(*mine_of_noun, image.id.in_(some)))
    return noun, images


def make(connection: Connection, rows: Sequence[dict[str, Any]], import_seq: int, *, now: float) -> list[int]:
    """Make movies of title, year and ids elsewhere that an import brings; returns their ids, in order."""
    ids = [
        movies_here.create(connection, row["title"], row["year"], None, now=now, source=MADE).id
        for row in rows
    ]
    _note_new(connection, MOVIE, ids, import_seq)
    links = {
        movie_id: {name: row[name] for name in _KEPT[LINK]}
        for movie_id, row in zip(ids, rows, strict=True)
        if row["imdb_id"] is not None or row["tmdb_id"] is not None
    }
    if links:
        write(connection, LINK, links, import_seq, now=now)
    return ids


def delete_link(connection: Connection, movie_id: int) -> None:
    connection.execute(links.delete().where(links.c.movie_id == movie_id))


def titles(connection: Connection, *, made_here: bool = True) -> Iterable[tuple[int, str, int | None]]:
    """(id, title, year) of every movie, streamed; perhaps without those that were made here."""
    query = sa.select(movies.c.id, movies.c.title, movies.c.year)
    if not made_here:
        query = query.where(~IS_MADE)
    rows = connection.execution_options(yield_per=10_000).execute(query)
    return ((row[0], row[1], row[2]) for row in rows)


def imdb_ids(connection: Connection) -> dict[int, int]:
    """Movie ids by the number of their IMDb id."""
    query = sa.select(links.c.imdb_id, links.c.movie_id).where(links.c.imdb_id.is_not(None))
    return {row[0]: row[1] for row in connection.execute(query.order_by(links.c.movie_id.desc()))}


def tmdb_ids(connection: Connection) -> dict[int, int]:
    """Movie ids by TMDB id."""
    query = sa.select(links.c.tmdb_id, links.c.movie_id).where(links.c.tmdb_id.is_not(None))
    return {row[0]: row[1] for row in connection.execute(query.order_by(links.c.movie_id.desc()))}
