"""Which column of a table is what: by names in seven languages, in any order and case, or as is said."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.errors import Invalid

USER, MOVIE, IMDB, TMDB = "user_id", "movie_id", "imdb_id", "tmdb_id"
TITLE, ORIGINAL, YEAR, RELEASED, TYPE = "title", "original_title", "year", "released", "type"
SCORE, AT, ID, GENRE = "score", "rated_at", "id", "genre"
ROLES = (USER, MOVIE, IMDB, TMDB, TITLE, ORIGINAL, YEAR, RELEASED, TYPE, SCORE, AT)
"""What a column of a table can be."""

# Names as `key` makes them. Of several tiers the first that a header has counts; two columns of one tier
# are for the caller to choose from. English, German, French, Spanish, Italian, Portuguese, Dutch, and some
# names that sites of other languages write.
_NAMES: dict[str, tuple[str, ...]] = {
    USER: (
        "userid",
        "benutzerid utilisateurid idutilisateur usuarioid idusuario utenteid idutente gebruikerid",
    ),
    MOVIE: ("movieid",),
    IMDB: ("imdbid const tconst imdbtitleid imdb imdburl imdblink",),
    TMDB: ("tmdbid themoviedbid tmdb tmdbmovieid",),
    TITLE: (
        "title titel titre titulo titolo movietitle filmtitle filmtitel primarytitle titlename 标题 片名",
        "movie film filmname moviename pelicula filme titredufilm 电影",
        "name nom nombre nome naam",
    ),
    ORIGINAL: (
        "originaltitle originaltitel titreoriginal titulooriginal titolooriginale originaletitel "
        "oorspronkelijketitel",
        "originalname nameeng englishtitle originalmovietitle",
    ),
    YEAR: (
        "year jahr annee ano anio anno jaar 年份",
        "releaseyear yearreleased erscheinungsjahr produktionsjahr anneedesortie anneedeproduction "
        "anodelancamento annodiuscita jaarvanuitgave",
    ),
    RELEASED: (
        "releasedate released erscheinungsdatum datedesortie fechadeestreno datadiuscita datadelancamento "
        "releasedatum",
    ),
    TYPE: ("titletype mediatype contenttype", "type typ tipo"),
    SCORE: (
        "rating10 yourrating myrating yourscore myscore yourated meinebewertung manote minota mipuntuacion "
        "ilmiovoto miovoto minhanota mijnbeoordeling 我的评分",
        "rating score stars note bewertung wertung punkte sterne etoiles puntuacion calificacion valoracion "
        "nota estrellas voto valutazione punteggio stelle avaliacao classificacao pontuacao estrelas "
        "beoordeling waardering cijfer sterren 评分",
        "userrating userscore grade points rate evaluation",
    ),
    AT: (
        "ratedat daterated ratedon ratingdate timestamp bewertetam datedenote fechadevaloracion datavoto "
        "beoordeeldop",
        "watcheddate watchedat watchedon datewatched lastwatchedat gesehenam datedevisionnage "
        "fechadevisionado vistoil vistoem gezienop",
        "date datum fecha data 日期",
        "created createdat added dateadded time",
    ),
}
_TIERS = {role: [frozenset(tier.split()) for tier in tiers] for role, tiers in _NAMES.items()}
_BOOKS = {"isbn", "isbn10", "isbn13", "bookid", "booktitle", "bookrating", "goodreadsbookid"}
LONGEST_CHOICE = 1000


def key(name: str) -> str:
    """A name in the form in which names are compared: letters and digits, without case and accents."""
    decomposed = unicodedata.normalize("NFKD", name.casefold())
    return "".join(c for c in decomposed if c.isalnum() and not unicodedata.combining(c))


@dataclass(frozen=True, slots=True)
class Columns:
    """`header`: the names in the file; `places`: which of them, from 0, has which role."""

    header: tuple[str, ...]
    places: dict[str, int]

    def name(self, role: str) -> str:
        """What the file calls a column."""
        return (
            self.header[self.places[role]] or f"column {self.places[role] + 1}"
            if role in self.places
            else role
        )

    @property
    def left_out(self) -> list[str]:
        """Columns that are not read; those at the end that have no name may be empty all the way down."""
        taken = set(self.places.values())
        last = max((n for n, name in enumerate(self.header) if name), default=-1)
        return [
            name or f"column {n + 1}" for n, name in enumerate(self.header) if n not in taken and n <= last
        ]


def are_of_books(header: Iterable[str]) -> bool:
    return any(key(name) in _BOOKS for name in header)


def recognise(header: Sequence[str], chosen: dict[str, int]) -> Columns:
    """The columns of a header. `chosen`: what the caller has said. Raises `Ambiguous`."""
    keys = [key(name) for name in header]
    places = dict(chosen)
    for role, tiers in _TIERS.items():
        if role in places:
            continue
        for tier in tiers:
            found = [n for n, name in enumerate(keys) if name in tier and n not in chosen.values()]
            if len(found) > 1:
                raise Ambiguous(role, [f"{header[n]} (column {n + 1})" for n in found])
            if found:
                places[role] = found[0]
                break
    if MOVIE in places and MOVIE not in chosen and USER not in places and {TITLE, IMDB, TMDB} & places.keys():
        del places[MOVIE]  # in one person's list it is the number that some other site gives the movie
    if MOVIE in places:
        for role in (IMDB, TMDB, TITLE, ORIGINAL, YEAR, RELEASED, TYPE):
            if role not in chosen:
                places.pop(role, None)
    return Columns(tuple(header), places)


class Ambiguous(Exception):
    """Two columns could have one role: (role, the columns)."""


def refuse_ambiguous(name: str, error: Ambiguous) -> Invalid:
    role, found = error.args
    return Invalid(
        f"{name} has several columns that could be its {role}: {', '.join(found)}. Say which: "
        f"POST /imports?columns={role}:NAME, with the column's name or its number.",
        errors=[{"detail": f"which column is the {role}?", "parameter": "columns", "candidates": found}],
    )


def choice(text: str, header: Sequence[str]) -> dict[str, int]:
    """What a caller says of columns: "title:Name,score:3", by names or numbers from 1. Raises `Invalid`."""
    found: dict[str, int] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        role, _, name = (piece.strip() for piece in part.partition(":"))
        place = _place(name, header)
        if role not in ROLES or place is None:
            what = f"no role {role!r}" if role not in ROLES else f"no column {name!r}"
            raise Invalid(
                f"?columns={text[:200]} cannot be followed: there is {what}. Roles are {', '.join(ROLES)}; "
                f"the columns are {', '.join(filter(None, header))}. Write role:column, separated by commas.",
                errors=[{"detail": what, "parameter": "columns", "candidates": list(filter(None, header))}],
            )
        found[role] = place
    return found


def _place(name: str, header: Sequence[str]) -> int | None:
    for form in (str, key):
        same = [n for n, other in enumerate(header) if form(other) == form(name) and form(name)]
        if len(same) == 1:
            return same[0]
    if re.fullmatch("[0-9]{1,4}", name, re.ASCII) and 1 <= int(name) <= len(header):
        return int(name) - 1
    return None
