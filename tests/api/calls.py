"""The calls of `conversation`, in order. One more operation is one more line here, and the command there."""

from dataclasses import dataclass, field
from typing import Any

PASSWORD = "correct horse battery staple"
RATINGS = "user_id,movie_id,score\n7,1,5\n7,2,0.5\n7,3,9\n"
LETTERBOXD = "Date,Name,Year,Letterboxd URI,Rating\n2024-01-01,Heat,1995,https://boxd.it/1,4\n"
FORM = "application/x-www-form-urlencoded"


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

_OPERATIONS = (
    Call("well", "GET", "/health", caller=""),
    Call("alive", "GET", "/health/live", caller=""),
    Call("ready", "GET", "/health/ready"),
    Call("who is asking", "GET", "/status", 401, caller=""),
    Call("not for viewers", "GET", "/status", 403, caller="Ben"),
    Call("for editors", "GET", "/status"),
    Call("unknown host", "GET", "/status", 421, headers={"Host": "films.example"}),
)
_IMPORTS = (
    Call("the sample", "POST", "/imports", 202, keeps={"sample": "task_id"}),
    Call("a form", "POST", "/imports", 202, body={"files": {"file": ("ratings.csv", RATINGS)}}),
    Call(
        "a CSV", "POST", "/imports", 202, body={"content": RATINGS}, headers=CSV, keeps={"import": "task_id"}
    ),
    Call("whose", "POST", "/imports", 422, body={"content": LETTERBOXD}, headers=CSV),
    Call("a picture", "POST", "/imports", 415, body={"content": "x"}, headers={"Content-Type": "image/png"}),
    Call("queued", "GET", "/imports/{task_id}", values=IMPORT),
    Call("queued", "GET", "/tasks/{task_id}", values=IMPORT, headers={"Prefer": "wait=0"}),
    Call(
        "a task to cancel",
        "POST",
        "/imports",
        202,
        body={"content": RATINGS},
        headers=CSV,
        keeps={"cancelled": "task_id"},
    ),
    Call("cancelled", "POST", "/tasks/{task_id}/cancel", values={"task_id": "<cancelled>"}),
    Call("no such task", "POST", "/tasks/{task_id}/cancel", 404, values=NO_TASK),
    Call("too early", "POST", "/imports/{task_id}/undo", 409, values=IMPORT),
    WORK,
    Call("complete", "GET", "/imports/{task_id}", values=IMPORT),
    Call("no such import", "GET", "/imports/{task_id}", values=NO_TASK),
    Call("rows that were refused", "GET", "/imports/{task_id}/rejects", values=IMPORT),
    Call("no rejects", "GET", "/imports/{task_id}/rejects", 404, values={"task_id": "<cancelled>"}),
)
_TASKS = (
    Call("one page", "GET", "/tasks", query=TWO),
    Call("no such kind", "GET", "/tasks", 422, query={"kind": "dance"}),
    Call("complete", "GET", "/tasks/{task_id}", values=IMPORT),
    Call("no such task", "GET", "/tasks/{task_id}", 404, values=NO_TASK),
    Call("another's", "GET", "/tasks/{task_id}", 403, values=IMPORT, caller="Ben"),
    Call("from start to end", "GET", "/tasks/{task_id}/events", values=IMPORT),
    Call("no such task", "GET", "/tasks/{task_id}/events", 404, values=NO_TASK),
    Call("once more", "POST", "/tasks/{task_id}/retry", 202, values={"task_id": "<cancelled>"}),
    Call("it is complete", "POST", "/tasks/{task_id}/retry", 409, values=IMPORT),
    Call("no such task", "POST", "/tasks/{task_id}/retry", 404, values=NO_TASK),
    WORK,
)
_MODEL = (
    Call("a rebuild", "POST", "/recommender/rebuild", 202, keeps={"rebuild": "task_id"}),
    Call("for editors", "POST", "/recommender/rebuild", 403, caller="Ben"),
    Call("queued", "GET", "/recommender/rebuild/{task_id}", values=REBUILD),
    WORK,
    Call("complete", "GET", "/recommender/rebuild/{task_id}", values=REBUILD),
    Call("no such rebuild", "GET", "/recommender/rebuild/{task_id}", values=NO_TASK),
    Call("newest first", "GET", "/models", query={"limit": 1}),
    Call("the first", "GET", "/models/{version}", values=FIRST_MODEL),
    Call("no such version", "GET", "/models/{version}", 404, values=NO_MODEL),
    Call("back to the first", "POST", "/models/{version}/activate", values=FIRST_MODEL),
    Call("no such version", "POST", "/models/{version}/activate", 404, values=NO_MODEL),
)
_MOVIES = (
    Call(
        "a film",
        "POST",
        "/movies",
        201,
        body={"json": {"title": "Persona", "year": 1966, "genre": "Drama"}},
        keeps={"new_movie": "id"},
    ),
    Call("no title", "POST", "/movies", 422, body={"json": {"title": "", "year": 1700}}),
    Call("by their titles", "GET", "/movies", query={"query": "star", **TWO}),
    Call("no such cursor", "GET", "/movies", 400, query={"cursor": "x"}),
    Call("the best", "GET", "/movies/top", query=TWO),
    Call("the most rated", "GET", "/movies/popular", query=TWO),
    Call("the newest", "GET", "/movies/new", query=TWO),
    Call("one film", "GET", "/movies/{movie_id}", values=MOVIE),
    Call("no such film", "GET", "/movies/{movie_id}", 404, values=NO_MOVIE),
    Call("its scores", "GET", "/movies/{movie_id}/histogram", values=MOVIE),
    Call("no such film", "GET", "/movies/{movie_id}/histogram", 404, values=NO_MOVIE),
    Call("alike", "GET", "/movies/{movie_id}/similar", values=MOVIE, query=TWO),
    Call(
        "all of it",
        "PUT",
        "/movies/{movie_id}",
        values=NEW,
        body={"json": {"title": "Persona", "year": 1966}},
    ),
    Call(
        "no such film", "PUT", "/movies/{movie_id}", 404, values=NO_MOVIE, body={"json": {"title": "Persona"}}
    ),
    Call("it has ratings", "DELETE", "/movies/{movie_id}", 409, values=MOVIE),
    Call("without ratings", "DELETE", "/movies/{movie_id}", 204, values=NEW),
    Call("no such film", "DELETE", "/movies/{movie_id}", 404, values=NO_MOVIE),
    Call("all of them", "GET", "/genres"),
)
_RATINGS = (
    Call("the first", "POST", "/ratings", 201, body={"json": {"movie_id": 1, "user_id": 7001, "score": 4}}),
    Call("another", "POST", "/ratings", 200, body={"json": {"movie_id": 1, "user_id": 7001, "score": 4.5}}),
    Call(
        "no such film",
        "POST",
        "/ratings",
        404,
        body={"json": {"movie_id": 424242, "user_id": 7001, "score": 4}},
    ),
    Call(
        "no half step", "POST", "/ratings", 422, body={"json": {"movie_id": 1, "user_id": 7001, "score": 4.2}}
    ),
    Call(
        "another's",
        "POST",
        "/ratings",
        403,
        body={"json": {"movie_id": 1, "user_id": 7001, "score": 4}},
        caller="Ben",
    ),
    Call("by user", "GET", "/ratings", query={"user_id": 1001, **TWO}),
    Call("newest first", "GET", "/users/{user_id}/ratings", values=SAMPLE_USER, query=TWO),
    Call("for one", "GET", "/recommendations/{user_id}", values=SAMPLE_USER, query={"limit": 3}),
    Call("nothing there", "GET", "/recommendations/{user_id}", 404, values={"user_id": "1/2"}),
    Call("with reasons", "GET", "/users/{user_id}/recommendations", values=SAMPLE_USER, query=TWO),
    Call(
        "for anybody",
        "POST",
        "/recommendations",
        body={"json": {"ratings": [{"movie_id": 1, "score": 5}], "limit": 2}},
    ),
    Call(
        "no longer", "DELETE", "/ratings/{user_id}/{movie_id}", 204, values={"user_id": 7001, "movie_id": 1}
    ),
    Call(
        "not rated", "DELETE", "/ratings/{user_id}/{movie_id}", 404, values={"user_id": 7001, "movie_id": 1}
    ),
)
_PEOPLE = (
    Call("a person", "POST", "/users", 201, body={"json": {"name": "Cleo"}}, keeps={"Cleo": "id"}),
    Call("the name is taken", "POST", "/users", 409, body={"json": {"name": "ben"}}),
    Call("by id", "GET", "/users", query=TWO),
    Call("one person", "GET", "/users/{user_id}", values=CLEO),
    Call("nobody", "GET", "/users/{user_id}", 404, values=NOBODY),
    Call("another name", "PATCH", "/users/{user_id}", values=CLEO, body={"json": {"name": "Cleopatra"}}),
    Call("the name is taken", "PATCH", "/users/{user_id}", 409, values=CLEO, body={"json": {"name": "Ben"}}),
    Call("a link", "POST", "/users/{user_id}/invite", 201, values=CLEO),
    Call("nobody", "POST", "/users/{user_id}/invite", 404, values=NOBODY),
    Call("by id", "GET", "/accounts"),
    Call("an editor", "PUT", "/users/{user_id}/account", values=CLEO, body={"json": {"role": "editor"}}),
    Call(
        "no account", "PUT", "/users/{user_id}/account", 404, values=NOBODY, body={"json": {"role": "editor"}}
    ),
    Call(
        "the last admin",
        "PUT",
        "/users/{user_id}/account",
        409,
        values={"user_id": "<Ada>"},
        body={"json": {"role": "viewer"}},
    ),
    Call(
        "a key",
        "POST",
        "/keys",
        201,
        body={"json": {"name": "script", "role": "viewer", "user_id": "<Cleo>"}},
        keeps={"prefix": "prefix"},
    ),
    Call("all", "GET", "/keys"),
    Call("revoked", "DELETE", "/keys/{prefix}", 204, values={"prefix": "<prefix>"}),
    Call("no such key", "DELETE", "/keys/{prefix}", 404, values={"prefix": "matinee_0"}),
    Call("no longer", "DELETE", "/users/{user_id}/account", 204, values=CLEO),
    Call("no account", "DELETE", "/users/{user_id}/account", 404, values=CLEO),
    Call(
        "two into one",
        "POST",
        "/users/{user_id}/merge",
        202,
        values=CLEO,
        body={"json": {"from": 7}},
        keeps={"merge": "task_id"},
    ),
    Call("nobody", "POST", "/users/{user_id}/merge", 404, values=NOBODY, body={"json": {"from": 7}}),
    WORK,
    Call("merged", "GET", "/tasks/{task_id}", values={"task_id": "<merge>"}),
    Call("the merge", "POST", "/tasks/{task_id}/undo", 202, values={"task_id": "<merge>"}),
    Call("no such task", "POST", "/tasks/{task_id}/undo", 404, values=NO_TASK),
    WORK,
    Call("the import", "POST", "/imports/{task_id}/undo", 202, values=IMPORT),
    Call("no such import", "POST", "/imports/{task_id}/undo", 404, values=NO_TASK),
    WORK,
    Call("all that is kept", "GET", "/users/{user_id}/export", values={"user_id": 7}),
    Call("nothing is kept", "GET", "/users/{user_id}/export", 404, values=NOBODY),
    Call("forgotten", "DELETE", "/users/{user_id}", values=CLEO),
    Call("nothing is kept", "DELETE", "/users/{user_id}", 404, values=NOBODY),
    Call("newest first", "GET", "/audit", query=TWO),
)
_FILES = (
    Call("all movies", "GET", "/movies.csv"),
    Call("all ratings", "GET", "/ratings.csv"),
)
_LOGIN = {"username": "Ben", "password": PASSWORD}
_TOKENS = (
    Call(
        "a login",
        "POST",
        "/token",
        body={"data": {"grant_type": "password", **_LOGIN}},
        caller="",
        keeps={"refresh": "refresh_token"},
    ),
    Call("wrong password", "POST", "/token", 401, body={"data": {**_LOGIN, "password": "wrong"}}, caller=""),
    Call("no password", "POST", "/token", 400, body={"data": {"username": "Ben"}}, caller=""),
    Call("the end", "POST", "/token/revoke", body={"data": {"token": "<refresh>"}}, caller=""),
    Call("too many", "POST", "/imports", 429, headers={"Content-Type": "image/png"}, caller="Eve", until=429),
    Call("too large", "POST", "/movies", 413, body={"json": {"title": "x" * 1_100_000}}),
)

CALLS = _OPERATIONS + _IMPORTS + _TASKS + _MODEL + _MOVIES + _RATINGS + _PEOPLE + _FILES + _TOKENS
