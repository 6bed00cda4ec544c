"""Recommendations as other programs read them: Radarr, feed readers, the list import of Letterboxd."""

import csv
import io
import re
from collections.abc import Iterable
from typing import Any
from xml.sax.saxutils import escape as escaped

from app.imports.spreadsheets import escape
from app.movie import Movie

_NO_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no character for (section 2.2)."""


def radarr(movies: Iterable[Movie]) -> list[dict[str, Any]]:
    """A custom list of Radarr: the movies with an IMDb or TMDB id.

    Its list of the kind "StevenLu Custom" reads `imdb_id`, its "Custom Lists" `id`, which is that of TMDB.
    """
    shown = []
    for movie in movies:
        ids: dict[str, Any] = {}
        if movie.imdb_id is not None:
            ids["imdb_id"] = movie.imdb_id
        if movie.tmdb_id is not None:
            ids |= {"id": movie.tmdb_id, "tmdb_id": movie.tmdb_id}
        if ids:
            shown.append({"title": movie.title, "year": movie.year} | ids)
    return shown


def rss(movies: Iterable[Movie]) -> str:
    """RSS 2.0; an item links to IMDb, or to TMDB, if it has an id there."""
    items = "".join(map(_item, movies))
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<rss version="2.0"><channel><title>Matinee</title>'
        "<link>https://www.imdb.com/</link><description>Recommended movies</description>"
        f"{items}</channel></rss>\n"
    )


def _item(movie: Movie) -> str:
    title = movie.title if movie.year is None else f"{movie.title} ({movie.year})"
    link = ""
    if movie.imdb_id is not None:
        link = f"<link>https://www.imdb.com/title/{movie.imdb_id}/</link>"
    elif movie.tmdb_id is not None:
        link = f"<link>https://www.themoviedb.org/movie/{movie.tmdb_id}</link>"
    text = escaped(_NO_XML.sub("\N{REPLACEMENT CHARACTER}", title))
    return f'\n<item><title>{text}</title>{link}<guid isPermaLink="false">matinee:{movie.id}</guid></item>'


def letterboxd(movies: Iterable[Movie]) -> str:
    """What the list import of Letterboxd takes (https://letterboxd.com/about/importing-data/)."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("Title", "Year", "imdbID", "tmdbID"))
    for movie in movies:
        writer.writerow((escape(movie.title), movie.year, movie.imdb_id, movie.tmdb_id))
    return text.getvalue()
