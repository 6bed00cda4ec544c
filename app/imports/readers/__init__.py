"""Readers, one a source: the first bytes of a file say which of them reads it."""

import re
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from app.errors import Damaged, Invalid
from app.imports import files
from app.imports.readers import formats, layouts, movielens, native, reader, refused, survey, trakt
from app.imports.readers.reader import Options
from app.imports.readers.tables import HEAD, Table

NOTHING_SAID = Options()
_ORDER = (reader.MOVIES, reader.LINKS, reader.MARKS, reader.RATINGS)

READERS: list[reader.Reader] = [native.RATINGS, movielens.RATINGS, movielens.DAT, movielens.DATA]
"""Readers that take a file line by line as it comes; what none of them recognises may be a table or JSON."""

EXPECTED = (
    "Expected a table with a column that tells the movie (an IMDb or TMDB id, or a title, with the year) and "
    "one with the score; or user_id,movie_id,score,rated_at (rated_at may lack) or id,title,year,genre; or a "
    "file of MovieLens, Letterboxd, IMDb, Trakt or Netflix, as it is."
)
_LEFT_OUT = {"deleted", "orphaned", "lists"}
"""Folders of an export of Letterboxd whose movies are not among those that its owner sees as rated."""
_DECIMAL_COMMA = re.compile(rb'"[0-9],[05]"')
"""A score as spreadsheets of many languages write it; that it was read so stands in the report of a table."""
_SCORES = [formats.LETTERBOXD, formats.DIARY, formats.REVIEWS]
"""Of these files of one export the first that is there has the scores, and the others only marks."""


def recognise(head: bytes, name: str, options: Options = NOTHING_SAID) -> reader.Reader:
    """The reader of a file, from its first bytes. Raises `Invalid` that says what is expected instead."""
    if not head.strip(b"\r\n\t \0\xef\xbb\xbf\xff\xfe"):
        raise Invalid(f"{name} is empty. {EXPECTED}")
    if head[:4] in (b"\xff\xfe\0\0", b"\0\0\xfe\xff"):
        raise Invalid(f"{name} is encoded in UTF-32. Save it as UTF-8 and send it again.")
    refused.refuse(head, name)
    if not (options.columns or options.scale or _DECIMAL_COMMA.search(head)):
        for known in READERS:
            if known.recognises(head):
                return known
    if trakt.is_json(head):
        return trakt.recognise(head, name)
    return layouts.recognise(head, name, options, EXPECTED)


class Recognised(NamedTuple):
    """A file of an upload and its reader."""

    member: files.Member
    reader: reader.Reader


def recognise_all(
    path: Path, filename: str, options: Options = NOTHING_SAID
) -> tuple[list[Recognised], list[str]]:
    """The files of an upload in the order in which they are imported, and the names of those left out.

    Raises `Invalid` for what cannot be imported, `TooLarge` for what is out of all proportion unpacked.
    """
    found, left_out, refusal = list[Recognised](), list[str](), None
    filename = filename or "The file"  # begins a sentence of every refusal
    survey.check(options)
    members, unread = files.contents(path, filename)
    for member in members:
        if len(members) > 1 and _is_left_out(member.name):
            left_out.append(member.name)
            continue
        try:
            with member.open() as source:
                found.append(Recognised(member, recognise(source.stream.read(HEAD), member.name, options)))
        except Damaged:
            raise
        except Invalid as error:
            left_out.append(member.name)
            refusal = error
    if refusal and not found:
        raise refusal
    found = _with_one_of_scores(found)
    for rows in (reader.MOVIES, reader.LINKS, reader.RATINGS):
        same = [one.member.name for one in found if one.reader.rows == rows]
        if len(same) > 1:
            raise Invalid(
                f"{filename} holds {len(same)} files of {rows}: {', '.join(same)}. Send one at a time."
            )
    return sorted(found, key=lambda one: _ORDER.index(one.reader.rows)), left_out + unread


def _is_left_out(name: str) -> bool:
    folders = PurePosixPath(name.replace("\\", "/")).parts[:-1]
    return bool(_LEFT_OUT & {folder.lower() for folder in folders})


def _with_one_of_scores(found: list[Recognised]) -> list[Recognised]:
    """An export's diary repeats what its ratings say, without the later changes."""
    names = [one.reader.name for one in found]
    first = next((name for name in _SCORES if name in names), None)
    return [
        Recognised(member, replace(read, only_marks=True))
        if isinstance(read, Table) and read.name in _SCORES and read.name != first
        else Recognised(member, read)
        for member, read in found
    ]


def as_table(file: Recognised, options: Options) -> Recognised:
    """The same file, to be read as any table is: judged as a whole first."""
    with file.member.open() as source:
        head = source.stream.read(HEAD)
    return Recognised(file.member, layouts.recognise(head, file.member.name, options, EXPECTED))


def check(path: Path, filename: str, options: Options = NOTHING_SAID) -> reader.Reader:
    """The reader of an upload, from its head (also inside .gz and .zip).

    Of a zip with several files it is that of the ratings. Raises `Invalid`, `TooLarge`.
    """
    return recognise_all(path, filename, options)[0][-1].reader
