"""What a user's list is made from: ratings, likes that count as ratings, and movies that it must not hold."""

from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy.engine import Connection

from app.mark import LIKED_SCORE
from app.rating import Rating
from app.repository import marks, ratings
from app.serving.recommendations import Filters

Watchlist = Literal["only", "without"]


@dataclass(frozen=True, slots=True)
class Taste:
    """`rated`: with a rating of `LIKED_SCORE` for each liked movie that has none, by movie id.

    `hidden`: watched, or of no interest.
    """

    rated: list[Rating]
    hidden: frozenset[int] = frozenset()
    watchlist: frozenset[int] = frozenset()

    @property
    def key(self) -> tuple[Any, ...]:
        """All that a list depends on, for its tag."""
        rated = [(rating.movie_id, rating.score, rating.rated_at) for rating in self.rated]
        return rated, sorted(self.hidden), sorted(self.watchlist)

    def narrow(self, filters: Filters, watchlist: Watchlist | None) -> Filters:
        """The filters with what the watchlist takes away, or leaves."""
        if watchlist == "only":
            return replace(filters, only=self.watchlist)
        if watchlist == "without":
            return replace(filters, exclude=(*filters.exclude, *sorted(self.watchlist)))
        return filters


def taste_of(connection: Connection, user_id: int) -> Taste:
    """A user's ratings and marks, of one transaction."""
    rated = ratings.of_user(connection, user_id)
    marked = marks.of_user(connection, user_id)
    if marked.liked:
        scored = {rating.movie_id for rating in rated}
        liked = (item for item in marked.liked.items() if item[0] not in scored)
        rated += [Rating(user_id, movie_id, LIKED_SCORE, at) for movie_id, at in liked]
        rated.sort(key=lambda rating: rating.movie_id)
    return Taste(rated, marked.hidden, marked.watchlist)
