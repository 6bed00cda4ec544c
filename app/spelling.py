"""How far apart two words are, as a keyboard has it."""

from collections.abc import Sequence

SHORTEST = 4
"""Letters from which on a word may have a slip; in shorter ones every letter counts."""


def slips(word: str) -> int:
    """How many slips are forgiven in a word: a letter too many, missing or wrong, or two exchanged."""
    if len(word) < SHORTEST or word.isdigit():
        return 0
    return 1 if len(word) < 2 * SHORTEST else 2


def ends(word: str) -> tuple[str, str]:
    """The first and the last letters, of which one pair is as it should be in most misspelt words."""
    length = max(1, (len(word) - 1) // 2)
    return word[:length], word[-length:]


def distance(one: str, other: str, most: int) -> int:
    """Slips between two words, or `most` + 1 if they are more (optimal string alignment, Damerau 1964)."""
    if abs(len(one) - len(other)) > most:
        return most + 1
    start, end = 0, 0
    shorter = min(len(one), len(other))
    while start < shorter and one[start] == other[start]:
        start += 1
    while end < shorter - start and one[-1 - end] == other[-1 - end]:
        end += 1
    one, other = one[start : len(one) - end], other[start : len(other) - end]
    if not one or not other:
        return len(one) + len(other)
    return _aligned(one, other, most)


def _aligned(one: str, other: str, most: int) -> int:
    before: Sequence[int] = ()
    last: list[int] = list(range(len(other) + 1))
    for row, letter in enumerate(one, 1):
        this = [row]
        for place, wanted in enumerate(other, 1):
            cost = min(last[place] + 1, this[-1] + 1, last[place - 1] + (letter != wanted))
            if row > 1 and place > 1 and letter == other[place - 2] and one[row - 2] == wanted:
                cost = min(cost, before[place - 2] + 1)
            this.append(cost)
        if min(this) > most and min(last) > most:
            return most + 1
        before, last = last, this
    return min(last[-1], most + 1)
