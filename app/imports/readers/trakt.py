"""Trakt's export: arrays of JSON objects, one file each of ratings, history and watchlist.

They are read object by object, in bounded memory however long the file is. https://trakt.docs.apiary.io
"""

import codecs
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from app.errors import Invalid
from app.imports import files
from app.imports.readers import columns, movies, reader, rows, scales, sorting, times
from app.imports.readers.fields import BadField
from app.imports.rejects import Reject
from app.titles import trimmed

CHUNK = 65_536
LONGEST_OBJECT = 1 << 20
"""Letters. No movie has as many."""
BATCH = 2_000
OBJECT = 'an object that tells a movie: {"rated_at": ..., "rating": ..., "type": "movie", "movie": {...}}'
_TIMES = {
    "rated_at": "",
    "last_watched_at": reader.WATCHED,
    "watched_at": reader.WATCHED,
    "listed_at": reader.WATCHLIST,
}
"""Which time an object has says what it is."""
_BLANK = re.compile(r"[\s,]*")
_ROLES = (columns.TITLE, columns.YEAR, columns.IMDB, columns.TMDB, columns.TYPE)
_NAMES = columns.Columns(("movie.title", "movie.year", "movie.ids.imdb", "movie.ids.tmdb", "type"), {
    role: place for place, role in enumerate(_ROLES)
})  # fmt: skip


def is_json(head: bytes) -> bool:
    return head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"[", b"{")


def recognise(head: bytes, name: str) -> "Json":
    """The reader of a JSON file, by the first object in it. Raises `Invalid`."""
    text = codecs.getincrementaldecoder("utf-8-sig")("replace").decode(head)
    first = next(_objects(iter([text]), name), None)
    if isinstance(first, dict):
        kind = str(first.get("type", "movie"))
        if movies.another_work(kind) or not isinstance(first.get("movie"), dict):
            raise Invalid(f"{name} holds {kind[:40]}s of Trakt, and no movies.")
        for key, mark in _TIMES.items():
            if key in first:
                named = f"trakt-{mark or 'ratings'}"
                return Json(name, named, reader.MARKS if mark else reader.RATINGS, key, mark)
    raise Invalid(f"{name} is JSON, but no export of Trakt: a list of {OBJECT} is expected.")


@dataclass(frozen=True, slots=True)
class Json:
    """A reader of one file. `time`: the key of an object's time; `mark`: what it says, "" for a rating."""

    file: str
    name: str
    rows: str
    time: str
    mark: str
    personal: bool = True

    def recognises(self, _head: bytes) -> bool:
        """It is made for one file, and asked about no other."""
        return False

    def read(self, source: files.Source, context: reader.Context) -> Iterator[reader.Batch]:
        if context.user_id is None:
            raise rows.whose(self.name)
        finder, read = movies.Finder(context, _NAMES), 0
        found, rejects = sorting.Sorting(finder, context.start), list[Reject]()
        for line, item in enumerate(_objects(_texts(source), self.file), 1):
            read += 1
            try:
                self._take(line, item, context.user_id, found)
            except BadField as bad:
                rejects.append(Reject(line, *bad.args))
            if read == BATCH:
                yield found.batch(rejects, read)
                found, rejects, read = sorting.Sorting(finder, context.start), [], 0
        yield found.batch(rejects, read)

    def _take(self, line: int, item: Any, user_id: int, found: sorting.Sorting) -> None:
        """Add an object to what it is. Raises `BadField`."""
        if not isinstance(item, dict) or not isinstance(item.get("movie"), dict):
            kind = _text(item, "type") if isinstance(item, dict) else ""
            reason = f"{movies.OTHER_WORK} ({kind})" if movies.another_work(kind) else f"not {OBJECT}"
            raise BadField("", json.dumps(item)[:200], reason)
        at = times.epoch(self.time, _text(item, self.time), found.start)
        steps = None if self.mark else scales.TEN.half_steps("rating", _text(item, "rating"))
        found.add(sorting.Said(line, user_id, steps, self.mark, at), _film(item))


def _film(item: Mapping[str, Any]) -> dict[str, str]:
    movie = item["movie"]
    ids = movie.get("ids") if isinstance(movie.get("ids"), dict) else {}
    return {
        columns.TITLE: _text(movie, "title"), columns.YEAR: _text(movie, "year"),
        columns.IMDB: _text(ids, "imdb"), columns.TMDB: _text(ids, "tmdb"),
        columns.TYPE: _text(item, "type"),
    }  # fmt: skip


def _text(item: Mapping[str, Any], key: str) -> str:
    """A value as text, "" for none and for what is neither text nor number."""
    value = item.get(key)
    known = isinstance(value, str | int | float) and not isinstance(value, bool)
    return trimmed(str(value)[:500]) if known else ""


def _texts(source: files.Source) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
    while data := source.stream.read(CHUNK):
        yield decoder.decode(data)


def _objects(texts: Iterator[str], name: str) -> Iterator[Any]:
    """The members of the one array that is there. Raises `Invalid` where it is damaged."""
    decoder, number = json.JSONDecoder(), 0
    buffer = next(texts, "").lstrip()
    if not buffer.startswith("["):
        raise Invalid(f"{name} is JSON, but no export of Trakt: a list of {OBJECT} is expected.")
    place = 1
    while True:
        place = _after_blank(buffer, place)
        if place < len(buffer) and buffer[place] == "]":
            return
        try:
            item, end = decoder.raw_decode(buffer, place)
            if end == len(buffer):
                raise json.JSONDecodeError("it may go on", buffer, end)
        except (json.JSONDecodeError, RecursionError, ValueError) as error:
            more = next(texts, None)
            if more is None or isinstance(error, RecursionError) or len(buffer) - place > LONGEST_OBJECT:
                raise Invalid(
                    f"{name} is damaged: object {number + 1} cannot be read. Export it again."
                ) from None
            buffer, place = buffer[place:] + more, 0
            continue
        number += 1
        yield item
        place = end
        if place > CHUNK:
            buffer, place = buffer[place:], 0


def _after_blank(buffer: str, place: int) -> int:
    match = _BLANK.match(buffer, place)
    return match.end() if match else place
