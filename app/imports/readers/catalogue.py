"""Tables of movies and of links: a record each, by itself."""

from collections.abc import Callable, Mapping
from typing import Any

from app.imports.readers import columns, fields, reader
from app.imports.readers.ratings import UNKNOWN_MOVIE
from app.imports.spreadsheets import unescape
from app.movie import LONGEST_GENRE, LONGEST_TITLE
from app.titles import split_title

Texts = Mapping[str, str]
"""The fields of a record by role."""
Read = Callable[[Texts], tuple[Any, ...]]
"""What a record comes to, after its line: (id, title, year, genre) or (movie id, IMDb id, TMDB id)."""
NO_GENRES = ("", "(no genres listed)")


def movies(names: columns.Columns, context: reader.Context, *, ours: bool) -> Read:
    """What reads a movie. `ours`: as the export writes it, else as MovieLens does: "Matrix, The (1999)"."""
    key, name, genre_name = (names.name(role) for role in (columns.ID, columns.TITLE, columns.GENRE))
    unescaped = unescape if ours else str

    def read(text: Texts) -> tuple[Any, ...]:
        movie_id = fields.integer(key, text[columns.ID])
        title = fields.text(name, unescaped(text[columns.TITLE]), LONGEST_TITLE)
        genre = fields.text(genre_name, unescaped(text[columns.GENRE]), LONGEST_GENRE)
        if not title:
            raise fields.BadField(name, "", "missing")
        if ours:
            year = fields.year(names.name(columns.YEAR), text[columns.YEAR])
        else:
            title, year = split_title(title)
        context.known_movies.add(movie_id)
        return movie_id, title, year, None if genre in NO_GENRES else genre

    return read


def links(names: columns.Columns, context: reader.Context) -> Read:
    """What reads a link."""
    key = names.name(columns.ID)

    def read(text: Texts) -> tuple[Any, ...]:
        movie_id = fields.integer(key, text[columns.ID])
        if movie_id not in context.known_movies:
            raise fields.BadField(key, text[columns.ID], UNKNOWN_MOVIE)
        others = (columns.IMDB, columns.TMDB)
        return movie_id, *(fields.integer(names.name(r), text[r]) if text[r] else None for r in others)

    return read
