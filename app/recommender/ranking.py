"""The ranking rule: which movies in which order, a pure function of a model and one user's ratings."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from app.arrays import Floats, Integers, Mask
from app.recommender.fold_in import FoldIn
from app.recommender.model import Model
from app.recommender.selection import top

Source = Literal["personal", "own", "popular"]

POOL = 10
"""Maximal marginal relevance chooses among so many times the limit."""
NEAR = 0.5
"""Share of the best preference that a movie needs to come in for diversity's sake."""
LOW, NEIGHBOURS, MOST_LOW = 2.0, 20, 20
"""Who scored nothing above this gets the neighbours of those movies last: so many of each, of so many."""
POPULARITY = 0.5
DISCOUNTS = (0.3, 0.05, -0.15)
"""Of the best known movie at popularity 0, .5 and 1, in preference; in between on straight lines."""


@dataclass(frozen=True, eq=False)
class Ranking:
    """Movies, best first; `preferences` are 0 where the model predicts none."""

    movie_ids: Integers
    preferences: Floats
    source: Source
    discount: float = 0.0  # of the best known movie, in the order of a personal list
    user: FoldIn | None = None  # of a personal list


def rank(
    model: Model,
    rated_movie_ids: ArrayLike,
    rated_scores: ArrayLike,
    rated_at: ArrayLike,
    *,
    limit: int,
    mask: Mask | None = None,
    fill_rated: bool = True,
    diversity: float = 0.0,
    popularity: float = POPULARITY,
) -> Ranking:
    """The exact best `limit` movies for a user with these ratings (one a movie, in any order).

    Unrated movies come first; with `fill_rated`, rated ones fill up a list that is too short. `mask` [M]
    says which of the model's movies may be listed. `diversity`, from 0 (none) to 1, trades preference for
    difference (maximal marginal relevance) among movies with at least `NEAR` of the best preference; others
    follow. `popularity`, from 0 (hidden gems) to 1 (well known), moves the order alone: see `worth`. Ties go
    by popularity, then by movie id.

    A movie is liked from 2 on, by a user who scored one above `LOW` at least. The source is "personal" if
    another user has liked a movie that this one liked. Otherwise it is "own"
    (the liked movies, newest first, then popular ones) or, without a liked movie to list, "popular". Among
    popular ones, those of `avoided` come last.
    """
    rated = _Rated(model, rated_movie_ids, rated_scores, rated_at, mask)
    if not rated.shared:
        return _impersonal(model, rated, limit, mask, fill_rated)
    preferences = rated.user.preferences()
    inside = rated.rows[rated.rows >= 0]
    filling = preferences[inside]
    asked = discount(preferences, popularity)
    worths = preferences - np.float32(asked) * model.familiarity
    worths[inside] = -np.inf
    if mask is not None:
        worths[~mask] = -np.inf
    if diversity > 0:
        pool = top(worths, model.order, max(POOL * limit, 100))
        best = diversify(model, preferences, worths, pool, limit, diversity)
    else:
        best = top(worths, model.order, limit)
    ids, values = model.movie_ids[best], preferences[best]
    if fill_rated and len(best) < limit:
        more = rated.by_preference(filling)[: limit - len(best)]
        ids = np.concatenate([ids, rated.movie_ids[more]])
        values = np.concatenate([values, rated.spread(filling)[more]])
    return Ranking(ids, values, "personal", asked, rated.user)


def avoided(
    model: Model, rated_movie_ids: ArrayLike, rated_scores: ArrayLike, rated_at: ArrayLike
) -> Integers:
    """Ids of the movies most like the last few of a user who scored none above `LOW`; none for others."""
    ids, scores = np.asarray(rated_movie_ids, np.int64), np.asarray(rated_scores, np.float32)
    if (scores > LOW).any():
        return ids[:0]
    newest = ids[np.lexsort((ids, -np.asarray(rated_at, np.int64)))][:MOST_LOW]
    near = [model.similar(int(movie), NEIGHBOURS)[0] for movie in newest]
    return np.unique(np.concatenate([ids[:0], *near]))


def worth(model: Model, preferences: Floats, popularity: float = POPULARITY) -> Floats:
    """What a list is ordered by, [M]: the preferences less a discount for being well known.

    The default is the one with the best NDCG, and lists more different movies than no discount.
    """
    return preferences - np.float32(discount(preferences, popularity)) * model.familiarity


