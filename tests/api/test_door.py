"""The door: closed for this machine alone, open for callers with a token, key or cookie."""

import time

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.api.edge.rules import require_rules
from app.main import create_app
from app.people import tokens
from app.repository import accounts, sessions
from app.user import Role
from tests.house import OUTSIDE, House, bearer

__all__ = ["OUTSIDE", "House", "bearer"]


def test_with_the_door_open_every_caller_needs_a_token(house: House) -> None:
    client, ann = house.client(), house.person("Ann", Role.VIEWER)
    assert client.get("/health").status_code == client.get("/static/matinee.css").status_code == 200
    refused = client.get("/movies")
    assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert client.get("/movies", headers=house.token(ann, "s")).status_code == 200
    assert client.get("/nothing").status_code == 401
    here = TestClient(house.app)
    assert here.get("/movies").status_code == 401


def test_a_viewer_has_what_is_their_own(house: House) -> None:
    client, ann, ben = house.client(), house.person("Ann", Role.VIEWER), house.person("Ben", Role.EDITOR)
    as_ann, as_ben = house.token(ann, "a"), house.token(ben, "b")
    rating = {"movie_id": 1, "user_id": ann, "score": 4.0}
    assert client.post("/ratings", json=rating, headers=as_ann).status_code == 201
    assert client.post("/ratings", json=rating | {"user_id": ben}, headers=as_ann).status_code == 403
    assert client.post("/ratings", json=rating, headers=as_ben).status_code == 200
    assert client.get("/ratings", headers=as_ann).status_code == 403
    assert len(client.get(f"/ratings?user_id={ann}", headers=as_ann).json()) == 1
    assert client.get(f"/users/{ben}/ratings", headers=as_ann).status_code == 403
    assert client.post("/movies", json={"title": "A"}, headers=as_ann).status_code == 403
    assert client.post("/imports", headers=as_ann, params={"user_id": ann}).status_code == 403
    rebuild = client.post("/recommender/rebuild", headers=as_ben).json()["task_id"]
    assert client.get(f"/tasks/{rebuild}", headers=as_ann).status_code == 403
    assert client.get(f"/tasks/{rebuild}", headers=as_ben).status_code == 200
    assert client.get("/tasks", headers=as_ann).json() == []


def test_a_right_that_is_taken_in_another_process_is_gone_in_the_next_request(house: House) -> None:
    ann, ben = house.person("Ann", Role.ADMIN), house.person("Ben", Role.ADMIN)
    as_ann, key = house.token(ann, "a"), house.key(ann, Role.EDITOR)
    other = create_app(house.service.settings)
    clients = [house.client(), TestClient(other, base_url="http://192.0.2.1", client=OUTSIDE)]
    for client in clients:
        assert client.post("/movies", json={"title": "A"}, headers=as_ann).status_code == 201
        assert client.post("/movies", json={"title": "A"}, headers=key).status_code == 201
    with house.service.database.write() as connection:
        accounts.set_role(connection, ann, Role.VIEWER)
    for client in clients:
        assert client.post("/movies", json={"title": "A"}, headers=as_ann).status_code == 403
        assert client.post("/movies", json={"title": "A"}, headers=key).status_code == 403
        assert client.get("/movies", headers=as_ann).status_code == 200
    with house.service.database.write() as connection:
        sessions.end(connection, "a")
    for client in clients:
        assert client.get("/movies", headers=as_ann).status_code == 401
    as_ben = house.token(ben, "b")
    for client in clients:
        assert client.get("/movies", headers=as_ben).status_code == 200
    other.state.service.close()


def test_rights_that_change_in_another_process_hold_in_the_next_request(house: House) -> None:
    """It is run again with its body, by the new rights: the caller does not have to repeat it."""
    house.person("Dan", Role.ADMIN)
    ann, ben = house.person("Ann", Role.EDITOR), house.person("Ben", Role.VIEWER)
    headers, client, database = house.token(ann, "a"), house.client(), house.service.database
    rating = {"user_id": ann, "movie_id": 1, "score": 5}
    for role, others in ((Role.VIEWER, 403), (Role.EDITOR, 200), (Role.VIEWER, 403), (Role.ADMIN, 200)):
        for request in (
            lambda: client.get("/movies", headers=headers).status_code == 200,
            lambda: client.post("/ratings", json=rating, headers=headers).status_code in (200, 201),
            lambda: client.get(f"/users/{ben}/ratings", headers=headers).status_code == others,  # noqa: B023
        ):
            with database.write() as connection:
                accounts.set_role(connection, ann, Role.EDITOR if role is Role.VIEWER else Role.VIEWER)
            assert client.get("/movies", headers=headers).status_code == 200
            with database.write() as connection:
                accounts.set_role(connection, ann, role)
            assert request()
    with database.write() as connection:
        accounts.move_door(connection, is_open=False)
    here = TestClient(house.app)
    assert here.get("/movies", headers=headers).status_code == 200
    with database.write() as connection:
        accounts.move_door(connection, is_open=True)
    assert here.get("/movies", headers=headers).status_code == 200


def test_a_key_may_be_bound_to_one_address(house: House) -> None:
    client, ann = house.client(), house.person("Ann", Role.ADMIN)
    key = house.key(ann, Role.VIEWER, address="/movies/top")
    assert client.get("/movies/top", headers=key).status_code == 200
    assert client.get("/movies", headers=key).status_code == 403


def test_two_authorization_headers_are_refused(house: House) -> None:
    ann = house.person("Ann", Role.ADMIN)
    (pair,) = house.token(ann, "a").items()
    headers = [pair, pair]
    assert house.client().get("/movies", headers=headers).status_code == 400


def test_a_change_by_cookie_needs_the_token_of_the_page(house: House) -> None:
    client, ann, cookie = house.client(), house.person("Ann", Role.EDITOR), tokens.new_secret()
    with house.service.database.write() as connection:
        session, until = tokens.digest(cookie), time.time() + 60
        sessions.begin(connection, session, ann, now=time.time(), expires_at=until)
    client.cookies.set("matinee", cookie)
    assert client.get("/movies").status_code == 200
    assert client.post("/movies", json={"title": "A"}).status_code == 403
    page = {"X-CSRF-Token": house.service.door.csrf_token(session)}
    assert client.post("/movies", json={"title": "A"}, headers=page).status_code == 201


def test_a_route_without_a_rule_does_not_start() -> None:
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)

    @app.get("/forgotten")
    def forgotten() -> None: ...

    with pytest.raises(RuntimeError, match="/forgotten declares no rule"):
        require_rules(app.routes)
