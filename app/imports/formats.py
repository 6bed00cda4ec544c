"""The formats of an import, recognised by their header line."""

from dataclasses import dataclass
from pathlib import Path

from app.errors import Invalid
from app.imports.files import Member, members

HEAD = 65_536
"""Bytes that are read to recognise a file; no header is longer."""

RATINGS, MOVIES, LINKS = "ratings", "movies", "links"


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
)

EXPECTED = (
    "Expected one of these header lines: user_id,movie_id,score,rated_at (rated_at may lack) or "
    "id,title,year,genre, or a MovieLens ratings.csv, movies.csv or links.csv as it is."
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


def recognise_member(member: Member) -> tuple[Format, list[str]]:
    with member.open() as source:
        return recognise(source.stream.read(HEAD), member.name)


def check(path: Path, filename: str) -> str:
    """The name of the format of an upload, from its head (also inside .gz and .zip).

    Raises `Invalid` for what cannot be imported, `TooLarge` for what is out of all proportion unpacked.
    """
    found = [recognise_member(member)[0] for member in members(path, filename)]
    return found[0].name
