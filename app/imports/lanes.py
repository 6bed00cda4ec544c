"""The two lanes of ratings as one: what a block of lines comes to."""

from collections.abc import Callable, Iterator

import numpy as np

from app.arrays import Integers
from app.imports import strict
from app.imports.columns import Columns
from app.imports.formats import Format
from app.imports.lines import split
from app.imports.rejects import Reject

Lane = Callable[[bytes, int], tuple[Columns, list[Reject], int]]
"""From a block and the number of its first line: the good rows in order, the rejected, how many lines."""

FAST_FROM = 12 << 20
"""Bytes of a file, as it is stored, from which the compiled lane is worth its start of a second and more."""


def strict_lane(known: Format, header: list[str], known_movies: set[int], start: int) -> Lane:
    """Reads every line by itself."""
    parse = strict.rating_parser(known, header, start)
    return lane_by(parse, known.columns["movie_id"], known_movies, start)


def lane_by(
    parse: Callable[[bytes], strict.RatingRow], column: str, known_movies: set[int], start: int
) -> Lane:
    """Reads every line by a function. `column`: the name of that of the movie ids."""

    def read(block: bytes, first_line: int) -> tuple[Columns, list[Reject], int]:
        lines = split(block)
        good, _, bad = strict.ratings(enumerate(lines, first_line), parse, known_movies, column, start)
        return good, bad, len(lines)

    return read


def fast_lane(known: Format, header: list[str], known_movies: set[int], start: int) -> Lane:
    """Reads clean lines at once and every other one by itself: it takes what the strict lane takes."""
    from app.imports.fast import Scan, Scanner

    parse = strict.rating_parser(known, header, start)
    column = known.columns["movie_id"]
    scanner = Scanner(known, header, np.array(sorted(known_movies), np.int64), start)

    def others(block: bytes, first_line: int, scan: Scan) -> Iterator[tuple[int, bytes]]:
        for line, begin, end in scan.others.tolist():
            yield first_line + line, block[begin:end]

    def read(block: bytes, first_line: int) -> tuple[Columns, list[Reject], int]:
        scan = scanner.scan(block)
        if not len(scan.others):
            return scan.columns, [], scan.total
        lines = others(block, first_line, scan)
        slow, numbers, bad = strict.ratings(lines, parse, known_movies, column, start)
        good = _in_order(scan.columns, scan.lines + first_line, slow, numbers) if len(slow) else scan.columns
        return good, bad, scan.total

    return read


def _in_order(a: Columns, a_lines: Integers, b: Columns, b_lines: Integers) -> Columns:
    """The rows of both by line: of equally new ratings the later line has to stay the later one."""
    return Columns.joined((a, b))[np.argsort(np.concatenate((a_lines, b_lines)))]
