"""What a caller wishes of a list of recommendations: which movies may be in it, and in which order."""

from typing import Annotated

from fastapi import Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from app.api.values import MOST, NUMBER, Decade, Genre, Id, Share, Year
from app.rating import MAX_ID
from app.recommender.ranking import POPULARITY
from app.serving.recommendations import Filters

MOST_AMONG = 10_000
"""Ids in `among` of a body; in a query it is `MOST`."""
MOST_DECADES = 40
"""All that there are."""

Least = Annotated[int, Field(ge=0, le=MAX_ID)]
Popularity = Annotated[
    Share,
    Query(description="0: hidden gems; 1: well known movies; it moves the order, not the preferences"),
]
Diversity = Annotated[
    Share,
    Query(
        description="0: by preference alone; 1: as different from each other as can be, among movies with at "
        "least half of the best preference"
    ),
]


async def _filters(  # async: a sync one would run in a thread
    genre: Annotated[Genre | None, Query(description="movies of this genre alone")] = None,
    year_from: Annotated[Year | None, Query(description="released in this year or later")] = None,
    year_to: Annotated[Year | None, Query(description="released in this year or earlier")] = None,
    decade: Annotated[
        list[Decade] | None,
        Query(max_length=MOST_DECADES, description="1990: from 1990 to 1999; repeated: any of them"),
    ] = None,
    exclude: Annotated[
        list[Id] | None, Query(max_length=MOST, description="ids of movies that are left out")
    ] = None,
    among: Annotated[
        list[Id] | None, Query(max_length=MOST, description="ids of movies: these alone may be listed")
    ] = None,
    min_ratings: Annotated[
        Least, Query(description="movies that so many users or more have rated alone")
    ] = 0,
) -> Filters:
    only = None if among is None else frozenset(among)
    years = (year_from, year_to)
    return Filters(genre, *years, tuple(exclude or ()), only, min_ratings, tuple(decade or ()))


FiltersDependency = Annotated[Filters, Depends(_filters)]
"""The filters in a query. Every one of them has to hold."""


class Wanted(BaseModel):
    """Which movies may be listed, and how well known they are to be.

    `decades`: 1990 is 1990 to 1999; any of them. `among`: these ids alone. `min_ratings`: movies that so many
    users or more have rated. `popularity`, 0 (hidden gems) to 1 (well known), moves the order and no
    preference.
    """

    model_config = ConfigDict(extra="forbid")

    genre: Genre | None = None
    year_from: Annotated[Year, NUMBER] | None = None
    year_to: Annotated[Year, NUMBER] | None = None
    decades: Annotated[list[Annotated[Decade, NUMBER]], Field(max_length=MOST_DECADES)] = []
    exclude: Annotated[list[Annotated[Id, NUMBER]], Field(max_length=MOST)] = []
    among: Annotated[list[Annotated[Id, NUMBER]], Field(max_length=MOST_AMONG)] | None = None
    min_ratings: Annotated[Least, NUMBER] = 0
    popularity: Annotated[Share, NUMBER] = POPULARITY

    @property
    def filters(self) -> Filters:
        only = None if self.among is None else frozenset(self.among)
        years = (self.year_from, self.year_to)
        return Filters(self.genre, *years, tuple(self.exclude), only, self.min_ratings, tuple(self.decades))


class Wish(Wanted):
    """`diversity`, 0 to 1: how different from each other the movies are to be."""

    diversity: Annotated[Share, NUMBER] = 0.0
