"""One list for several people: what each of them would get out of a movie, made comparable, then joined."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from app.arrays import Floats, Integers, Mask
from app.movie import Movie
from app.rating import Rating, columns_of
from app.recommender.model import Model
from app.recommender.ranking import POPULARITY, avoided, discount, rank
from app.recommender.selection import top
from app.repository import movies
from app.serving.recommendations import Filters, Reason, Serving, Source
from app.serving.taste import Taste

Rule = Literal["least", "mean"]
STEP = 0.05
"""Shares that differ by less than this are equal for the rule "least": the mean decides then."""
FEWEST, MOST = 2, 8
"""People of one list."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one person gets out of a movie. All is None if the model does not know them.

    `share`: their preference over the best that they could get from a list for all of these people, 0 to 1.
    """

    user_id: int
    share: float | None = None
    preference: float | None = None
    because: Reason | None = None


@dataclass(frozen=True, slots=True)
class Common:
    """A movie for all; `least` and `mean` of the shares, None in a list that is not personal."""

    movie: Movie
    least: float | None
    mean: float | None
    parts: list[Part]


@dataclass(frozen=True, slots=True)
class Together:
    """`known`: the people whom the model knows. The source is "popular" if there are none, or no movie."""

    movies: list[Common]
    source: Source
    known: list[int]


@dataclass(frozen=True)
class _Group:
    """The people whom the model knows: preferences and shares [people, M], and movies to list last [M]."""

    people: list[int] = field(default_factory=list)
    preferences: list[Floats] = field(default_factory=list)
    last: Integers = field(default_factory=lambda: np.zeros(0, np.int64))

    def shares(self, mask: Mask) -> Floats:
        """Each preference over the best that the person may get, from 0 to 1: comparable between people.

        Who has rated much has larger preferences; unscaled, they would decide for all.
        """
        rows = np.array(self.preferences)
        best = np.where(mask, rows, 0).max(1, keepdims=True, initial=0)
        return np.asarray(np.clip(rows / np.maximum(best, 1e-9), 0, 1), np.float32)


def recommend(
    serving: Serving,
    tastes: Mapping[int, Taste],
    limit: int,
    filters: Filters,
    *,
    rule: Rule = "least",
    popularity: float = POPULARITY,
    step: Callable[[], None] = lambda: None,
) -> Together:
    """The best movies for all of these people, none of which one of them rated or hides.

    By the least share of them (least misery; equal ones by the mean), or by the mean. A person whom the model
    does not know has no say; what is most like the movies of those with dislikes alone comes last. If the
    model knows none of them, or has no movie for them, the popular ones are listed. `step` is called between
    people.
    """
    filters = replace(filters, exclude=(*filters.exclude, *_taken(tastes)))
    model, group, found = serving.model, _Group(), list[_Found]()
    if model is not None:
        group = _group(model, tastes, step)
        found = _listed(model, serving.mask(filters), group, limit, rule, popularity)
    if model is None or not found:
        popular, _ = serving.rich([], limit, filters)
        parts = [Part(user_id) for user_id in tastes]
        return Together([Common(one.movie, None, None, parts) for one in popular], "popular", group.people)
    return Together(_explained(serving, model, tastes, group, found, step), "personal", group.people)


def _taken(tastes: Mapping[int, Taste]) -> set[int]:
    """What is in no list for them: rated, liked or hidden by one."""
    rated = {rating.movie_id for taste in tastes.values() for rating in taste.rated}
    return rated.union(*(taste.hidden for taste in tastes.values()))


def _group(model: Model, tastes: Mapping[int, Taste], step: Callable[[], None]) -> _Group:
    group, last = _Group(), list[Integers]()
    for user_id, taste in tastes.items():
        ids, scores, times = columns_of(taste.rated)
        if rank(model, ids, scores, times, limit=1, fill_rated=False).source == "personal":
            group.people.append(user_id)
            group.preferences.append(model.preferences(ids, scores))
        else:
            last.append(model.rows(avoided(model, ids, scores, times)))
        step()
    return replace(group, last=np.concatenate([group.last, *last]))


@dataclass(frozen=True, slots=True)
class _Found:
    """One movie of the list: its row in the model, and each known person's share."""

    row: int
    shares: Floats


def _listed(
    model: Model, allowed: Mask | None, group: _Group, limit: int, rule: Rule, popularity: float
) -> list[_Found]:
    if not group.people:
        return []
    mask: Mask = np.ones(len(model.movie_ids), np.bool_) if allowed is None else allowed
    shares = group.shares(mask)
    worths = shares - np.float32(discount(shares, popularity)) * model.familiarity
    worth = worths.mean(0)
    if rule == "least":
        worth = np.floor(worths.min(0) / STEP) + worth / 4  # a mean moves by less than a step
    worth[group.last] -= 1000
    worth[~mask] = -np.inf
    return [_Found(int(row), shares[:, row]) for row in top(worth, model.order, limit)]


def _explained(
    serving: Serving,
    model: Model,
    tastes: Mapping[int, Taste],
    group: _Group,
    found: list[_Found],
    step: Callable[[], None],
) -> list[Common]:
    rows = np.array([one.row for one in found])
    ids = model.movie_ids[rows]
    why = {user_id: _reasons(serving, model, tastes[user_id].rated, ids, step) for user_id in group.people}
    by_id = movies.by_ids(serving.connection, ids.tolist())

    def part(user_id: int, place: int) -> Part:
        if user_id not in why:
            return Part(user_id)
        person = group.people.index(user_id)
        preference = float(group.preferences[person][rows[place]])
        return Part(user_id, float(found[place].shares[person]), preference, why[user_id][place])

    return [
        Common(
            by_id[movie_id],
            float(found[place].shares.min()),
            float(found[place].shares.mean()),
            [part(user_id, place) for user_id in tastes],
        )
        for place, movie_id in enumerate(ids.tolist())
        if movie_id in by_id
    ]


def _reasons(
    serving: Serving, model: Model, rated: Sequence[Rating], ids: Integers, step: Callable[[], None]
) -> list[Reason | None]:
    """[ids]: the movie that speaks most for each, of those that the person liked."""
    movie_ids, scores, _ = columns_of(rated)
    liked = scores >= scores.mean()
    places, parts = model.strongest(movie_ids, scores, ids, 1, among=liked, step=step)
    best = [rated[place] if place >= 0 else None for place in places[:, 0].tolist()]
    by_id = movies.by_ids(serving.connection, {one.movie_id for one in best if one})
    return [
        Reason(by_id[one.movie_id], one.score, part) if one and one.movie_id in by_id else None
        for one, part in zip(best, parts[:, 0].tolist(), strict=True)
    ]