def discount(preferences: Floats, popularity: float) -> float:
    """The discount of the best known movie, in preference, beside these preferences [M].

    What the knob adds to the default is a share of the best preference: a user with one rated movie has
    small ones, and would else get movies that are known to no other.
    """
    if popularity == POPULARITY:
        return DISCOUNTS[1]
    asked = float(np.interp(popularity, (0.0, POPULARITY, 1.0), DISCOUNTS))
    best = min(1.0, max(0.0, float(preferences.max(initial=0))))
    return DISCOUNTS[1] + (asked - DISCOUNTS[1]) * best


def diversify(
    model: Model,
    preferences: Floats,
    worths: Floats,
    pool: NDArray[np.int64],
    limit: int,
    diversity: float,
) -> NDArray[np.int64]:
    """Maximal marginal relevance (Carbonell and Goldstein 1998) over the rows of `pool`, best first.

    Only movies with `NEAR` of the largest preference or more are moved; the rest of the pool follows them.
    Relevance is the worth, the best of which counts 1; likeness is the cosine of the factors.
    """
    if not len(pool):
        return pool
    is_near = preferences[pool] >= NEAR * preferences[pool].max()
    is_near[0] = True
    far, pool = pool[~is_near], pool[is_near]
    best = float(worths[pool[0]])
    relevance = (1 - diversity) * (
        1 + (worths[pool] - best) / max(float(np.abs(preferences[pool]).max()), 1e-12)
    )
    directions = model.factors[pool] / np.maximum(model.norms[pool], 1e-12)[:, None]
    likeness = np.zeros(len(pool), np.float32)
    chosen: list[int] = []
    for _ in range(min(limit, len(pool))):
        worth = relevance - diversity * likeness
        worth[chosen] = -np.inf
        chosen.append(int(np.argmax(worth)))
        near = directions @ directions[chosen[-1]]
        likeness = near if len(chosen) == 1 else np.maximum(likeness, near)
    return np.concatenate([pool[chosen], far])[:limit]


class _Rated:
    """A user's ratings beside the model: which are in it, which are liked, which may be listed."""

    def __init__(
        self, model: Model, movie_ids: ArrayLike, scores: ArrayLike, rated_at: ArrayLike, mask: Mask | None
    ) -> None:
        self.movie_ids = np.asarray(movie_ids, np.int64)
        self.scores = np.asarray(scores, np.float32)
        self.rated_at = np.asarray(rated_at, np.int64)
        self.user = model.folded(self.movie_ids, self.scores)
        self.rows = self.user.rows
        self.liked = (self.user.weights > 0) & bool((self.scores > LOW).any())
        self.order = model.order
        self.mask = mask
        counted = self.rows[self.liked & (self.rows >= 0)]
        self.shared = bool((model.support[counted] > 1).any())

    def allowed(self) -> Mask:
        """[ratings]: which may be listed; a mask says nothing about movies outside the model."""
        if self.mask is None:
            return np.ones(len(self.rows), bool)
        return np.append(self.mask, True)[self.rows]  # the row of those outside is -1

    def spread(self, inside: Floats) -> Floats:
        """[ratings]: the predicted preferences of those in the model, 0 for the rest."""
        values = np.zeros(len(self.rows), np.float32)
        values[self.rows >= 0] = inside
        return values

    def by_preference(self, inside: Floats) -> NDArray[np.int64]:
        """Positions by preference, then those outside the model by their score."""
        outside = self.rows < 0
        places = np.where(outside, 0, self.order[self.rows] if len(self.order) else 0)
        keys = (-self.movie_ids, -self.rated_at, -self.scores, places, -self.spread(inside), outside)
        order = np.lexsort(keys)
        return order[self.allowed()[order]]

    def by_time(self, chosen: Mask) -> NDArray[np.int64]:
        """Positions of the chosen ones, newest first."""
        order = np.lexsort((-self.movie_ids, -self.rated_at))
        return order[(chosen & self.allowed())[order]]


def _impersonal(model: Model, rated: _Rated, limit: int, mask: Mask | None, fill_rated: bool) -> Ranking:
    unseen = np.ones(len(model.movie_ids), bool) if mask is None else mask.copy()
    unseen[rated.rows[rated.rows >= 0]] = False
    popular = model.movie_ids[model.popular[unseen[model.popular]]]
    shunned = np.isin(popular, avoided(model, rated.movie_ids, rated.scores, rated.rated_at))
    popular = np.concatenate([popular[~shunned], popular[shunned]])[:limit]
    own = rated.movie_ids[:0]
    if fill_rated:
        own = rated.movie_ids[rated.by_time(rated.liked)]
        rest = rated.movie_ids[rated.by_time(~rated.liked)]
        popular = np.concatenate([own, popular, rest])[:limit]
    return Ranking(popular, np.zeros(len(popular), np.float32), "own" if len(own) else "popular")
