"""Marks: what a person says of a movie beside a score, and which of two marks wins."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

LIKED_SCORE = 4.5
"""The score that a like counts for where there is none."""


class Mark(StrEnum):
    """What a movie can be to a person; each is independent, but a liked one is not one of no interest."""

    WATCHED = "watched"
    WATCHLIST = "watchlist"
    LIKE = "like"
    NOT_INTERESTED = "not_interested"


OPPOSITE = {Mark.LIKE: Mark.NOT_INTERESTED, Mark.NOT_INTERESTED: Mark.LIKE}
HIDING = frozenset((Mark.WATCHED, Mark.NOT_INTERESTED))
"""A movie with one of these is not recommended."""


@dataclass(frozen=True, slots=True)
class Marked:
    """Whether a mark is set, and since when (epoch seconds). One that was taken away is kept for its time."""

    is_set: bool
    at: int


def changed(before: Mapping[Mark, Marked], given: Mapping[Mark, Marked]) -> dict[Mark, Marked]:
    """The marks of a person and a movie that become others by those given.

    The newer time wins; of equal times the one given. Of two opposites that are set the newer one stays.
    """
    after = dict(before)
    for mark, new in sorted(given.items(), key=lambda item: (item[1].at, item[1].is_set)):
        if mark in after and after[mark].at > new.at:
            continue
        is_set = new.is_set
        opposite = OPPOSITE.get(mark)
        if is_set and opposite in after and after[opposite].is_set:
            is_set = after[opposite].at <= new.at
            if is_set:
                after[opposite] = Marked(False, new.at)
        after[mark] = Marked(is_set, new.at)
    return {mark: state for mark, state in after.items() if before.get(mark) != state}
