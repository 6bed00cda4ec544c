"""Calls on people, whole files and tokens, and those that are too many or too large."""

from tests.api.call import CLEO, IMPORT, NO_TASK, NOBODY, PASSWORD, TWO, WORK, Call

OF_PEOPLE = (
    Call("a person", "POST", "/users", 201, body={"json": {"name": "Cleo"}}, keeps={"Cleo": "id"}),
    Call("the name is taken", "POST", "/users", 409, body={"json": {"name": "ben"}}),
    Call("by id", "GET", "/users", query=TWO),
    Call("one person", "GET", "/users/{user_id}", values=CLEO),
    Call("nobody", "GET", "/users/{user_id}", 404, values=NOBODY),
    Call("another name", "PATCH", "/users/{user_id}", values=CLEO, body={"json": {"name": "Cleopatra"}}),
    Call("the name is taken", "PATCH", "/users/{user_id}", 409, values=CLEO, body={"json": {"name": "Ben"}}),
    Call("others may ask", "PUT", "/users/{user_id}/together", values=CLEO, body={"json": {"allowed": True}}),
    Call("nobody", "PUT", "/users/{user_id}/together", 404, values=NOBODY, body={"json": {"allowed": True}}),
    Call("a link", "POST", "/users/{user_id}/invite", 201, values=CLEO),
    Call("nobody", "POST", "/users/{user_id}/invite", 404, values=NOBODY),
    Call("by id", "GET", "/accounts", query=TWO),
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
    Call("all", "GET", "/keys", query={"limit": 1}),
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
    Call("the merge of films", "POST", "/tasks/{task_id}/undo", 202, values={"task_id": "<movie_merge>"}),
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
OF_FILES = (
    Call("all movies", "GET", "/movies.csv"),
    Call("all ratings", "GET", "/ratings.csv"),
)
_LOGIN = {"username": "Ben", "password": PASSWORD}
OF_TOKENS = (
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
