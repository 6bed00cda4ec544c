"""What a user's list is made from: ratings, likes that count as ratings, and movies that it must not hold."""

from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy.engine import Connection

from app import brief
from app.mark import LIKED_SCORE
from app.rating import Profile, Rating, columns_of
from app.repository import marks, ratings
from app.serving.recommendations import Filters
from app.storage import database_of

Watchlist = Literal["only", "without"]

BRIEF = 1_000
"""Ratings up to which a list is made in the event loop; beyond it takes more than some milliseconds."""


@dataclass(frozen=True, slots=True)
class Taste:
    """`rated`: with a rating of `LIKED_SCORE` for each of `liked`, by movie id.

    `liked`: those that have no rating. `hidden`: watched, or of no interest.
    """

    rated: Profile
    hidden: frozenset[int] = frozenset()
    watchlist: frozenset[int] = frozenset()
    liked: frozenset[int] = frozenset()

    @property
    def key(self) -> tuple[Any, ...]:
        """All that a list depends on, for its tag."""
        return self.rated.digest, sorted(self.hidden), sorted(self.watchlist)

    def narrow(self, filters: Filters, watchlist: Watchlist | None = None) -> Filters:
        """The filters without what marks hide, and with what the watchlist takes away, or leaves."""
        if self.hidden:
            filters = replace(filters, exclude=(*filters.exclude, *sorted(self.hidden)))
        if watchlist == "only":
            return replace(
                filters, among=self.watchlist if filters.among is None else filters.among & self.watchlist
            )
        if watchlist == "without":
            return replace(filters, exclude=(*filters.exclude, *sorted(self.watchlist)))
        return filters


def taste_of(connection: Connection, user_id: int) -> Taste:
    """A user's ratings and marks, of one transaction."""
    with database_of(connection).together(connection):
        profile, asked = ratings.ask_profile(connection, user_id), marks.ask_of(connection, user_id)
    rated = profile()
    if len(rated) > BRIEF:
        brief.leave()
    marked = asked()
    liked = frozenset[int]()
    if marked.liked:
        liked = frozenset(marked.liked) - set(rated.movie_ids.tolist())
        more = [Rating(user_id, movie_id, LIKED_SCORE, marked.liked[movie_id]) for movie_id in liked]
        every = sorted([*rated, *more], key=lambda rating: rating.movie_id)
        rated = Profile(user_id, *columns_of(every))
    return Taste(rated, marked.hidden, marked.watchlist, liked)
