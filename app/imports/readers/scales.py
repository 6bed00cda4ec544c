"""On which scale the scores of a file are: judged over all of them, before anything is written.

A source with a scale of its own keeps it. Else: if at most 1% of the scores lie off 0.5 to 5 in half steps,
those are rejected one by one. Above, and unless it is a single one of ten or more, the file is taken to be on
the smallest known scale that holds them all.
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from app.errors import Invalid
from app.imports.readers import fields
from app.imports.readers.fields import BadField
from app.rating import HIGHEST, LOWEST, STEP

MOST_OFF = 0.01
STRAY_OF = 10
"""In a file of so many scores and more a single one that lies off does not decide what the others mean: it
is rejected where they cannot be whole numbers of a larger scale, else the scale is asked for.
"""
MOST_DIFFERENT = 10_000
"""Different scores that are counted; no scale has as many."""
UP = frozenset(["up", "like", "liked", "yes", "true", "thumbsup", "thumbup", "👍", "+1"])
DOWN = frozenset(["down", "dislike", "disliked", "no", "false", "thumbsdown", "thumbdown", "👎"])


@dataclass(frozen=True, slots=True)
class Scale:
    """Scores from `low` to `high`. `least`: a file without a score above that says too little to be of it."""

    name: str
    low: float
    high: float
    least: float = 0

    def half_steps(self, column: str, text: str) -> int:
        """A score in half steps, mapped linearly, halves up; a 0 is the lowest. Raises `BadField`."""
        number = self.number(column, text)
        if not self.low <= number <= self.high:
            raise BadField(column, text, f"not on the scale of {self.low:g} to {self.high:g}")
        return max(1, math.floor(number * (HIGHEST / STEP) / self.high + 0.5))

    def number(self, column: str, text: str) -> float:
        return fields.decimal(column, text.removesuffix("%").rstrip())


@dataclass(frozen=True, slots=True)
class Stars(Scale):
    """Matinee's own scale, 0.5 to 5 in half steps."""

    def half_steps(self, column: str, text: str) -> int:
        return fields.half_steps(column, text)


@dataclass(frozen=True, slots=True)
class Thumbs(Scale):
    """Up or down, in words or as 1 and 0, 1 and -1."""

    def half_steps(self, column: str, text: str) -> int:
        number = self.number(column, text)
        if number not in (-1, 0, 1):
            raise BadField(column, text, "neither a thumb up nor one down")
        return 10 if number == 1 else 1

    def number(self, column: str, text: str) -> float:
        word = text.casefold().replace(" ", "").replace("_", "").replace("-", "") if text[:1] != "-" else text
        return 1 if word in UP else 0 if word in DOWN else fields.decimal(column, text)


STARS = Stars("0.5-5", LOWEST, HIGHEST)
FIVE = Scale("0-5", 0, 5)
TEN = Scale("1-10", 1, 10, 5)
TEN_FROM_0 = Scale("0-10", 0, 10, 5)
HUNDRED = Scale("0-100", 0, 100, 10)
THUMBS = Thumbs("thumbs", 0, 1)
KNOWN = (TEN, TEN_FROM_0, HUNDRED)
"""From the smallest to the largest."""
_NAMED = {scale.name: scale for scale in (STARS, FIVE, *KNOWN, THUMBS)}
_DECLARED = {"5": FIVE, "10": TEN_FROM_0, "100": HUNDRED, **_NAMED}
CANDIDATES = ["5", "10", "100", THUMBS.name]


def named(name: str) -> Scale:
    """A scale by the name that it has in a report."""
    return _NAMED[name]


def declared(text: str) -> Scale | None:
    """The scale that a caller names; None for none. Raises `Invalid`."""
    if text and text not in _DECLARED:
        raise Invalid(
            f"The scale {text[:40]!r} is not known. Name one of {', '.join(CANDIDATES)}: "
            "POST /imports?scale=10.",
            errors=[{"detail": "not a known scale", "parameter": "scale", "candidates": CANDIDATES}],
        )
    return _DECLARED[text] if text else None


def judge(counts: Mapping[str, int], name: str) -> Scale:
    """The scale of a file, from how often it has which score. Raises `Invalid` if it cannot be known."""
    numbers, words = _numbers(counts)
    total = sum(numbers.values())
    if (words and not numbers) or (words and set(numbers) <= {-1.0, 0.0, 1.0}):
        return THUMBS
    off = sum(count for number, count in numbers.items() if not _is_stars(number))
    if off <= MOST_OFF * total:
        return STARS
    if off == 1 and total >= STRAY_OF:
        if _may_be_on_another(numbers):
            raise _refusal(name, numbers, off, total)
        return STARS
    if (len(numbers) == 2 and {-1.0, 1.0} >= set(numbers)) or set(numbers) == {0.0, 1.0}:
        return THUMBS
    low, high = min(numbers), max(numbers)
    if len(counts) < MOST_DIFFERENT:
        for scale in KNOWN:
            if scale.low <= low and scale.least < high <= scale.high:
                return scale
    raise _refusal(name, numbers, off, total)


def _may_be_on_another(numbers: Mapping[float, int]) -> bool:
    return all(number.is_integer() and 0 <= number <= HUNDRED.high for number in numbers)


def _is_stars(number: float) -> bool:
    return LOWEST <= number <= HIGHEST and (number / STEP).is_integer()


def _numbers(counts: Mapping[str, int]) -> tuple[Counter[float], int]:
    """How often which number is there, and how many words for thumbs."""
    numbers, words = Counter[float](), 0
    for text, count in counts.items():
        try:
            numbers[STARS.number("", text)] += count
        except BadField:
            words += count if text.casefold().replace(" ", "") in UP | DOWN else 0
    return numbers, words


def _refusal(name: str, numbers: Counter[float], off: int, total: int) -> Invalid:
    seen = [f"{number:g} ({count:,})" for number, count in numbers.most_common(8)]
    span = f"from {min(numbers):g} to {max(numbers):g}, most often {', '.join(seen)}"
    return Invalid(
        f"The scale of {name} cannot be known: {off:,} of its {total:,} scores lie off {LOWEST} to "
        f"{HIGHEST:g} in half steps ({span}). Nothing was written. Say on which scale they are, such as "
        "POST /imports?scale=10, or mend them.",
        errors=[{"detail": "which scale are the scores on?", "parameter": "scale", "candidates": CANDIDATES}],
    )
