"""The model: the movie side of a factorisation, and item weights. Users are folded in at request time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from app.arrays import Floats, Integers
from app.recommender.fold_in import Exact, FoldIn
from app.recommender.interactions import Rows, confidence
from app.recommender.item_weights import ItemWeights, PlacedWeights, rows_of
from app.recommender.linear import solve
from app.recommender.selection import top


@dataclass(frozen=True)
class Objective:
    """What the factors of a user or movie minimise, given those of the other side; it differs by trainer.

    The weight w of a rating is its confidence; its squared term counts w, its linear term
    w + `linear` (w > 0 only). Every pair costs `unobserved`. A row with n weighted ratings is
    regularised by ``regularization * (n + offset) ** exponent``.
    """

    unobserved: float = 0.2
    regularization: float = 0.006
    exponent: float = 1.0
    linear: float = 0.0
    user_offset: float = 0.0
    movie_offset: float = 0.0

    def diagonal(self, gram: Exact, n: ArrayLike, offset: float) -> Exact:
        """[..., k]: what the normal equations of rows with `n` [...] ratings add to ``rows' rows``."""
        penalty = self.regularization * (np.asarray(n, np.float64) + offset) ** self.exponent
        return self.unobserved * gram + np.maximum(penalty, 1e-9)[..., None]


