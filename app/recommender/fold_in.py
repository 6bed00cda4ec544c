"""A user as a model sees them: solved from their ratings at request time, once for all that a list needs."""

from collections.abc import Callable, Iterator
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from app.arrays import Floats, Integers
from app.recommender.interactions import confidence
from app.recommender.linear import Solve, prepared
from app.recommender.selection import keep_best

if TYPE_CHECKING:
    from app.recommender.model import Model

BLOCK = 1 << 18
"""Numbers in a block of intermediate results: 2 MB, however many ratings a user has."""
Exact = NDArray[np.float64]


class FoldIn:
    """`rows` [ratings]: the row of each rated movie in the model, -1 outside of it; `weights` [ratings].

    Movies outside of the model, and ratings that weigh nothing, add nothing. The equations are kept: the
    reasons of a list are solved from those of its preferences.
    """

    def __init__(self, model: "Model", movie_ids: ArrayLike, scores: ArrayLike) -> None:
        self._model = model
        self.rows, self.weights = model.rows(movie_ids), confidence(scores)
        self._counted = (self.rows >= 0) & (self.weights > 0)
        self._rows = self.rows[self._counted]  # [n]
        self._weights = self.weights[self._counted].astype(np.float64)  # [n]
        self._is_small = len(self._rows) * model.factors.shape[1] <= BLOCK

    @cached_property
    def factors(self) -> Floats:
        """The factors [k] of the user."""
        pulls = self._weights + self._model.objective.linear
        if self._is_small:
            right = pulls.astype(np.float32) @ self._near
        else:
            right = np.zeros(self._model.factors.shape[1])
            for some in self._blocks(len(self._rows)):
                right += pulls[some] @ self._factors_of(self._rows[some])
        return np.asarray(self._solve(right[:, None])[:, 0], np.float32)

    def preferences(self) -> Floats:
        """The predicted preference for each movie, [M]."""
        return self.blended(self.factors @ self._model.columns)

    def blended(self, found: Floats) -> Floats:
        """The preferences [M] from those by the factors alone, in place."""
        if (placed := self._model.placed) is not None:
            placed.blend(found, self._rows, self._weights)
        return found

    def contributions(self, targets: ArrayLike) -> Exact:
        """[targets, ratings]: what each rating adds to the preference for each target."""
        explain = self._explainer(targets)
        result = np.zeros((len(np.asarray(targets)), len(self.rows)))
        result[:, self._counted] = explain(self._rows, self._weights)
        return result

    def strongest(
        self, targets: ArrayLike, n: int, among: NDArray[np.bool_], step: Callable[[], None]
    ) -> tuple[Integers, Exact]:
        """Places [targets, n] among the ratings and values [targets, n]: see `Model.strongest`."""
        explain, m, items = self._explainer(targets), len(np.asarray(targets)), self._model.items
        chosen, places = among[self._counted], np.flatnonzero(self._counted & among)
        rows, weights = self._rows[chosen], self._weights[chosen]
        best_places, best = np.full((m, n), -1), np.zeros((m, n))
        for some in self._blocks(len(rows), max(m, items.columns.shape[1] if items else 0)):
            parts = explain(rows[some], weights[some])
            keep_best(best_places, best, np.broadcast_to(places[some], parts.shape), parts)
            step()
        return best_places, best

    def _explainer(self, targets: ArrayLike) -> Callable[[NDArray[np.int64], Exact], Exact]:
        """From rows and weights [n] of some of the ratings to what they add, [targets, n]."""
        model, placed, places = self._model, self._model.placed, self._model.rows(targets)
        solution = self._solve(model.factors_of(places).astype(np.float64).T)

        def explain(some: NDArray[np.int64], theirs: Exact) -> Exact:
            pulls = theirs + model.objective.linear
            parts: Exact = (pulls[:, None] * (self._factors_of(some) @ solution)).T
            if placed is None:
                return parts
            share = np.where(places >= 0, placed.share[places], 0)[:, None] if len(places) else 0.0
            return (1 - share) * parts + placed.contributions(some, theirs, places)

        return explain

    @cached_property
    def _solve(self) -> Solve:
        """Solves the normal equations of the user: [k, m] for [k, m]."""
        model = self._model
        diagonal = model.objective.diagonal(model.gram, len(self._rows), model.objective.user_offset)
        if self._is_small:
            # Multiplied in single precision, as the factors are: the diagonal is larger than what is lost.
            roots = np.sqrt(self._weights).astype(np.float32)
            return prepared(roots[:, None] * self._near, diagonal)
        matrix = np.diag(diagonal)
        for some in self._blocks(len(self._rows)):
            factors = self._factors_of(self._rows[some])
            matrix += (self._weights[some][:, None] * factors).T @ factors
        return partial(np.linalg.solve, matrix)

    @cached_property
    def _near(self) -> Floats:
        """[n, k]: the factors of the rated movies."""
        return self._model.factors[self._rows]

    def _factors_of(self, rows: NDArray[np.int64]) -> Exact:
        return self._model.factors[rows].astype(np.float64)

    def _blocks(self, ratings: int, width: int = 1) -> Iterator[slice]:
        """Parts of the ratings, so many at a time that `width` numbers of each fit a block."""
        size = max(1, BLOCK // max(width, self._model.factors.shape[1], 1))
        return (slice(first, first + size) for first in range(0, ratings, size))
