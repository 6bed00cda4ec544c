"""Files of ratings: a strict lane judges each line by itself, a compiled one takes the clean ones at once."""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence

import numpy as np

from app.arrays import Integers
from app.imports.readers import fields, lines, reader, times
from app.imports.rejects import Reject
from app.rating import RatingColumns

UNKNOWN_MOVIE = "unknown movie"

Row = tuple[int, int, int, int | None]
"""(user id, movie id, score in half steps, time); None where the file has no time."""
Parse = Callable[[bytes], Row]
"""Reads one line; raises `BadField`."""


def lane(source: lines.LineReader, header: list[str], context: reader.Context, size: int) -> lines.Lane:
    """The lane of a file with a column each of users, movies, scores and, maybe, times."""
    make = fast_lane if size >= context.sizes.compiled_from else strict_lane
    return make(source.columns, header, context.known_movies, context.start)


def strict_lane(
    columns: Mapping[str, str], header: list[str], known_movies: Container[int], start: int
) -> lines.Lane:
    """Reads every line by itself."""
    return lane_by(_parser(columns, header, start), columns["movie_id"], known_movies, start)


def lane_by(parse: Parse, column: str, known_movies: Container[int], start: int) -> lines.Lane:
    """Reads every line by a function. `column`: the header's name for what tells the movie."""

    def read(block: bytes, first: int) -> reader.Batch:
        found = lines.split(block)
        good, _, bad = _read(enumerate(found, first), parse, known_movies, column, start)
        return reader.Batch(good, bad, len(found))

    return read


def fast_lane(
    columns: Mapping[str, str], header: list[str], known_movies: set[int], start: int
) -> lines.Lane:
    """Reads clean lines at once and every other one by itself: it takes what the strict lane takes."""
    from app.imports.readers import fast

    parse, column = _parser(columns, header, start), columns["movie_id"]
    scanner = fast.Scanner(columns, header, np.array(sorted(known_movies), np.int64), start)

    def others(block: bytes, first: int, scan: fast.Scan) -> Iterator[tuple[int, bytes]]:
        for line, begin, end in scan.others.tolist():
            yield first + line, block[begin:end]

    def read(block: bytes, first: int) -> reader.Batch:
        scan = scanner.scan(block)
        if not len(scan.others):
            return reader.Batch(scan.ratings, [], scan.total)
        slow, numbers, bad = _read(others(block, first, scan), parse, known_movies, column, start)
        good = _in_order(scan.ratings, scan.lines + first, slow, numbers) if len(slow) else scan.ratings
        return reader.Batch(good, bad, scan.total)

    return read


def _in_order(a: RatingColumns, a_lines: Integers, b: RatingColumns, b_lines: Integers) -> RatingColumns:
    """The rows of both by line: of equally late ratings the later line has to stay the later one."""
    return RatingColumns.joined((a, b)).take(np.argsort(np.concatenate((a_lines, b_lines))))


def _parser(columns: Mapping[str, str], header: list[str], start: int) -> Parse:
    place = {name: header.index(text) for name, text in columns.items() if text in header}
    user, movie, score = (columns[name] for name in ("user_id", "movie_id", "score"))
    user_at, movie_at, score_at = place["user_id"], place["movie_id"], place["score"]
    time_at, time = place.get("rated_at"), columns.get("rated_at", "")
    count = len(header)

    def parse(line: bytes) -> Row:
        row = fields.split(line, count)
        rated_at = None if time_at is None else times.epoch(time, row[time_at], start)
        return (
            fields.integer(user, row[user_at]),
            fields.integer(movie, row[movie_at]),
            fields.half_steps(score, row[score_at]),
            rated_at,
        )

    return parse


def _read(
    numbered: Iterable[tuple[int, bytes]], parse: Parse, known: Container[int], column: str, start: int
) -> tuple[RatingColumns, Integers, list[Reject]]:
    """The good rows of some (number, line) with their line numbers, and the rejected ones."""
    good: list[tuple[int, int, int, int, bool, int]] = []
    rejects = []
    for number, line in numbered:
        try:
            user_id, movie_id, score, rated_at = parse(line)
            if movie_id not in known:
                raise fields.BadField(column, str(movie_id), UNKNOWN_MOVIE)
        except fields.BadField as bad:
            rejects.append(Reject(number, *bad.args))
            continue
        at = start if rated_at is None else rated_at
        good.append((user_id, movie_id, score, at, rated_at is not None, number))
    columns, numbers = in_columns(good)
    return columns, numbers, rejects


def in_columns(good: Sequence[tuple[int, int, int, int, bool, int]]) -> tuple[RatingColumns, Integers]:
    """Rows of (user, movie, half steps, time, whether it has one, line) as columns, and the lines."""
    table = np.array(good, dtype=np.int64).reshape(-1, 6)
    timed = table[:, 4].astype(np.bool_)
    columns = (table[:, 0], table[:, 1], table[:, 2].astype(np.uint8), table[:, 3])
    return RatingColumns(*columns, timed=True if timed.all() else timed), table[:, 5]
