"""Every route of the application and who may call it: one line each. A route without a line fails."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient
from starlette.routing import Mount

from app.api.edge import rules
from app.api.edge.rules import Rule, dependencies_of, rule_of
from app.config import Settings
from app.main import create_app
from app.repository import accounts
from tests.house import House
from tests.town import Row, Town

# rule, status of those who may, method, path, then: a query, a body (JSON, or the name of one in BODIES).
# Status "any": whatever is neither a refusal nor a 5xx. <user>: whom the call is about; {user_id} is theirs,
# {task_id} an import of theirs that is complete.
TABLE = """
ALIVE     200  GET     /health
ALIVE     200  GET     /health/live
READY     200  GET     /health/ready
METRICS   200  GET     /metrics
EDITOR    200  GET     /status
VIEWER    200  GET     /openapi.json

EDITOR    201  POST    /movies                           {"title": "A"}
VIEWER    200  GET     /movies                           ?query=toy
VIEWER    200  GET     /movies/top
VIEWER    200  GET     /movies/popular
VIEWER    200  GET     /movies/new
VIEWER    200  GET     /movies/{movie_id}
VIEWER    200  GET     /movies/{movie_id}/histogram
VIEWER    200  GET     /movies/{movie_id}/similar
EDITOR    404  POST    /movies/{movie_id}/merge          {"from": 999999}
EDITOR    200  PUT     /movies/{movie_id}                {"title": "B"}
EDITOR    200  PATCH   /movies/{movie_id}                {"year": 1999}
EDITOR    204  DELETE  /movies/{movie_id}                ?force=true
VIEWER    200  GET     /movies.csv
VIEWER    200  GET     /genres

OWN       201  POST    /ratings                          {"user_id": <user>, "movie_id": 2, "score": 4.5}
OWN_ROWS  200  POST    /ratings/batch    {"ratings": [{"user_id": <user>, "movie_id": 1, "score": 4}]}
OWN       200  GET     /ratings                          ?user_id=<user>
OWN       204  DELETE  /ratings/{user_id}/{movie_id}
EDITOR    200  GET     /ratings.csv
OWN       200  GET     /users/{user_id}/ratings
OWN       any  PUT     /users/{user_id}/ratings/{movie_id}   {"score": 4}
OWN       200  GET     /users/{user_id}/ratings/{movie_id}
OWN       204  DELETE  /users/{user_id}/ratings/{movie_id}
OWN       200  GET     /users/{user_id}/recommendations
OWN       200  GET     /users/{user_id}/movies/{movie_id}/explanation
OWN       200  GET     /users/{user_id}/feedback
OWN       200  PUT     /users/{user_id}/feedback/{movie_id}   {"watched": true, "like": false}
OWN       200  GET     /users/{user_id}/waiting
OWN       404  PUT     /users/{user_id}/waiting/{number}      {"movie_id": 1}
OWN       404  DELETE  /users/{user_id}/waiting/{number}
OWN       200  GET     /recommendations/{user_id}
VIEWER    200  POST    /recommendations                  {"ratings": [{"movie_id": 1, "score": 5}]}
EDITOR    202  POST    /recommendations/dump
EDITOR    any  GET     /tasks/{task_id}/result
EDITOR    200  POST    /recommendations/batch            {"user_ids": [<user>]}
AMONG     200  POST    /recommendations/together         {"users": [<user>, <willing>]}

ADMIN     201  POST    /users                            {"name": "<new>"}
VIEWER    200  GET     /users
VIEWER    200  GET     /users/{user_id}
ADMIN     200  PATCH   /users/{user_id}                  {"name": "<new>"}
OWN       200  PUT     /users/{user_id}/together         {"allowed": true}

