"""Recommendations from the active model: plain lists of ids, rich ones with reasons, similar movies."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from sqlalchemy.engine import Connection

from app.arrays import Mask
from app.movie import Movie
from app.rating import Rating, columns_of
from app.recommender.model import Model
from app.recommender.ranking import POPULARITY, Ranking, avoided, rank
from app.repository import movies

REASONS = 3
"""Ratings that a recommendation names as its reasons at most; none is below the user's mean score, if they
have one in the list that is not, else the highest are named."""

Source = Literal["personal", "own", "popular"]


@dataclass(frozen=True, slots=True)
class Filters:
    """Which movies may be listed. `among`: these alone; None: all. `min_ratings`: that a movie has.

    `decades`: the first years of those that count; none: all.
    """

    genre: str | None = None
    year_from: int | None = None
    year_to: int | None = None
    exclude: tuple[int, ...] = ()
    among: frozenset[int] | None = None
    min_ratings: int = 0
    decades: tuple[int, ...] = ()

    @property
    def any(self) -> bool:
        return self != Filters()

    @property
    def years(self) -> tuple[int | None, int | None]:
        return self.year_from, self.year_to

    @property
    def of_movies(self) -> bool:
        """Whether they ask what only the database knows."""
        return self.genre is not None or self.years != (None, None) or bool(self.decades)

    @property
    def asked(self) -> dict[str, Any]:
        """That, as queries on movies take it."""
        return {"genre": self.genre, "years": self.years, "decades": self.decades}


class Reason(NamedTuple):
    """A rated movie, its score, and what it adds to the preference for the recommended one."""

    movie: Movie
    score: float
    contribution: float


class Recommendation(NamedTuple):
    """A movie, the preference for it (about 1 for a liked one, 0 without a model), and the reasons."""

    movie: Movie
    preference: float
    because: list[Reason]


@dataclass(frozen=True)
class Serving:
    """What one request is served from: transaction, active model, and its existing movies (None: all).

    `state`: versions that a list depends on beside the user's ratings and the model's version; `shown`: one
    more for a list that is not personal. Both were read before anything that is shown.
    """

    connection: Connection
    model: Model | None
    existing: Mask | None = None
    state: tuple[int, ...] = ()
    shown: int = 0
    _masks: dict[tuple[Any, ...], Mask] = field(default_factory=dict)

    @property
    def version(self) -> int:
        """0 while there is no model."""
        return self.model.version if self.model else 0

    def known(self, movie_ids: ArrayLike) -> Mask:
        """[movie_ids]: which of them the model has and still exist."""
        if self.model is None:
            return np.zeros(len(np.asarray(movie_ids)), np.bool_)
        rows = self.model.rows(movie_ids)
        found: Mask = rows >= 0
        if self.existing is not None:
            found &= np.append(self.existing, False)[rows]
        return found

    def plain(
        self, rated: Sequence[Rating], limit: int, hidden: frozenset[int] = frozenset()
    ) -> tuple[list[int], Source]:
        """Movie ids, best first: unrated movies by preference; rated ones fill up a short list.

        Without a preference the popular ones stand for it. None of `hidden` is listed, rated or not.
        """
        if self.model is None:
            return self._filled([], rated, limit, hidden), "popular"
        mask = self.mask(Filters(exclude=tuple(hidden)))
        if hidden:  # the mask says nothing of movies outside the model
            known = self.model.rows(columns_of(rated)[0]) >= 0
            pairs = zip(rated, known.tolist(), strict=True)
            rated = [one for one, is_known in pairs if is_known or one.movie_id not in hidden]
        ranking = _rank(self.model, rated, limit, mask)
        ids: list[int] = ranking.movie_ids.tolist()
        if not ids:
            return self._filled([], rated, limit, hidden), "popular"
        if len(ids) < limit and ranking.source != "personal":
            ids = self._filled(ids, rated, limit, hidden)
        return ids, ranking.source

    def _filled(
        self, ids: list[int], rated: Sequence[Rating], limit: int, hidden: frozenset[int]
    ) -> list[int]:
        """The list, then the popular movies, then the user's other rated ones, best first."""
        seen = hidden.union(ids)
        best = sorted(rated, key=lambda rating: (-rating.score, -rating.rated_at, rating.movie_id))
        own = [rating.movie_id for rating in best if rating.movie_id not in seen]
        listed = seen.union(own)
        popular = (movie.id for movie in movies.popular(self.connection, limit=limit + len(listed)))
        return (ids + [movie_id for movie_id in popular if movie_id not in listed] + own)[:limit]

    def rich(
        self,
        rated: Sequence[Rating],
        limit: int,
        filters: Filters,
        diversity: float = 0.0,
        *,
        mean: float | None = None,
        reasons: bool = True,
        popularity: float = POPULARITY,
        step: Callable[[], None] = lambda: None,
    ) -> tuple[list[Recommendation], Source]:
        """Movies with titles and reasons, never one that the user rated. Personal, else popular.

        `mean`: of the user's scores, if there are more than those in `rated`. `reasons`: False leaves them
        out, which costs less. `popularity`, from 0 (hidden gems) to 1 (well known), moves the order of a
        personal list alone. `step` is called every few
        milliseconds of a long calculation; it may raise to end it.
        """
        ranking = None
        if self.model is not None:
            mask = self.mask(filters)
            ranking = _rank(
                self.model, rated, limit, mask, fill=False, diversity=diversity, popularity=popularity
            )
        if ranking is None or ranking.source != "personal" or not len(ranking.movie_ids):
            return [Recommendation(m, 0.0, []) for m in self._popular(rated, limit, filters)], "popular"
        explained = self._explained(rated, ranking, mean, step) if reasons else self._titled(ranking)
        return explained, "personal"

    def _popular(self, rated: Sequence[Rating], limit: int, filters: Filters) -> list[Movie]:
        hidden = {rating.movie_id for rating in rated} | set(filters.exclude)
        last = set(avoided(self.model, *columns_of(rated)).tolist()) if self.model else set[int]()
        if filters.among is not None:
            found = self._popular_of(filters.among, filters)
        else:
            most = limit + len(hidden) + len(last)
            found = movies.popular(self.connection, limit=most, **filters.asked)
        shown = [m for m in found if m.id not in hidden and m.rating_count >= filters.min_ratings]
        return sorted(shown, key=lambda movie: movie.id in last)[:limit]

    def _popular_of(self, ids: frozenset[int], filters: Filters) -> list[Movie]:
        if filters.of_movies:
            ids &= set(movies.matching_ids(self.connection, **filters.asked))
        found = movies.by_ids(self.connection, ids)
        return sorted(found.values(), key=lambda movie: (-movie.rating_count, movie.id))

    def mask(self, filters: Filters) -> Mask | None:
        if self.model is None or not filters.any:
            return self.existing
        every = np.ones(len(self.model.movie_ids), np.bool_)
        mask: Mask = every if self.existing is None else self.existing.copy()
        if filters.of_movies:
            mask &= self._matching(self.model, filters)
        if filters.among is not None:
            mask &= self._among(filters.among)
        mask &= self.model.counts >= filters.min_ratings
        return mask & ~self._among(filters.exclude)

    def _matching(self, model: Model, filters: Filters) -> Mask:
        asked = tuple(filters.asked.values())
        if asked not in self._masks:
            wanted = movies.matching_ids(self.connection, **filters.asked)
            self._masks[asked] = np.isin(model.movie_ids, wanted)
        return self._masks[asked]

    def _among(self, ids: Iterable[int]) -> Mask:
        """[movies of the model]: which of them are among these."""
        found = np.zeros(len(self.model.movie_ids) + 1 if self.model else 0, np.bool_)
        if self.model is not None:
            found[self.model.rows(list(ids))] = True  # the row of those outside is -1
        return found[:-1]

    def _titled(self, ranking: Ranking) -> list[Recommendation]:
        by_id = movies.by_ids(self.connection, ranking.movie_ids.tolist())
        pairs = zip(ranking.movie_ids.tolist(), ranking.preferences.tolist(), strict=True)
        return [Recommendation(by_id[i], preference, []) for i, preference in pairs if i in by_id]

    def _explained(
        self, rated: Sequence[Rating], ranking: Ranking, mean: float | None, step: Callable[[], None]
    ) -> list[Recommendation]:
        if ranking.user is None:
            return []
        movie_ids, scores, _ = columns_of(rated)
        liked = scores >= min(scores.mean() if mean is None else mean, scores.max())
        places, parts = ranking.user.strongest(ranking.movie_ids, REASONS, liked, step)
        listed: list[int] = ranking.movie_ids.tolist()
        by_id = movies.by_ids(self.connection, {*listed, *movie_ids[places[places >= 0]].tolist()})
        columns = (movie_ids[places].tolist(), scores[places].tolist(), parts.tolist())

        def because(row: int) -> list[Reason]:
            reasons = zip(*(column[row] for column in columns), strict=True)
            return [Reason(by_id[i], score, part) for i, score, part in reasons if part > 0 and i in by_id]

        return [
            Recommendation(by_id[movie_id], preference, because(row))
            for row, (movie_id, preference) in enumerate(
                zip(listed, ranking.preferences.tolist(), strict=True)
            )
            if movie_id in by_id
        ]

    def similar(self, movie_id: int, limit: int) -> list[tuple[Movie, float]]:
        """Movies that the same users like, with their likeness (1 at most), best first. Raises `NotFound`."""
        movies.get(self.connection, movie_id)
        if self.model is None:
            return []
        ids, likeness = self.model.similar(movie_id, limit)
        by_id = movies.by_ids(self.connection, ids.tolist())
        return [(by_id[i], c) for i, c in zip(ids.tolist(), likeness.tolist(), strict=True) if i in by_id]


def _rank(
    model: Model,
    rated: Sequence[Rating],
    limit: int,
    mask: Mask | None,
    *,
    fill: bool = True,
    diversity: float = 0.0,
    popularity: float = POPULARITY,
) -> Ranking:
    options: dict[str, Any] = {"fill_rated": fill, "diversity": diversity, "popularity": popularity}
    return rank(model, *columns_of(rated), limit=limit, mask=mask, **options)
