"""Queries of imports of movies and links: written by id, with what was there before."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.movies import search_key
from app.storage.database import insert_for
from app.storage.schema import catalogue_before_images, links, movies

MOVIE, LINK = "movie", "link"
MADE_HERE = "api"
"""`movies.source` of what was made or changed through the API: no import writes over it."""

_TABLES = {MOVIE: (movies, movies.c.id), LINK: (links, links.c.movie_id)}
_KEPT = {
    MOVIE: ("title", "year", "genre", "source", "search_key", "created_at"),
    LINK: ("imdb_id", "tmdb_id"),
}
_COMPARED = {MOVIE: ("title", "year", "genre"), LINK: ("imdb_id", "tmdb_id")}


@dataclass
class Written:
    """What became of some rows, by id; `kept` ones were left as they are, made through the API."""

    new: list[int] = field(default_factory=list)
    replaced: list[int] = field(default_factory=list)
    unchanged: list[int] = field(default_factory=list)
    duplicate: list[int] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)


def existing(connection: Connection, noun: str, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """The rows of `ids` that are there."""
    table, key = _TABLES[noun]
    rows = connection.execute(sa.select(key.label("key"), table).where(key.in_(ids))).mappings()
    return {row["key"]: {name: row[name] for name in _KEPT[noun]} for row in rows}


def judge(
    connection: Connection, noun: str, rows: dict[int, dict[str, Any]], import_seq: int
) -> tuple[Written, dict[int, dict[str, Any]]]:
    """What would become of `rows`, and those that are there already."""
    there = existing(connection, noun, list(rows))
    again = _imaged(connection, noun, list(rows), import_seq)
    written = Written()
    for key, row in rows.items():
        old = there.get(key)
        if old is None:
            written.new.append(key)
        elif all(old[name] == row[name] for name in _COMPARED[noun]):
            (written.duplicate if key in again else written.unchanged).append(key)
        elif old.get("source") == MADE_HERE:
            written.kept.append(key)
        else:
            (written.duplicate if key in again else written.replaced).append(key)
    return written, there


def write(
    connection: Connection, noun: str, rows: dict[int, dict[str, Any]], import_seq: int, *, now: float
) -> Written:
    """Write rows by id, and what they were before."""
    written, there = judge(connection, noun, rows, import_seq)
    _keep_images(connection, noun, {key: None for key in written.new}, import_seq)
    _keep_images(connection, noun, {key: there[key] for key in written.replaced}, import_seq)
    table, column = _TABLES[noun]
    values = []
    for key in written.new + written.replaced + written.duplicate:
        row = {column.name: key} | rows[key]
        if noun == MOVIE:
            row |= {"source": "import", "search_key": search_key(row["title"]), "created_at": now}
        values.append(row)
    if values:
        statement = insert_for(connection.dialect.name)(table)
        names = [name for name in _KEPT[noun] if name != "created_at"]
        changed = {name: statement.excluded[name] for name in names}
        connection.execute(
            statement.on_conflict_do_update(index_elements=[column.name], set_=changed), values
        )
    return written


def _imaged(connection: Connection, noun: str, ids: Iterable[int], import_seq: int) -> set[int]:
    table = catalogue_before_images.c
    where = (table.import_seq == import_seq, table.noun == noun, table.id.in_(list(ids)))
    return set(connection.execute(sa.select(table.id).where(*where)).scalars())


def _keep_images(
    connection: Connection, noun: str, images: dict[int, dict[str, Any] | None], import_seq: int
) -> None:
    values = [
        {"import_seq": import_seq, "noun": noun, "id": key, "row": image} for key, image in images.items()
    ]
    if values:
        connection.execute(catalogue_before_images.insert(), values)
