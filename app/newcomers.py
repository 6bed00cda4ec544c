"""Movies that the model was built without: folded in from their first raters, with no rebuild."""

from collections import defaultdict

import numpy as np
from sqlalchemy.engine import Connection

from app.recommender.model import Model
from app.repository import ratings

MOST = 50
"""Movies that are folded in at most, those rated last first: more of them are a reason to rebuild."""


def with_newcomers(connection: Connection, model: Model) -> Model:
    """The model with the movies that were rated through the API and that it does not have."""
    raters: dict[int, list[int]] = defaultdict(list)
    for movie_id, user_id in ratings.first_raters(connection):
        raters[movie_id].append(user_id)
    movie_ids = np.array(list(raters), np.int64)
    new = movie_ids[model.rows(movie_ids) < 0][:MOST]
    if not len(new):
        return model
    rows = [_fold_in(connection, model, movie_id, raters[movie_id]) for movie_id in new.tolist()]
    factors, support, counts = (np.array(column) for column in zip(*rows, strict=True))
    rated = counts > 0
    return model.with_movies(new[rated], factors[rated], support[rated], counts[rated])


def _fold_in(
    connection: Connection, model: Model, movie_id: int, users: list[int]
) -> tuple[np.ndarray[tuple[int], np.dtype[np.float32]], int, int]:
    """Factors of the movie, how many liked it, how many rated it."""
    vectors, scores = [], []
    for user_id in users:
        rated = {rating.movie_id: rating.score for rating in ratings.of_user(connection, user_id)}
        if (score := rated.get(movie_id)) is not None:
            vectors.append(model.fold_in(list(rated), list(rated.values())))
            scores.append(score)
    if not scores:
        return np.zeros(model.factors.shape[1], np.float32), 0, 0
    liked = sum(score > 1.5 for score in scores)
    return model.fold_in_movie(np.array(vectors), scores), liked, len(scores)
