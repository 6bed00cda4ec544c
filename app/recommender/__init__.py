"""Ratings in, ranked movies out. `build_model` and `recommend_for_user` are the whole in one call each."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from app.recommender.als import train
from app.recommender.interactions import Interactions
from app.recommender.model import Model
from app.recommender.ranking import rank


class Recommendations(Mapping[int, list[int]]):
    """Maps a user id to all movie ids, best first; each list is computed on access."""

    def __init__(self, interactions: Interactions, model: Model) -> None:
        self._interactions = interactions
        self._model = model

    def best(self, user_id: int, limit: int) -> list[int]:
        """The `limit` best movie ids; the most popular ones for a user without ratings."""
        part = self._interactions.row(user_id)
        table = self._interactions.scores
        ids = self._interactions.movie_ids[table.indices[part]]
        ranking = rank(self._model, ids, table.values[part], np.zeros(len(ids)), limit=limit)
        return [int(movie) for movie in ranking.movie_ids]

    def __getitem__(self, user_id: int) -> list[int]:
        part = self._interactions.row(user_id)
        if part.start == part.stop:
            raise KeyError(user_id)
        return self.best(user_id, len(self._model.movie_ids))

    def __iter__(self) -> Iterator[int]:
        return (int(user) for user in self._interactions.user_ids)

    def __len__(self) -> int:
        return len(self._interactions.user_ids)


def build_model(ratings: Iterable[Mapping[str, Any]]) -> Recommendations:
    """Train on rows with `user_id`, `movie_id`, `score`; the last one for a user and movie counts."""
    rows = [(row["user_id"], row["movie_id"], row["score"]) for row in ratings]
    users, movies, scores = zip(*rows, strict=True) if rows else ((), (), ())
    interactions = Interactions.from_arrays(users, movies, scores)
    return Recommendations(interactions, train(interactions))


def recommend_for_user(ratings: Iterable[Mapping[str, Any]], user_id: int, k: int = 5) -> list[int]:
    """The `k` best movie ids for a user; the most popular ones for a user without ratings."""
    return build_model(ratings).best(user_id, k)
