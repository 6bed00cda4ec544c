"""Files of movies and of links: a line each, by itself."""

from collections.abc import Callable
from typing import Any

from app.imports.readers import fields, lines, reader
from app.imports.readers.ratings import UNKNOWN_MOVIE
from app.imports.rejects import Reject
from app.movie import LONGEST_GENRE, LONGEST_TITLE

Row = dict[str, str]
"""The fields of a line by the names in the header."""


def movies(
    title_and_year: Callable[[str, Row], tuple[str, int | None]], text: Callable[[str], str] = str
) -> lines.MakeLane:
    """What makes the lane of a file of movies. `text`: a text as it was before it came to that file."""

    def make(source: lines.LineReader, header: list[str], context: reader.Context, _size: int) -> lines.Lane:
        key, name, genre_name = (source.columns[column] for column in ("id", "title", "genre"))

        def read(row: Row) -> tuple[Any, ...]:
            movie_id = fields.integer(key, row[key])
            title = fields.text(name, text(row[name]), LONGEST_TITLE)
            genre = fields.text(genre_name, text(row[genre_name]), LONGEST_GENRE)
            if not title:
                raise fields.BadField(name, "", "missing")
            title, year = title_and_year(title, row)
            context.known_movies.add(movie_id)
            return movie_id, title, year, None if genre in ("", "(no genres listed)") else genre

        return _lane(header, read)

    return make


def links(source: lines.LineReader, header: list[str], context: reader.Context, _size: int) -> lines.Lane:
    """The lane of a file of links."""
    key, *others = (source.columns[name] for name in ("id", "imdb_id", "tmdb_id"))

    def read(row: Row) -> tuple[Any, ...]:
        movie_id = fields.integer(key, row[key])
        if movie_id not in context.known_movies:
            raise fields.BadField(key, row[key], UNKNOWN_MOVIE)
        return movie_id, *(fields.integer(name, row[name]) if row[name] else None for name in others)

    return _lane(header, read)


def _lane(header: list[str], read: Callable[[Row], tuple[Any, ...]]) -> lines.Lane:
    def lane(block: bytes, first: int) -> reader.Batch:
        good, rejects, found = list[tuple[Any, ...]](), list[Reject](), lines.split(block)
        for number, line in enumerate(found, first):
            try:
                row = dict(zip(header, fields.split(line, len(header)), strict=True))
                good.append((number, *read(row)))
            except fields.BadField as bad:
                rejects.append(Reject(number, *bad.args))
        return reader.Batch(good, rejects, len(found))

    return lane
