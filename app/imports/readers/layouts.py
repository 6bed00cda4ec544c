"""How a table is laid out, from its first bytes: encoding, separator, and which column is what."""

import re
from typing import NamedTuple

from app.errors import Invalid
from app.imports.readers import columns, encodings, formats, movielens, reader, records, refused
from app.imports.readers.formats import Layout
from app.imports.readers.tables import Table

_SEP = re.compile(r"\"?sep=(.)\"?\s*", re.IGNORECASE)
_SEPARATORS = (",", ";", "\t", "|")
_SHOWN = 30
"""Columns that a refusal names."""
TABLE = formats.Format("table", reader.RATINGS, frozenset(), {})


class _Header(NamedTuple):
    names: list[str]
    separator: str
    skip: int


def recognise(head: bytes, name: str, options: reader.Options, expected: str) -> Table:
    """The reader of a table. Raises `Invalid` that says what is missing, and names the columns there are."""
    charset = encodings.declared(options.charset)
    text = encodings.decoded(head, encodings.of_head(head, charset))
    first, _, rest = text.partition("\n")
    if "\r" in first.removesuffix("\r"):
        raise Invalid(f"{name} ends its lines with CR alone. Save it with LF or CRLF line ends.")
    if found := movielens.without_header(first.rstrip("\r")):
        return Table(name, Layout(*found, skip=0, quoted=False), options)
    headers = _headers(first.rstrip("\r"), rest.partition("\n")[0].rstrip("\r"))
    layouts = list[Layout]()
    ambiguous = None
    for header in headers:
        if columns.are_of_books(header.names):
            refused.refuse_books(name)
        try:
            if (layout := _layout(header, name, options)) is not None:
                layouts.append(layout)
        except columns.Ambiguous as error:
            ambiguous = ambiguous or error
    if layouts:
        return Table(name, max(layouts, key=lambda layout: len(layout.columns.places)), options)
    if ambiguous:
        raise columns.refuse_ambiguous(name, ambiguous)
    raise _unknown(name, first, max(headers, key=lambda header: len(header.names)), expected)


def _headers(first: str, second: str) -> list[_Header]:
    """What the first line is by each separator; a spreadsheet may say which in a line of its own."""
    if match := _SEP.fullmatch(first):
        return [_Header(_names(second, match[1]), match[1], 2)]
    return [_Header(_names(first, separator), separator, 1) for separator in _SEPARATORS]


def _names(line: str, separator: str) -> list[str]:
    fields = records.split(line, records.Shape(separator, 0, 0)) or line.split(separator)
    return [field.strip().strip('"').strip() for field in fields]


def _layout(header: _Header, name: str, options: reader.Options) -> Layout | None:
    """None for a header that lacks what tells the movie, or its score. Raises `Ambiguous`."""
    known = [(one, one.fit(header.names, name)) for one in formats.FORMATS]
    for one, found in known:
        if found and not options.columns:
            return Layout(one, found, header.separator, header.skip)
    if len(header.names) < 2:
        return None
    chosen = _chosen(header, options)
    if chosen is None:
        return None
    found = columns.recognise(header.names, chosen)
    films = {columns.MOVIE, columns.IMDB, columns.TMDB, columns.TITLE} & found.places.keys()
    if not films or columns.SCORE not in found.places:
        return None
    return Layout(TABLE, found, header.separator, header.skip)


def _chosen(header: _Header, options: reader.Options) -> dict[str, int] | None:
    return columns.choice(options.columns, header.names) if options.columns else {}


def _unknown(name: str, first: str, header: _Header, expected: str) -> Invalid:
    if formats.is_list_of_letterboxd(header.names):
        return Invalid(
            f"{name} lists movies of Letterboxd; what it says of them only its name tells. Send it under its "
            "own: watched.csv, watchlist.csv or films.csv (likes), as a form's file or with X-Filename."
        )
    shown = repr(first if len(first) <= 100 else first[:100] + "...")
    names = [field for field in header.names if field][:_SHOWN]
    return Invalid(
        f"{name} begins with {shown}, which is no header that we know. {expected} Or say which column is "
        "what, by name or number: POST /imports?columns=title:1,year:2,score:3.",
        errors=[
            {
                "detail": "which columns are the movie and its score?",
                "parameter": "columns",
                "candidates": names,
            }
        ],
    )
