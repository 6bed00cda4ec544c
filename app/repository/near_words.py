"""Words of titles that are nearly those of a query: with slips, joined or split otherwise."""

from collections.abc import Iterator, Sequence

from sqlalchemy.engine import Connection

from app.repository.vocabulary import Vocabulary, vocabulary
from app.spelling import distance, slips
from app.titles import spellings

MOST_KEPT, MOST_WORDS = 12, 8
"""Words that are searched for in place of one, and words of a query that may have slips."""
SHORTEST_BEGINNING = 3
"""Letters of a word that may be a beginning, beside one that has a slip or is joined."""
WHOLE_WORDS = frozenset(("the", "of", "and", "in", "to", "an", "on", "at"))
"""No beginnings, except as the last word: thousands of titles have words that begin so."""
SLIP, PARTED, POSSESSIVE, BEGUN = 2, 1, 1, 3
"""What a difference costs."""

Costs = dict[tuple[str, ...], int]
"""What may stand for a word, and what that costs: terms that a title must all have."""


def near(connection: Connection, words: Sequence[str]) -> list[list[Costs]]:
    """Ways to read words, each with the costs of what may stand for every one of them."""
    known = vocabulary(connection)
    ways = [[_costs(word, known, place < MOST_WORDS) for place, word in enumerate(words)]]
    for place in range(len(words) - 1):
        joined = words[place] + words[place + 1]
        if joined in known:
            rest: list[Costs] = [{(spelt,): 0 for spelt in spellings(word)} for word in words]
            ways.append([*rest[:place], {(joined,): PARTED}, *rest[place + 2 :]])
    return ways


def _costs(word: str, known: Vocabulary, may_slip: bool) -> Costs:
    costs: Costs = {}
    forgiven = slips(word) if may_slip else 0
    if forgiven:
        found = sorted((_cost(word, other, forgiven), other) for other in known.alike(word))
        costs = {(other,): cost for cost, other in found[:MOST_KEPT] if cost <= SLIP * forgiven + POSSESSIVE}
    for first, second in _parts(word):
        if first in known and second in known:
            costs[first, second] = PARTED
    if len(word) >= SHORTEST_BEGINNING and word not in WHOLE_WORDS:
        costs[(f"{word}*",)] = BEGUN
    return costs | {(spelt,): 0 for spelt in spellings(word)}


def _cost(word: str, other: str, most: int) -> int:
    """Of slips; a possessive "s" that is left out is none."""
    far = SLIP * distance(word, other, most)
    if far > SLIP and other.endswith("s"):
        far = min(far, SLIP * distance(word, other[:-1], most) + POSSESSIVE)
    return far


def _parts(word: str) -> Iterator[tuple[str, str]]:
    return ((word[:place], word[place:]) for place in range(1, len(word)))
