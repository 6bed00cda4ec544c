"""The files of a MovieLens release that have no header, and its ratings of every age, which may be large.

Of the tables with a header the readers know the columns (`formats`). https://files.grouplens.org/datasets/movielens/
"""

import re

from app.imports.readers import columns, formats, ratings, reader
from app.imports.readers.lines import LineReader

_COLUMNS = {"user_id": "userId", "movie_id": "movieId", "score": "rating", "rated_at": "timestamp"}
_HEADER = list(_COLUMNS.values())

RATINGS = LineReader("movielens-ratings", reader.RATINGS, _COLUMNS, ratings.lane)
DAT = LineReader(
    "movielens-ratings", reader.RATINGS, _COLUMNS, ratings.lane, fixed=_HEADER, separator=b"::",
    pattern=re.compile(rb"[0-9]+::[0-9]+::[0-9.]+::[0-9]+\r?(?:\n|\Z)"),
)  # fmt: skip
DATA = LineReader(
    "movielens-ratings", reader.RATINGS, _COLUMNS, ratings.lane, fixed=_HEADER, separator=b"\t",
    pattern=re.compile(rb"[0-9]+\t[0-9]+\t[1-5]\t[0-9]+\r?(?:\n|\Z)"),
)  # fmt: skip

_RATINGS = formats.Format("movielens-ratings", reader.RATINGS, frozenset(), {})
_MOVIES = formats.Format("movielens-movies", reader.MOVIES, frozenset(), {})
GENRES = [
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
]
_NO_GENRE = "unknown"
_FLAGS_FROM = 5
_DAT_LINE = re.compile(r"[0-9]+::(?:(?!::).)+::(?:(?!::).)*")
_ITEM_LINE = re.compile(r"[0-9]+\|[^|]*\|[^|]*\|[^|]*\|[^|]*(?:\|[01]){1,19}")
_ROLES = (columns.ID, columns.TITLE, columns.GENRE)


def without_header(line: str) -> tuple[formats.Format, columns.Columns, str] | None:
    """The format, the columns and the separator of a file of a release, from its first line."""
    for separator, known in (("::", DAT), ("\t", DATA)):
        if known.recognises(line.encode()):
            places = {role: place for place, role in enumerate(_COLUMNS)}
            return _RATINGS, columns.Columns(tuple(_HEADER), places), separator
    if _DAT_LINE.fullmatch(line):
        return (
            _MOVIES,
            columns.Columns(("id", "title", "genres"), dict(zip(_ROLES, range(3), strict=True))),
            "::",
        )
    if _ITEM_LINE.fullmatch(line):
        header = ("id", "title", "released", "video", "url", *GENRES[: line.count("|") + 1 - _FLAGS_FROM])
        return _MOVIES, columns.Columns(header, {columns.ID: 0, columns.TITLE: 1}), "|"
    return None


def genres(fields: list[str]) -> str:
    """The genres of a line of `u.item`, a column of 0 and 1 for each."""
    found = [name for name, flag in zip(GENRES, fields[_FLAGS_FROM:], strict=False) if flag == "1"]
    return "|".join(name for name in found if name != _NO_GENRE)
