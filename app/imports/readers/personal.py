"""Files of one user's ratings, whose movies are found by title and year, or by IMDb id."""

import re
from collections.abc import Callable

from app.errors import Invalid
from app.imports.matching import Matcher
from app.imports.readers import fields, lines, ratings, reader

DAY = 86_400
"""Seconds by which a date may lie ahead: where the user is, the day may have begun."""
NOT_FOUND = "no movie of that title and year is known"
_IMDB = re.compile(r"tt([0-9]{1,12})", re.ASCII)


def lane(half_steps: Callable[[str, str], int]) -> lines.MakeLane:
    """What makes the lane of such a file. `half_steps` reads a score, given the column; raises `BadField`."""

    def make(source: lines.LineReader, header: list[str], context: reader.Context, _size: int) -> lines.Lane:
        user_id, start, names = context.user_id, context.start, source.columns
        if user_id is None:
            raise Invalid(
                f"Files of {source.name} are one user's. Say whose: add ?user_id=... to the request."
            )
        place = {name: header.index(text) for name, text in names.items() if text in header}
        titles, imdb_ids = context.titles()
        matcher = Matcher(map(tuple, titles), dict(imdb_ids))

        def parse(line: bytes) -> ratings.Row:
            row = fields.split(line, len(header))
            text = {name: row[index] for name, index in place.items()}
            score = half_steps(names["score"], text["score"])
            at = fields.epoch(names["rated_at"], text["rated_at"], start + DAY)
            year = int(text["year"]) if re.fullmatch("[0-9]{4}", text["year"]) else None
            imdb = _IMDB.fullmatch(text.get("imdb_id", ""))
            movie_id = matcher.find(text["title"], year, int(imdb[1]) if imdb else None)
            if movie_id is None:
                raise fields.BadField(names["title"], f"{text['title']} ({text['year']})", NOT_FOUND)
            return user_id, movie_id, score, None if at is None else min(at, start)

        return ratings.lane_by(parse, names["title"], context.known_movies, start)

    return make
