"""The calls of `conversation`, in order. One more operation is one more line here, and the command there."""

from tests.api.call import (
    CSV,
    FIRST_MODEL,
    IMPORT,
    LETTERBOXD,
    NO_MODEL,
    NO_TASK,
    RATINGS,
    REBUILD,
    TWO,
    WORK,
    Call,
)
from tests.api.movie_calls import OF_MARKS, OF_MOVIES, OF_RATINGS
from tests.api.people_calls import OF_FILES, OF_PEOPLE, OF_TOKENS
from tests.api.player_calls import OF_PLAYERS

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
    Call("newest first", "GET", "/imports", query={"limit": 1}),
    Call("no such state", "GET", "/imports", 422, query={"status": "lost"}),
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
CALLS = (
    _OPERATIONS
    + _IMPORTS
    + _TASKS
    + _MODEL
    + OF_MOVIES
    + OF_RATINGS
    + OF_MARKS
    + OF_PEOPLE
    + OF_PLAYERS
    + OF_FILES
    + OF_TOKENS
)
