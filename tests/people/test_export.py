"""All that is kept about a person comes out, nothing of others, and no hash."""

import time
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.api.user_export import UserExport
from app.config import Settings
from app.people import export
from app.people.export import user_json
from app.rating import Rating
from app.repository import accounts, audit, keys, sessions, users
from app.repository import ratings as rating_queries
from app.storage import Database
from app.user import Role
from tests.api.test_door import House
from tests.people.life import FILE, HEADER, NAME, RARE, Run, live, post, send


def exported(client: TestClient, user_id: int, **options: Any) -> UserExport:
    answer = client.get(f"/users/{user_id}/export", **options)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"] == f'attachment; filename="user-{user_id}.json"'
    assert set(answer.json()) == set(UserExport.model_fields)
    return UserExport.model_validate_json(answer.content)


def test_all_that_is_kept_comes_out(client: TestClient, run_tasks: Run) -> None:
    live(client, run_tasks)
    post(client, "/ratings", {"user_id": 5, "movie_id": 1, "score": 1.5})
    all_of_it = exported(client, RARE)
    assert [row.name for row in all_of_it.names] == [NAME]
    rated = {row.movie_id: (row.score, row.title) for row in all_of_it.ratings}
    assert rated[6] == (4.0, "Heat")
    scores = {1: 2.5, 6: 4.0, 32: 4.5, 318: 2.5, 4306: 2.5}
    assert {movie: score for movie, (score, _) in rated.items()} == scores
    assert {row.mark.value: row.is_set for row in all_of_it.marks} == {"like": True, "watched": False}
    assert [(row.title, row.imdb_id) for row in all_of_it.waiting] == [(NAME, None), (f"{NAME} 2", None)]
    assert [(row.what, row.movie_id, row.sessions) for row in all_of_it.plays] == [("watched", None, [NAME])]
    assert [row.player for row in all_of_it.hooks] == ["kodi"]
    assert [row.name for row in all_of_it.hook_names] == [NAME]
    assert len(all_of_it.lists) == 1
    assert [row.movie_id for row in all_of_it.aliases] == [32]
    assert {row.movie_id for row in all_of_it.later_writes} == {1, 2}
    assert [row.params["filename"] for row in all_of_it.tasks] == [FILE, FILE]
    assert [row.key for row in all_of_it.idempotency_records] == ["a"]
    assert client.get("/users/777/export").status_code == 404
    newer = int(time.time()) + 5
    replacing = send(client, f"{HEADER}{RARE},318,5,{newer}\n5,1,5,{newer}\n")
    run_tasks()
    (image,) = exported(client, RARE).before_images
    assert (image.task_id, image.movie_id, image.score) == (replacing, 318, 2.5)


def test_a_viewer_exports_themselves_alone_and_no_hash(settings: Settings) -> None:
    house = House(settings)
    ann, ben = house.person("Ann", Role.VIEWER), house.person("Ben", Role.ADMIN)
    client, as_ann, key = house.client(), house.token(ann, "a"), house.key(ann, Role.VIEWER)
    with house.service.database.write() as connection:
        accounts.set_password(connection, ben, "secret-hash")
        sessions.invite(connection, "digest-of-it", ann, expires_at=time.time() + 60)
        audit.add(connection, "make_key", "k", now=time.time(), user_id=ann, address="192.0.2.1")
    rating = {"user_id": ann, "movie_id": 1, "score": 4}
    client.post("/ratings", json=rating, headers=key | {"Idempotency-Key": "k"})
    all_of_it = exported(client, ann, headers=as_ann)
    lengths = {name: len(rows) for name, rows in all_of_it if isinstance(rows, list)}
    one = ("names", "accounts", "ratings", "first_ratings", "idempotency_records", "keys", "sessions")
    assert lengths == dict.fromkeys(lengths, 0) | dict.fromkeys((*one, "invitations", "audit"), 1)
    assert "digest" not in all_of_it.model_dump_json()
    assert client.get(f"/users/{ben}/export", headers=as_ann).status_code == 403
    house.service.close()


def test_pages_lose_and_double_nothing(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "ROWS", 2)
    with database.write() as connection:
        ann = users.create(connection, "Ann", now=1.0).id
        for movie in (1, 2, 6, 32, 34):
            rating_queries.put(connection, Rating(ann, movie, 4.0, movie))
            rating_queries.put(connection, Rating(8, movie, 4.0, movie))
            key = keys.Key(f"{ann} POST /ratings", str(movie), "")
            keys.claim(connection, key, now=1.0)
            keys.keep(connection, key, keys.Answer(200, {}, "{}"))
    all_of_it = UserExport.model_validate_json("".join(user_json(database, ann)))
    assert [row.movie_id for row in all_of_it.ratings] == [1, 2, 6, 32, 34]
    assert sorted(int(row.key) for row in all_of_it.idempotency_records) == [1, 2, 6, 32, 34]
