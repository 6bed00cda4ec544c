"""A call of the conversation, and what several of them name."""

from dataclasses import dataclass, field
from typing import Any

PASSWORD = "correct horse battery staple"
RATINGS = "user_id,movie_id,score\n7,1,5\n7,2,0.5\n7,3,9\n"
LETTERBOXD = "Date,Name,Year,Letterboxd URI,Rating\n2024-01-01,Heat,1995,https://boxd.it/1,4\n"
MISSING = (
    "Date,Name,Year,Letterboxd URI,Rating\n"
    "2024-01-01,Heat,1995,https://boxd.it/1,4\n"
    "2024-01-02,A Film of Our Village,2021,https://boxd.it/2,4.5\n"
)
LINKS = "movieId,imdbId,tmdbId\n2571,0133093,603\n1270,0088763,105\n"
FORM = "application/x-www-form-urlencoded"
LINES = '{"movie_id": 1, "user_id": 7002, "score": 4}\n{"movie_id": 424242, "user_id": 7002, "score": 3}\n'


@dataclass(frozen=True)
class Call:
    """A request and the status that it gets. `body`: arguments of httpx, such as `json`; `caller`: who asks.

    `keeps`: name by name of a field of the answer. `until`: repeated until it gets that status.
    """

    name: str
    method: str
    path: str
    status: int = 200
    values: dict[str, Any] = field(default_factory=dict)
    query: dict[str, Any] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    caller: str = "Ada"
    keeps: dict[str, str] = field(default_factory=dict)
    until: int | None = None


class Work:
    """Every task that is queued runs."""


WORK = Work()
CSV = {"Content-Type": "text/csv", "X-Filename": "ratings.csv"}
MOVIE, NO_MOVIE = {"movie_id": 1}, {"movie_id": 424242}
NEW, NOBODY = {"movie_id": "<new_movie>"}, {"user_id": 424242}
SAMPLE_USER, CLEO = {"user_id": 1001}, {"user_id": "<Cleo>"}
IMPORT, REBUILD, NO_TASK = {"task_id": "<import>"}, {"task_id": "<rebuild>"}, {"task_id": "none"}
FIRST_MODEL, NO_MODEL = {"version": 1}, {"version": 9}
TWO = {"limit": 2}
JSON_LINES = {"Content-Type": "application/x-ndjson"}
RATED = {"user_id": 7001, "movie_id": 2}
SAMPLE_PAIR = {"user_id": 1001, "movie_id": 1}
NO_PAIR = {"user_id": 1001, "movie_id": 424242}
BEN, ROW = {"user_id": "<Ben>"}, {"user_id": "<Ben>", "number": 1}
