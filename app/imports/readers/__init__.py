"""Readers, one a source: the first bytes of a file say which of them reads it."""

from pathlib import Path
from typing import NamedTuple

from app.errors import Damaged, Invalid
from app.imports import files
from app.imports.readers import imdb, letterboxd, movielens, native, reader
from app.imports.readers.lines import first_line

HEAD = 65_536
"""Bytes that are read to recognise a file; no header is longer."""

_ORDER = (reader.MOVIES, reader.LINKS, reader.RATINGS)

READERS: list[reader.Reader] = [
    native.RATINGS,
    native.MOVIES,
    movielens.RATINGS,
    movielens.MOVIES,
    movielens.LINKS,
    letterboxd.RATINGS,
    imdb.RATINGS,
]
"""Every reader; the first one that recognises a file reads it. A new source is a line here."""

EXPECTED = (
    "Expected one of these header lines: user_id,movie_id,score,rated_at (rated_at may lack) or "
    "id,title,year,genre, or a ratings.csv, movies.csv or links.csv of MovieLens or a ratings export of "
    "Letterboxd or IMDb, as it is."
)


def recognise(head: bytes, name: str) -> reader.Reader:
    """The reader of a file, from its first bytes. Raises `Invalid` that says what is expected instead."""
    if not head.strip(b"\r\n\t \0\xef\xbb\xbf"):
        raise Invalid(f"{name} is empty. {EXPECTED}")
    if head[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in head[:4]:
        raise Invalid(f"{name} is encoded in UTF-16 or UTF-32. Save it as UTF-8 and send it again.")
    line = first_line(head)
    if b"\r" in line:
        raise Invalid(f"{name} ends its lines with CR alone. Save it with LF or CRLF line ends.")
    for known in READERS:
        if known.recognises(head):
            return known
    text = line.decode("utf-8", "replace")
    shown = repr(text if len(text) <= 100 else text[:100] + "...")
    raise Invalid(f"{name} begins with {shown}, which is no header that we know. {EXPECTED}")


class Recognised(NamedTuple):
    """A file of an upload and its reader."""

    member: files.Member
    reader: reader.Reader


def recognise_all(path: Path, filename: str) -> tuple[list[Recognised], list[str]]:
    """The files of an upload in the order in which they are imported, and the names of those left out.

    Raises `Invalid` for what cannot be imported, `TooLarge` for what is out of all proportion unpacked.
    """
    found, left_out, refusal = [], [], None
    filename = filename or "The file"  # begins a sentence of every refusal
    for member in files.members(path, filename):
        try:
            with member.open() as source:
                found.append(Recognised(member, recognise(source.stream.read(HEAD), member.name)))
        except Damaged:
            raise
        except Invalid as error:
            left_out.append(member.name)
            refusal = error
    if refusal and not found:
        raise refusal
    for rows in _ORDER:
        same = [one.member.name for one in found if one.reader.rows == rows]
        if len(same) > 1:
            raise Invalid(
                f"{filename} holds {len(same)} files of {rows}: {', '.join(same)}. Send one at a time."
            )
    return sorted(found, key=lambda one: _ORDER.index(one.reader.rows)), left_out


def check(path: Path, filename: str) -> reader.Reader:
    """The reader of an upload, from its head (also inside .gz and .zip).

    Of a zip with several files it is that of the ratings. Raises `Invalid`, `TooLarge`.
    """
    return recognise_all(path, filename)[0][-1].reader
