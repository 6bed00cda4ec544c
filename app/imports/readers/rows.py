"""The records of a table as rows: ratings, marks, movies or links; what is no good is rejected by itself."""

from collections.abc import Callable, Sequence
from typing import Any

from app.errors import Invalid
from app.imports.readers import (
    catalogue,
    columns,
    fields,
    formats,
    movielens,
    movies,
    reader,
    scales,
    sorting,
    times,
)
from app.imports.readers.fields import BadField
from app.imports.readers.records import Record
from app.imports.rejects import Reject

Read = Callable[[Sequence[Record]], reader.Batch]


def batch(layout: formats.Layout, rows: str, assumed: dict[str, Any], context: reader.Context) -> Read:
    """What reads some records of a table that is laid out so. Raises `Invalid` if it lacks whose they are."""
    if rows in (reader.MOVIES, reader.LINKS):
        return _Catalogue(layout, rows, context).batch
    return _Ratings(layout, rows, assumed, context).batch


def whose(name: str) -> Invalid:
    """A file that does not say whose it is, and whose caller did not either."""
    return Invalid(
        f"A file of {name} holds one person's ratings. Say whose: POST /imports?user_id=7.",
        errors=[{"detail": "whose ratings the file holds is missing", "parameter": "user_id"}],
    )


class _Catalogue:
    def __init__(self, layout: formats.Layout, rows: str, context: reader.Context) -> None:
        names, self._places = layout.columns, dict(layout.columns.places)
        self._flags = rows == reader.MOVIES and columns.GENRE not in names.places
        if rows == reader.LINKS:
            self._read = catalogue.links(names, context)
        else:
            self._read = catalogue.movies(names, context, ours=layout.format.name == "movies")

    def batch(self, some: Sequence[Record]) -> reader.Batch:
        good, rejects = list[tuple[Any, ...]](), list[Reject]()
        for line, parts, bad in some:
            try:
                if bad:
                    raise bad
                text = {role: parts[place] for role, place in self._places.items()}
                if self._flags:
                    text[columns.GENRE] = movielens.genres(parts)
                good.append((line, *self._read(text)))
            except BadField as error:
                rejects.append(Reject(line, *error.args))
        return reader.Batch(good, rejects, len(some))


class _Ratings:
    def __init__(
        self, layout: formats.Layout, rows: str, assumed: dict[str, Any], context: reader.Context
    ) -> None:
        self._format, self._names, self._start = layout.format, layout.columns, context.start
        self._places = dict(layout.columns.places)
        self._scale = scales.named(assumed["scale"]) if "scale" in assumed else None
        self._order, self._user, self._only_marks = (
            assumed.get("dates"),
            context.user_id,
            rows == reader.MARKS,
        )
        if self._user is None and columns.USER not in self._places:
            raise whose(layout.format.name)
        self._finder = movies.Finder(context, layout.columns)

    def batch(self, some: Sequence[Record]) -> reader.Batch:
        rows, rejects = sorting.Sorting(self._finder, self._start), list[Reject]()
        for line, parts, bad in some:
            try:
                if bad:
                    raise bad
                self._take(line, {role: parts[place] for role, place in self._places.items()}, rows)
            except BadField as error:
                rejects.append(Reject(line, *error.args))
        return rows.batch(rejects, len(some))

    def _take(self, line: int, text: formats.Texts, rows: sorting.Sorting) -> None:
        """Add a row to what it is. Raises `BadField`."""
        text = self._format.adapt(text) if self._format.adapt else text
        score = "" if self._only_marks else text.get(columns.SCORE, "")
        steps, mark = None, text.get(formats.WHAT) or self._format.mark
        if score or not mark:
            name = self._names.name(columns.SCORE)
            steps = self._scale.half_steps(name, score) if self._scale else fields.half_steps(name, score)
        at = self._at(text)
        user_id = self._user
        if columns.USER in self._places:
            user_id = fields.integer(self._names.name(columns.USER), text[columns.USER])
        if user_id is None:
            raise whose(self._format.name)
        is_set = text.get(formats.IS_SET) != "0"
        rows.add(sorting.Said(line, user_id, steps, mark, at, is_set), text)

    def _at(self, text: formats.Texts) -> int | None:
        for role in (columns.AT, formats.LOGGED):
            if found := text.get(role):
                return times.epoch(self._names.name(role), found, self._start, self._order)
        return None