@dataclass(frozen=True, eq=False)
class Model:
    """Movie factors in the eigenbasis of their Gram matrix, and what else a fold-in needs.

    The preference for a movie with item weights is a blend of what the factors and the weights predict, both
    linear in the ratings; for a movie without, it is what the factors predict.
    """

    movie_ids: Integers  # [M], ascending: every movie that has ratings
    factors: Floats  # [M, k]
    gram: Exact  # [k]: the diagonal of ``factors' factors``, which has no other entries
    user_gram: Exact  # [k, k]: the Gram matrix of the users that the factors were solved from
    support: Rows  # [M]: users who liked the movie, from whom its factors were solved
    counts: Rows  # [M]: ratings of each movie, whatever the score: its popularity
    objective: Objective = Objective()
    settings: Mapping[str, Any] = field(default_factory=dict)
    items: ItemWeights | None = None
    version: int = 0  # given out by storage, like the time: neither is in the file
    created_at: float = 0.0

    @classmethod
    def rotated(
        cls,
        movie_ids: ArrayLike,
        factors: ArrayLike,
        user_gram: ArrayLike,
        support: ArrayLike,
        counts: ArrayLike,
        objective: Objective,
        settings: Mapping[str, Any],
    ) -> "Model":
        """From factors in any basis: rotates them into the Gram eigenbasis, which changes no preference."""
        exact = np.asarray(factors, np.float64)
        gram, basis = np.linalg.eigh(exact.T @ exact)
        return cls(
            np.asarray(movie_ids, np.int64),
            (exact @ basis).astype(np.float32),
            np.maximum(gram, 0),
            basis.T @ np.asarray(user_gram, np.float64) @ basis,
            np.asarray(support, np.int32),
            np.asarray(counts, np.int32),
            objective,
            dict(settings),
        )

    def rows(self, movie_ids: ArrayLike) -> NDArray[np.int64]:
        """The row of each movie, -1 for one that is not in the model."""
        return rows_of(self.movie_ids, movie_ids)

    def folded(self, movie_ids: ArrayLike, scores: ArrayLike) -> FoldIn:
        """A user with these ratings, as this model sees them."""
        return FoldIn(self, movie_ids, scores)

    def fold_in(self, movie_ids: ArrayLike, scores: ArrayLike) -> Floats:
        """The factors [k] of a user with these ratings; movies that are not in the model add nothing."""
        return self.folded(movie_ids, scores).factors

    def preferences(self, movie_ids: ArrayLike, scores: ArrayLike) -> Floats:
        """The predicted preference for each movie, [M], of a user with these ratings.

        About 1 for a movie that is liked, 0 for one that is unknown.
        """
        return self.folded(movie_ids, scores).preferences()

    def contributions(self, movie_ids: ArrayLike, scores: ArrayLike, targets: ArrayLike) -> Exact:
        """[targets, ratings]: what each rating adds to the preference for each target; a row sums to it.

        Exact, since a fold-in is linear in the ratings (Hu, Koren, Volinsky 2008, section 5).
        """
        return self.folded(movie_ids, scores).contributions(targets)

    def strongest(
        self,
        movie_ids: ArrayLike,
        scores: ArrayLike,
        targets: ArrayLike,
        n: int,
        *,
        among: NDArray[np.bool_],
        step: Callable[[], None] = lambda: None,
    ) -> tuple[Integers, Exact]:
        """The largest contributions to each target, best first, of the ratings `among` [ratings].

        Returns their places [targets, n] among the ratings and what they add [targets, n]; -1 and 0 where
        fewer are above 0. Memory is bounded by `fold_in.BLOCK`; `step` is called after each block.
        """
        return self.folded(movie_ids, scores).strongest(targets, n, among, step)

    def similar(self, movie_id: int, n: int) -> tuple[Integers, Floats]:
        """Ids and likeness of the `n` nearest movies, nearest first; none for a movie without factors.

        The likeness is the cosine of the factors plus a multiple of the item weight, over that of the nearest
        if this is above 1. The cosine alone finds what is as well known to the same people; what belongs
        together has large item weights.
        """
        row = int(self.rows([movie_id])[0])
        if row < 0 or not self.norms[row]:
            return self.movie_ids[:0], self.factors[:0, 0]
        cosine = self.factors[row] @ self.columns / (np.maximum(self.norms, 1e-12) * self.norms[row])
        if self.placed is not None:
            self.placed.add_likeness(cosine, row)
        cosine[row] = -np.inf
        cosine[self.norms == 0] = -np.inf
        best = top(cosine, self.order, n)
        found = cosine[best]
        return self.movie_ids[best], found / max(1.0, float(found.max(initial=0)))

    def fold_in_movie(self, users: Floats, scores: ArrayLike) -> Floats:
        """The factors [k] of a movie from its raters' factors, [n, k] (see `fold_in`), and scores [n]."""
        weights = confidence(scores).astype(np.float64)
        kept = np.asarray(users, np.float64)[weights > 0]
        weights = weights[weights > 0]
        gram, basis = np.linalg.eigh(self.user_gram)
        diagonal = self.objective.diagonal(np.maximum(gram, 0), len(kept), self.objective.movie_offset)
        turned = kept @ basis
        right = ((weights + self.objective.linear) @ turned)[:, None]
        solution = solve(np.sqrt(weights)[:, None] * turned, diagonal, right)[:, 0]
        return np.asarray(basis @ solution, np.float32)

    def with_movies(
        self, movie_ids: ArrayLike, factors: ArrayLike, support: ArrayLike, counts: ArrayLike
    ) -> "Model":
        """A model with further movies, folded in since it was built; `gram` stays that of the build.

        A movie that it has already keeps its factors.
        """
        new = self.rows(movie_ids) < 0
        ids = np.concatenate([self.movie_ids, np.asarray(movie_ids, np.int64)[new]])
        order = np.argsort(ids)
        return replace(
            self,
            movie_ids=ids[order],
            factors=np.concatenate([self.factors, np.asarray(factors, np.float32)[new]])[order],
            support=np.concatenate([self.support, np.asarray(support, np.int32)[new]])[order],
            counts=np.concatenate([self.counts, np.asarray(counts, np.int32)[new]])[order],
        )

    def start_for(self, movie_ids: ArrayLike, factors: int) -> Floats | None:
        """Factors [movies, k] to start a training from, zero for new movies and further factors.

        None if this model has no movie, or more factors.
        """
        missing = factors - self.factors.shape[1]
        if missing < 0 or not len(self.factors):
            return None
        return np.pad(self.factors_of(self.rows(movie_ids)), ((0, 0), (0, missing)))

    @cached_property
    def popular(self) -> NDArray[np.int64]:
        """[M]: rows by number of ratings, most first, then by movie id."""
        return np.lexsort((self.movie_ids, -self.counts))

    @cached_property
    def order(self) -> NDArray[np.int64]:
        """[M]: the place of each row in `popular`; it breaks ties."""
        order = np.empty(len(self.popular), np.int64)
        order[self.popular] = np.arange(len(order))
        return order

    @cached_property
    def familiarity(self) -> Floats:
        """[M]: the logarithm of the number of ratings, 1 for the most rated movie."""
        counts = np.log1p(self.counts)
        return np.asarray(counts / max(1e-9, float(counts.max(initial=0))), np.float32)

    @cached_property
    def columns(self) -> Floats:
        """[k, M]: the factors once more; a product with one user takes half the time in this order."""
        return np.ascontiguousarray(self.factors.T)

    @cached_property
    def norms(self) -> Floats:
        """[M]: the lengths of the factors."""
        return np.asarray(np.linalg.norm(self.factors, axis=1))

    @cached_property
    def placed(self) -> PlacedWeights | None:
        return PlacedWeights(self.items, self.movie_ids) if self.items else None

    def factors_of(self, rows: NDArray[np.int64]) -> Floats:
        """[rows, k]; zero for row -1."""
        found = (
            self.factors[rows]
            if len(self.factors)
            else np.zeros((len(rows), self.factors.shape[1]), np.float32)
        )
        found[rows < 0] = 0
        return found