OWN       202  POST    /imports                          ?user_id=<user> LETTERBOXD
VIEWER    200  GET     /imports
OWN_TASK  200  GET     /imports/{task_id}
OWN_TASK  200  GET     /imports/{task_id}/rejects
OWN_TASK  202  POST    /imports/{task_id}/undo
OWN_TASK  202  POST    /tasks/{task_id}/undo
EDITOR    202  POST    /recommender/rebuild
OWN_TASK  200  GET     /recommender/rebuild/{task_id}
VIEWER    200  GET     /tasks
OWN_TASK  200  GET     /tasks/{task_id}
OWN_TASK  200  GET     /tasks/{task_id}/events
OWN_TASK  200  POST    /tasks/{task_id}/cancel
OWN_TASK  202  POST    /tasks/{task_id:cancelled}/retry

VIEWER    200  GET     /models
VIEWER    200  GET     /models/{version}
ADMIN     200  POST    /models/{version}/activate

VIEWER    200  GET     /
VIEWER    308  GET     /film/{movie_id}
VIEWER    200  GET     /movie/{movie_id}
VIEWER    200  GET     /import
VIEWER    200  GET     /waiting
VIEWER    200  GET     /players
VIEWER    200  GET     /activity
OWN_TASK  200  GET     /activity/{task_id}
VIEWER    200  GET     /quality
EDITOR    200  GET     /system
VIEWER    200  GET     /docs
PUBLIC    200  GET     /docs/problems
PUBLIC    200  GET     /static/{path}

PUBLIC    any  POST    /token
PUBLIC    any  POST    /token/revoke
PUBLIC    any  GET     /login
PUBLIC    any  POST    /login
VIEWER    204  POST    /logout
VIEWER    204  POST    /session
PUBLIC    404  GET     /invite/{token}
PUBLIC    404  POST    /invite/{token}

ADMIN     200  GET     /accounts
ADMIN     200  PUT     /users/{user_id}/account          {"role": "viewer"}
ADMIN     204  DELETE  /users/{user_id}/account
ADMIN     201  POST    /users/{user_id}/invite
OWN       200  GET     /users/{user_id}/export
ADMIN     any  DELETE  /users/{user_id}
ADMIN     404  POST    /users/{user_id}/merge            {"from": 7}
ADMIN     200  GET     /keys
ADMIN     201  POST    /keys                             {"name": "k", "user_id": <user>, "role": "viewer"}
ADMIN     404  DELETE  /keys/{prefix}
ADMIN     200  GET     /audit

OWN       201  POST    /hooks                            {"player": "plex", "user_id": <user>}
OWN       200  GET     /hooks                            ?user_id=<user>
OWN       any  PUT     /hooks/{number}/names             ?user_id=<user> {}
OWN       404  DELETE  /hooks/{number}                   ?user_id=<user>
PUBLIC    404  POST    /hook/{secret}                    {}
OWN       201  POST    /lists                            {"user_id": <user>}
OWN       200  GET     /lists                            ?user_id=<user>
OWN       any  DELETE  /lists/{number}                   ?user_id=<user>
PUBLIC    404  GET     /list/{secret}/radarr.json
PUBLIC    404  GET     /list/{secret}/rss.xml
PUBLIC    404  GET     /list/{secret}/recommendations.csv
OWN       200  GET     /users/{user_id}/marks.csv
OWN       200  GET     /users/{user_id}/letterboxd.csv   ?sheet=watchlist

