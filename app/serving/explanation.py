"""Why a movie is recommended to a user or not: its preference, where that comes from, what keeps it out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from sqlalchemy.engine import Connection

from app.arrays import Floats
from app.movie import Movie
from app.rating import Rating, columns_of
from app.recommender.model import Model
from app.recommender.ranking import POPULARITY, Ranking, rank
from app.repository import movies
from app.serving.recommendations import Filters, Reason, Serving, Source
from app.serving.taste import Taste

Obstacle = Literal[
    "rated", "liked", "marked", "not_in_model", "excluded", "among", "min_ratings", "genre", "year", "decade"
]


@dataclass(frozen=True, slots=True)
class Exclusion:
    """What keeps a movie out of the list: a word for programs, a sentence for people."""

    reason: Obstacle
    detail: str


@dataclass(frozen=True)
class Explanation:
    """`preference` is the sum of all contributions: those of `because` and of `rest` further ratings.

    It is None, and so is `rank`, where the model predicts none. `rank`: the place that the movie has, or
    would have, among the `listed` movies that may be recommended, from 1.
    """

    movie: Movie
    source: Source
    excluded: list[Exclusion]
    preference: float | None = None
    rank: int | None = None
    listed: int | None = None
    because: tuple[Reason, ...] = ()
    rest: int = 0
    rest_contribution: float = 0.0


def explain(
    serving: Serving,
    taste: Taste,
    movie_id: int,
    filters: Filters,
    limit: int,
    popularity: float = POPULARITY,
) -> Explanation:
    """With the `limit` largest contributions, by size, those that speak for the movie first.

    `popularity`: as the list was asked for. Raises `NotFound` if there is no such movie.
    """
    movie, model = movies.get(serving.connection, movie_id), serving.model
    excluded = _exclusions(serving.connection, taste, movie, filters)
    rated, filters = taste.rated, taste.narrow(filters)
    ranking = None if model is None else _ranking(serving, model, rated, filters, popularity)
    if model is None or ranking is None or ranking.source != "personal":
        return Explanation(movie, "popular", excluded)
    listed = len(ranking.movie_ids)
    source: Source = "personal" if listed else "popular"  # as a list that would be empty
    if not serving.known([movie_id])[0]:
        excluded.append(Exclusion("not_in_model", "It is in no model yet: no user has rated it."))
        return Explanation(movie, source, excluded, listed=listed)
    parts = model.contributions(*columns_of(rated)[:2], [movie_id])[0]
    place, preference = _place(model, ranking, movie_id, float(parts.sum()))
    because, rest = _because(serving.connection, rated, parts, limit)
    return Explanation(
        movie, source, excluded, preference, place, listed, because, len(rest), float(rest.sum())
    )


def _ranking(
    serving: Serving, model: Model, rated: Sequence[Rating], filters: Filters, popularity: float
) -> Ranking:
    """Every movie that may be recommended, best first: the whole of what a list shows the start of."""
    mask = serving.mask(filters)
    every = len(model.movie_ids)
    return rank(model, *columns_of(rated), limit=every, mask=mask, fill_rated=False, popularity=popularity)


def _place(model: Model, ranking: Ranking, movie_id: int, predicted: float) -> tuple[int, float]:
    """The place of a movie and its preference: as the list has them if it is in there."""
    found = np.flatnonzero(ranking.movie_ids == movie_id)
    if len(found):
        return int(found[0]) + 1, float(ranking.preferences[found[0]])
    rows, row = model.rows(ranking.movie_ids), model.rows([movie_id])
    discount = np.float32(ranking.discount)
    worths = ranking.preferences - discount * model.familiarity[rows]
    own = np.float32(predicted) - discount * model.familiarity[row]
    ahead = (worths > own) | ((worths == own) & (model.order[rows] < model.order[row]))
    return int(ahead.sum()) + 1, predicted


def _because(
    connection: Connection, rated: Sequence[Rating], parts: Floats, limit: int
) -> tuple[tuple[Reason, ...], Floats]:
    """The ratings with the largest contributions, and the contributions of the rest."""
    order = np.argsort(-np.abs(parts), kind="stable")
    shown = order[:limit][np.argsort(-parts[order[:limit]], kind="stable")].tolist()
    by_id = movies.by_ids(connection, [rated[place].movie_id for place in shown])
    pairs = [(rated[place], float(parts[place])) for place in shown]
    because = tuple(Reason(by_id[r.movie_id], r.score, part) for r, part in pairs if r.movie_id in by_id)
    return because, parts[order[limit:]]


def _exclusions(connection: Connection, taste: Taste, movie: Movie, filters: Filters) -> list[Exclusion]:
    """What keeps the movie out of any list with these filters."""
    found = []
    if score := next((r.score for r in taste.rated if r.movie_id == movie.id), None):
        is_like = movie.id in taste.liked
        detail = "The user likes it." if is_like else f"The user has rated it: {score:g}."
        found.append(Exclusion("liked" if is_like else "rated", detail))
    if movie.id in taste.hidden:
        found.append(Exclusion("marked", "The user has watched it, or is not interested in it."))
    if movie.id in filters.exclude:
        found.append(Exclusion("excluded", "It is among the movies that the request excludes."))
    if filters.among is not None and movie.id not in filters.among:
        found.append(Exclusion("among", "It is not among the movies that the request asks for."))
    if movie.rating_count < filters.min_ratings:
        detail = f"{filters.min_ratings} ratings are asked for; it has {movie.rating_count}."
        found.append(Exclusion("min_ratings", detail))
    if filters.genre and movie.id not in movies.matching_ids(
        connection, genre=filters.genre, years=(None, None)
    ):
        genres = ", ".join(movie.genres) or "not known"
        found.append(Exclusion("genre", f"{filters.genre} is asked for; its genres are {genres}."))
    low, high = filters.year_from, filters.year_to
    is_early = low is not None and (movie.year is None or movie.year < low)
    if is_early or (high is not None and (movie.year is None or movie.year > high)):
        span = f"{low or 'any year'} to {high or 'any year'}"
        year = movie.year or "not known"
        found.append(Exclusion("year", f"The years {span} are asked for; its year is {year}."))
    if filters.decades and (movie.year or 0) // 10 * 10 not in filters.decades:
        asked = ", ".join(f"{decade}s" for decade in filters.decades)
        detail = f"The {asked} are asked for; its year is {movie.year or 'not known'}."
        found.append(Exclusion("decade", detail))
    return found
