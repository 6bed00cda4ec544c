"""Words of titles that are nearly those of a query: with slips, joined or split otherwise."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.spelling import distance, ends, slips
from app.storage.schema import title_words
from app.titles import spellings

MOST_READ, MOST_KEPT, MOST_WORDS = 3000, 12, 8
"""Words that are compared with each of a query, that are searched for, and of a query that may have slips."""
SHORTEST_BEGINNING = 3
"""Letters of a word that may be a beginning, beside one that has a slip or is joined."""
LAST = "\U0010ffff"
"""After every character that a word has."""
SLIP, PARTED, POSSESSIVE, BEGUN = 2, 1, 1, 3
"""What a difference costs."""

Costs = dict[tuple[str, ...], int]
"""What may stand for a word, and what that costs: terms that a title must all have."""


def near(connection: Connection, words: Sequence[str]) -> list[list[Costs]]:
    """Ways to read words, each with the costs of what may stand for every one of them."""
    known = _known(connection, words)
    ways = [[_costs(word, known) for word in words]]
    for place in range(len(words) - 1):
        joined = words[place] + words[place + 1]
        if joined in known:
            rest: list[Costs] = [{(spelt,): 0 for spelt in spellings(word)} for word in words]
            ways.append([*rest[:place], {(joined,): PARTED}, *rest[place + 2 :]])
    return ways


def _costs(word: str, known: set[str]) -> Costs:
    costs: Costs = {}
    forgiven = slips(word)
    if forgiven:
        found = sorted((_cost(word, other, forgiven), other) for other in _alike(word, known))
        costs = {(other,): cost for cost, other in found[:MOST_KEPT] if cost <= SLIP * forgiven + POSSESSIVE}
    for first, second in _parts(word):
        if first in known and second in known:
            costs[first, second] = PARTED
    if len(word) >= SHORTEST_BEGINNING:
        costs[(f"{word}*",)] = BEGUN
    return costs | {(spelt,): 0 for spelt in spellings(word)}


def _alike(word: str, known: set[str]) -> Iterator[str]:
    """Those of all words that were found which are for this one, without what cannot be near.

    A slip changes two letters of the set at most, and a possessive one: that spares most comparisons.
    """
    (first, last), letters = ends(word), set(word)
    longest, most = slips(word) + 1, 2 * slips(word) + 1
    for other in known:
        begins_or_ends = other.startswith(first) or other.endswith(last)
        if not begins_or_ends or abs(len(other) - len(word)) > longest:
            continue
        if len(letters.symmetric_difference(other)) <= most:
            yield other


def _cost(word: str, other: str, most: int) -> int:
    """Of slips; a possessive "s" that is left out is none."""
    far = SLIP * distance(word, other, most)
    if far > SLIP and other.endswith("s"):
        far = min(far, SLIP * distance(word, other[:-1], most) + POSSESSIVE)
    return far


def _parts(word: str) -> Iterator[tuple[str, str]]:
    return ((word[:place], word[place:]) for place in range(1, len(word)))


def _known(connection: Connection, words: Sequence[str]) -> set[str]:
    """The words of titles among which what is near to `words` is."""
    some = list(words)[:MOST_WORDS]
    whole = {part for word in some for parts in _parts(word) for part in parts}
    whole |= {one + two for one, two in pairwise(words)}
    queries = [sa.select(title_words.c.word).where(title_words.c.word.in_(sorted(whole)))]
    for word in some:
        if slips(word):
            first, last = ends(word)
            queries += [
                _range(title_words.c.word, first, word),
                _range(title_words.c.reversed, last[::-1], word),
            ]
    subqueries = [sa.select(query.subquery().c.word) for query in queries]
    return set(connection.execute(sa.union_all(*subqueries)).scalars())


def _range(column: sa.Column[str], start: str, word: str) -> sa.Select[tuple[str]]:
    """Words that begin with `start`, read forwards or backwards, and are about as long as `word`."""
    length, forgiven = sa.func.length(title_words.c.word), slips(word)
    lengths = length.between(len(word) - forgiven, len(word) + forgiven + 1)
    query = sa.select(title_words.c.word).where(column >= start, column < start + LAST, lengths)
    return query.limit(MOST_READ)
