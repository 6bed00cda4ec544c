"""Cold-start movies: rated since the model was built, folded in from their first raters without a rebuild."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from sqlalchemy.engine import Connection

from app.arrays import Floats
from app.recommender.interactions import confidence
from app.recommender.model import Model
from app.repository import ratings

MOST = 50
"""Cold-start movies at most, those rated last first; more of them are a reason to rebuild."""


class ColdStartMovie(NamedTuple):
    """The factors [k] of a movie, how many users liked it and how many rated it."""

    factors: Floats
    support: int
    raters: int


def fold_in(
    connection: Connection, base: Model, before: Mapping[int, ColdStartMovie], after: int
) -> Mapping[int, ColdStartMovie]:
    """The cold-start movies of `base` by movie id; `before` itself if nothing has changed.

    `before`: those up to the first rater of number `after`. Only movies rated after that are folded in.
    """
    rated = np.array(ratings.newly_rated(connection, after), np.int64)
    new = rated[base.rows(rated) < 0][:MOST].tolist()
    if not new:
        return before
    again = {movie_id: _folded(connection, base, movie_id) for movie_id in new}
    kept = {movie_id: movie for movie_id, movie in before.items() if movie_id not in again}
    return dict([*again.items(), *kept.items()][:MOST])


def with_cold_start_movies(base: Model, movies: Mapping[int, ColdStartMovie]) -> Model:
    """The model with those of the movies that still have a rating."""
    rated = {movie_id: movie for movie_id, movie in movies.items() if movie.raters}
    if not rated:
        return base
    factors, support, counts = zip(*rated.values(), strict=True)
    return base.with_movies(list(rated), np.array(factors), np.array(support), np.array(counts))


def _folded(connection: Connection, base: Model, movie_id: int) -> ColdStartMovie:
    vectors, scores = [], []
    for user_id in ratings.first_raters_of(connection, movie_id):
        rated = {rating.movie_id: rating.score for rating in ratings.of_user(connection, user_id)}
        if (score := rated.get(movie_id)) is not None:
            vectors.append(base.fold_in(list(rated), list(rated.values())))
            scores.append(score)
    if not scores:
        return ColdStartMovie(np.zeros(base.factors.shape[1], np.float32), 0, 0)
    liked = int((confidence(scores) > 0).sum())
    return ColdStartMovie(base.fold_in_movie(np.array(vectors), scores), liked, len(scores))