ADMIN     200  GET     /people
"""

LET_IN = {
    "ALIVE": {"everybody"},
    "PUBLIC": {"everybody"},
    "READY": {"viewer on own", "viewer on another's", "editor", "admin"},
    "METRICS": {"viewer on own", "viewer on another's", "editor", "admin"},
    "VIEWER": {"viewer on own", "viewer on another's", "editor", "admin"},
    "OWN": {"viewer on own", "editor", "admin"},
    "OWN_ROWS": {"viewer on own", "editor", "admin"},
    "OWN_TASK": {"viewer on own", "editor", "admin"},
    "AMONG": {"viewer on own", "editor", "admin"},
    "EDITOR": {"editor", "admin"},
    "ADMIN": {"admin"},
}
KNOWN = {"viewer on own", "viewer on another's", "editor", "admin"}
"""Callers who are refused with 403; all others with 401."""


def rows(table: str) -> dict[str, Row]:
    parts = [[*line.split(maxsplit=4), ""][:5] for line in table.splitlines() if line]
    found = [Row(*part) for part in parts]
    assert len({row.route for row in found}) == len(found), "a route has two lines"
    return {row.route: row for row in found}


ROWS = rows(TABLE)


def routes_of(app: FastAPI) -> dict[str, Rule | None]:
    """The rule of every operation and folder."""
    found: dict[str, Rule | None] = {}
    for context in iter_route_contexts(list(app.routes)):
        if isinstance(context.original_route, Mount):
            found[f"GET {context.path}/{{path}}"] = rules.FILES
        for method in context.methods or ():
            if method != "HEAD":
                found[f"{method} {context.path}"] = rule_of(dependencies_of(context))
    return found


def test_every_route_has_a_line_and_every_line_a_route_with_that_rule(settings: Settings) -> None:
    app = create_app(settings)
    found = routes_of(app)
    missing, unknown = found.keys() - ROWS.keys(), ROWS.keys() - found.keys()
    assert not missing, "give each a line in TABLE"
    assert not unknown, "these lines have no route"
    names = {name: getattr(one, "dependency", one) for name, one in vars(rules).items()}
    for route, rule in found.items():
        assert rule is names[ROWS[route].rule], route
    app.state.service.close()


@pytest.fixture(scope="module")
def reading(
    migrated: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Town, dict[str, dict[str, str]]]]:
    """A town with a model, and its callers, for all routes that change nothing."""
    folder = tmp_path_factory.mktemp("reading") / "data"
    folder.mkdir(mode=0o700)
    shutil.copyfile(migrated, folder / "matinee.db")
    house = House(Settings(data_dir=folder, embedded_worker=False))
    town = Town(house)
    town.build_model()
    yield town, town.callers()
    house.service.close()


@pytest.mark.parametrize("row", ROWS.values(), ids=list(ROWS))
def test_who_may_call_a_route(request: pytest.FixtureRequest, row: Row) -> None:
    if row.method == "GET":
        town, callers = request.getfixturevalue("reading")
    else:
        town = Town(request.getfixturevalue("house"))
        callers = town.callers()
        if "{version}" in row.path:
            town.build_model()
    let_in = LET_IN[row.rule]
    for caller, headers in callers.items():
        target = town.own if caller == "viewer on own" else town.other
        answer = town.request(row, target, headers)
        if "everybody" in let_in or caller in let_in:
            assert is_good(row, answer), (caller, answer.status_code, answer.text)
        else:
            expected = 403 if caller in KNOWN else 401
            assert answer.status_code == expected, (caller, answer.text)


def is_good(row: Row, answer: httpx.Response) -> bool:
    if row.status == "any":
        return answer.status_code not in (401, 403) and answer.status_code < 500
    if row.route == "POST /ratings":  # 200: replaced
        return answer.status_code in (200, 201)
    if row.method == "DELETE":  # the second time there is none
        return answer.status_code in (204, 404)
    return answer.status_code == int(row.status)


def test_with_the_door_closed_this_machine_may_all_and_another_nothing(house: House) -> None:
    town = Town(house)
    known = sorted(ROWS.values(), key=lambda row: row.method == "DELETE")
    town.build_model()
    for user in (town.own, town.other):
        town.imported(user)
    with town.database.write() as connection:
        accounts.move_door(connection, is_open=False)
    here = TestClient(house.app, follow_redirects=False)
    strangers = [
        TestClient(house.app, base_url="http://127.0.0.1", client=("192.0.2.7", 1), follow_redirects=False),
        TestClient(house.app, base_url="http://127.0.0.1", client=("127.0.0.1", 1), follow_redirects=False),
    ]
    strangers[1].headers["X-Forwarded-For"] = "192.0.2.7"
    for row in known:
        for town.client in strangers:
            answer = town.request(row, town.other, {})
            is_open = row.rule in ("ALIVE", "READY")
            assert is_good(row, answer) if is_open else answer.status_code == 403, (row, answer.text)
        town.client = here
        answer = town.request(row, town.other, {})  # 409: a line before has begun something
        assert is_good(row, answer) or answer.status_code == 409, (row, answer.text)
