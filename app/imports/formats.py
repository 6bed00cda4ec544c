"""The formats of an import, recognised by their header line."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from app.errors import Damaged, Invalid
from app.imports.files import Member, members

HEAD = 65_536
"""Bytes that are read to recognise a file; no header is longer."""

RATINGS, MOVIES, LINKS = "ratings", "movies", "links"
_ORDER = (MOVIES, LINKS, RATINGS)


@dataclass(frozen=True, slots=True)
class Format:
    """One kind of CSV file. `columns` maps our names of the columns to those in its header.

    `optional` ones may lack. `loose` formats may have further columns, which are not read. `personal`
    formats are one user's: whose, the caller says.
    """

    name: str
    rows: str
    columns: dict[str, str]
    optional: tuple[str, ...] = ()
    loose: bool = False
    personal: bool = False
    catalogue_titles: bool = False
    """Titles are written "Matrix, The (1999)"."""
    out_of_ten: bool = False
    """Scores are whole numbers from 1 to 10."""
    escaped: bool = False
    """Texts carry the apostrophe that our export puts before what a spreadsheet would take for a formula."""

    def fits(self, header: list[str]) -> bool:
        names = set(header)
        needed = {text for name, text in self.columns.items() if name not in self.optional}
        known = set(self.columns.values())
        return needed <= names and len(names) == len(header) and (self.loose or names <= known)


FORMATS = (
    Format(
        "ratings",
        RATINGS,
        {"user_id": "user_id", "movie_id": "movie_id", "score": "score", "rated_at": "rated_at"},
        optional=("rated_at",),
    ),
    Format("movies", MOVIES, {"id": "id", "title": "title", "year": "year", "genre": "genre"}, escaped=True),
    Format(
        "movielens-ratings",
        RATINGS,
        {"user_id": "userId", "movie_id": "movieId", "score": "rating", "rated_at": "timestamp"},
    ),
    Format(
        "movielens-movies",
        MOVIES,
        {"id": "movieId", "title": "title", "genre": "genres"},
        catalogue_titles=True,
    ),
    Format("movielens-links", LINKS, {"id": "movieId", "imdb_id": "imdbId", "tmdb_id": "tmdbId"}),
    Format(
        "letterboxd-ratings",
        RATINGS,
        {"rated_at": "Date", "title": "Name", "year": "Year", "uri": "Letterboxd URI", "score": "Rating"},
        personal=True,
    ),
    Format(
        "imdb-ratings",
        RATINGS,
        {
            "imdb_id": "Const",
            "score": "Your Rating",
            "rated_at": "Date Rated",
            "title": "Title",
            "year": "Year",
        },
        loose=True,
        personal=True,
        out_of_ten=True,
    ),
)

EXPECTED = (
    "Expected one of these header lines: user_id,movie_id,score,rated_at (rated_at may lack) or "
    "id,title,year,genre, or a ratings.csv, movies.csv or links.csv of MovieLens or a ratings export of "
    "Letterboxd or IMDb, as it is."
)


def recognise(header: bytes, name: str) -> tuple[Format, list[str]]:
    """The format of a file from its first bytes, and the names in its header.

    Raises `Invalid` that says what is expected instead.
    """
    if not header.strip(b"\r\n\t \0\xef\xbb\xbf"):
        raise Invalid(f"{name} is empty. {EXPECTED}")
    if header[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in header[:4]:
        raise Invalid(f"{name} is encoded in UTF-16 or UTF-32. Save it as UTF-8 and send it again.")
    line = header.removeprefix(b"\xef\xbb\xbf").split(b"\n", 1)[0].removesuffix(b"\r")
    if b"\r" in line:
        raise Invalid(f"{name} ends its lines with CR alone. Save it with LF or CRLF line ends.")
    text = line.decode("utf-8", "replace")
    names = [part.strip().strip('"') for part in text.split(",")]
    for known in FORMATS:
        if known.fits(names):
            return known, names
    raise Invalid(f"{name} begins with {_shown(text)}, which is no header that we know. {EXPECTED}")


def _shown(text: str) -> str:
    return repr(text if len(text) <= 100 else text[:100] + "...")


class Recognised(NamedTuple):
    """A CSV file of an upload with its format and the names in its header."""

    member: Member
    format: Format
    header: list[str]


def recognise_all(path: Path, filename: str) -> tuple[list[Recognised], list[str]]:
    """The files of an upload in the order in which they are imported, and the names of those left out.

    Raises `Invalid` for what cannot be imported, `TooLarge` for what is out of all proportion unpacked.
    """
    found, left_out, refusal = [], [], None
    filename = filename or "The file"  # begins a sentence of every refusal
    for member in members(path, filename):
        try:
            with member.open() as source:
                found.append(Recognised(member, *recognise(source.stream.read(HEAD), member.name)))
        except Damaged:
            raise
        except Invalid as error:
            left_out.append(member.name)
            refusal = error
    if refusal and not found:
        raise refusal
    for rows in _ORDER:
        same = [one.member.name for one in found if one.format.rows == rows]
        if len(same) > 1:
            raise Invalid(
                f"{filename} holds {len(same)} files of {rows}: {', '.join(same)}. Send one at a time."
            )
    return sorted(found, key=lambda one: _ORDER.index(one.format.rows)), left_out


def check(path: Path, filename: str) -> str:
    """The name of the format of an upload, from its head (also inside .gz and .zip).

    Of a zip with several files it is that of the ratings. Raises `Invalid`, `TooLarge`.
    """
    return recognise_all(path, filename)[0][-1].format.name


def is_personal(name: str) -> bool:
    """Whether files of that format are one user's ratings, so that the caller has to say whose."""
    return any(known.name == name and known.personal for known in FORMATS)
