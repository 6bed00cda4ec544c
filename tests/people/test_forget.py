"""Forgetting a person: no file holds anything of them, and the next model is as if they had never been."""

import time
from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from app.imports.merge import Merge
from app.people.forget import Asker, forget
from app.rating import Rating
from app.repository import audit, keys, tasks
from app.repository import ratings as rating_queries
from app.repository.forgetting import NO_ONE
from app.storage import Database, sqlite
from app.storage.schema import tasks as tasks_table
from app.user import Role
from tests.api.test_door import House
from tests.imports.conftest import counts_are_right, table
from tests.people.life import (
    FILE,
    HEADER,
    LETTERBOXD,
    OTHERS,
    RARE,
    SEVERAL,
    Run,
    found,
    live,
    marks,
    post,
    send,
)


def test_after_forgetting_nothing_is_found_in_any_file(
    client: TestClient, run_tasks: Run, settings: Settings
) -> None:
    live(client, run_tasks)
    there = {name for _, name, _ in found(settings.data_dir, marks())}
    assert {"text", "big endian", "name", "key", "file"} <= there
    answer = client.delete(f"/users/{RARE}")
    assert answer.status_code == 200, answer.text
    report = answer.json()
    assert report["deleted"]["ratings"] == 5
    assert [report["deleted"][name] for name in ("marks", "waiting", "aliases")] == [2, 2, 1]
    assert [report["deleted"][name] for name in ("plays", "hooks", "hook_names", "lists")] == [1, 1, 1, 1]
    assert report["deleted"]["tasks"] == 2
    assert report["deleted"]["uploads"] >= 3
    assert report["deleted"]["rejected_values"] == 1
    assert report["remains"] == {
        "models": [1],
        "models_until": "the next rebuild that begins now and is served: POST /recommender/rebuild",
        "storage": None,
    }
    # The audit keeps the fact: that an id was forgotten is the one place where it stands.
    assert found(settings.data_dir, marks()) == [("matinee.db", "text", 1)]
    database = client.app.state.service.database  # type: ignore[attr-defined]
    assert counts_are_right(database)
    with database.read() as connection:
        entry = audit.listing(connection, limit=1)[0]
    assert (entry.action, entry.target) == ("forget_user", str(RARE))
    assert client.get(f"/users/{RARE}").status_code == 404
    assert client.delete(f"/users/{RARE}").status_code == 404


def test_deleted_values_are_overwritten_without_a_rewrite_too(
    client: TestClient, run_tasks: Run, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "MOST_REWRITTEN", 0)
    live(client, run_tasks)
    report = client.delete(f"/users/{RARE}").json()
    assert "VACUUM" in report["remains"]["storage"]
    assert found(settings.data_dir, marks()) == [("matinee.db", "text", 1)]


def test_what_may_go_on_is_in_the_way(client: TestClient, run_tasks: Run, settings: Settings) -> None:
    post(client, "/ratings", {"user_id": 5, "movie_id": 1, "score": 2.5})
    post(client, "/ratings", {"user_id": 9, "movie_id": 1, "score": 2.5})
    own = send(client, LETTERBOXD, user_id=9)
    assert client.delete("/users/5").status_code == 200  # an export of another person holds nothing of theirs
    refused = client.delete("/users/9")
    assert refused.status_code == 409
    assert own in refused.json()["detail"]
    run_tasks()
    several = send(client, SEVERAL)
    refused = client.delete("/users/9")
    assert (refused.status_code, several in refused.json()["detail"]) == (409, True)
    post(client, f"/tasks/{several}/cancel")
    assert client.delete("/users/9").status_code == 200
    assert list(settings.uploads_dir.iterdir()) == []
    answer = client.post(f"/tasks/{several}/retry")
    assert (answer.status_code, "upload is gone" in answer.json()["detail"]) == (409, True)


def test_an_import_that_was_left_in_part_is_in_the_way_until_it_is_undone(
    client: TestClient, run_tasks: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    several = send(client, OTHERS)

    def cancel(self: Merge, merger: Any, ranges: Any) -> None:
        merge_range(self, merger, ranges)
        with self.attempt.database.write() as connection:
            tasks.request_cancel(connection, several, now=time.time())

    merge_range = Merge._merge
    service = client.app.state.service  # type: ignore[attr-defined]
    monkeypatch.setattr(service, "settings", replace(service.settings, import_chunk=100))
    with monkeypatch.context() as context:
        context.setattr(Merge, "_merge", cancel)
        run_tasks()
    assert client.get(f"/tasks/{several}").json()["status"] == "cancelled"
    (rated, *_) = client.get("/users?all=true").json()
    refused = client.delete(f"/users/{rated['id']}")
    assert refused.status_code == 409
    assert f"/tasks/{several}/undo" in refused.json()["detail"]
    post(client, f"/imports/{several}/undo")
    run_tasks()
    post(client, "/ratings", {"user_id": rated["id"], "movie_id": 1, "score": 2.5})
    assert client.delete(f"/users/{rated['id']}").status_code == 200


def test_an_unknown_id_changes_nothing(client: TestClient, run_tasks: Run, settings: Settings) -> None:
    send(client, SEVERAL)
    run_tasks()
    before = found(settings.data_dir / "uploads", {"user": b"user_id"})
    assert before
    assert client.delete("/users/777").status_code == 404
    assert found(settings.data_dir / "uploads", {"user": b"user_id"}) == before


def test_an_undo_of_a_later_day_brings_nothing_back(client: TestClient, run_tasks: Run) -> None:
    post(client, "/ratings", {"user_id": 5, "movie_id": 1, "score": 2.5})
    post(client, "/ratings", {"user_id": 6, "movie_id": 1, "score": 2.5})
    newer = int(time.time()) + 5
    several = send(
        client, HEADER + "".join(f"{user},{movie},4,{newer}\n" for user in (5, 6) for movie in (1, 2))
    )
    run_tasks()
    assert client.delete("/users/5").status_code == 200
    post(client, f"/imports/{several}/undo")
    run_tasks()
    users = [user["id"] for user in client.get("/users?all=true").json()]
    assert 5 not in users
    assert client.get("/ratings?user_id=6").json()[0]["score"] == 2.5
    assert counts_are_right(client.app.state.service.database)  # type: ignore[attr-defined]


def test_an_account_goes_with_its_keys_and_sessions_but_not_the_last_admin(settings: Settings) -> None:
    house = House(settings)
    ann, ben = house.person("Ann", Role.ADMIN), house.person("Ben", Role.EDITOR)
    client, as_ann, as_ben = house.client(), house.token(ann, "a"), house.token(ben, "b")
    key = house.key(ben, Role.VIEWER)
    again = {"Idempotency-Key": "k"}
    rating = {"user_id": ann, "movie_id": 1, "score": 4}
    assert client.post("/ratings", json=rating, headers=as_ben | again).status_code == 201
    assert client.post("/users", json={"name": "Cleo"}, headers=as_ann | again).status_code == 201
    assert client.delete(f"/users/{ann}", headers=as_ben).status_code == 403
    refused = client.delete(f"/users/{ann}", headers=as_ann)
    assert (refused.status_code, "last admin" in refused.json()["detail"]) == (409, True)
    deleted = client.delete(f"/users/{ben}", headers=as_ann).json()["deleted"]
    names = ("accounts", "sessions", "keys", "idempotency_records", "names")
    assert [deleted[name] for name in names] == [1, 1, 1, 1, 1]
    assert client.get("/movies", headers=as_ben).status_code == 401
    assert client.get("/movies", headers=key).status_code == 401
    with house.service.database.read() as connection:
        entry = audit.listing(connection, limit=1)[0]
    assert (entry.user_id, entry.target) == (ann, str(ben))
    house.service.close()


def test_records_and_rows_about_a_person_are_told_from_those_of_others(
    database: Database, engine_settings: Settings
) -> None:
    now = time.time()
    scopes = [
        "7 POST /ratings",
        "17 POST /ratings",
        "POST /users/7/invite",
        "POST /users/70/invite",
        "POST /x",
    ]
    bodies = ["{}", '{"user_id":17,"a":1}', "{}", "{}", '{"a":1,"user_id":7}']
    with database.write() as connection:
        for number, (scope, body) in enumerate(zip(scopes, bodies, strict=True)):
            key = keys.Key(scope, str(number), "")
            keys.claim(connection, key, now=now)
            keys.keep(connection, key, keys.Answer(200, {}, body))
        rating_queries.put(connection, Rating(7, 1, 4.0, 1))
        rating_queries.put(connection, Rating(17, 1, 3.0, 1))
        audit.add(connection, "set_role", "user 7", now=now, user_id=17)
        audit.add(connection, "revoke", "17", now=now, user_id=7, address="192.0.2.1", request_id="r")
    report = forget(database, engine_settings, 7, Asker(17), now=now)
    assert report.deleted["idempotency_records"] == 3
    assert report.deleted["audit_rows_without_person"] == 2
    assert (report.deleted["ratings"], report.deleted["first_raters"]) == (1, 1)
    assert {row[0] for row in table(database, "idempotency_keys")} == {scopes[1], scopes[3]}
    assert counts_are_right(database)
    with database.read() as connection:
        rows = [(row.user_id, row.address, row.target) for row in audit.listing(connection, limit=9)]
        assert rating_queries.first_raters_of(connection, 1) == [NO_ONE, 17]
    assert rows == [(17, None, "7"), (None, None, "17"), (17, None, "user -")]


def test_the_name_of_a_file_that_they_sent_for_others_goes_too(
    client: TestClient, run_tasks: Run, settings: Settings
) -> None:
    good, bad = send(client, OTHERS, FILE), send(client, HEADER + "x\n", FILE)
    database = client.app.state.service.database  # type: ignore[attr-defined]
    with database.write() as connection:
        for task_id in (good, bad):
            connection.execute(tasks_table.update().where(tasks_table.c.id == task_id).values(owner=RARE))
    run_tasks()
    assert {name for _, name, _ in found(settings.data_dir, marks())} >= {"file", "big endian"}
    deleted = client.delete(f"/users/{RARE}").json()["deleted"]
    assert (deleted["tasks"], deleted["tasks_without_person"]) == (0, 2)
    assert found(settings.data_dir, marks()) == [("matinee.db", "text", 1)]
    assert client.get(f"/tasks/{good}").json()["params"]["filename"] == "forgotten"
    post(client, f"/tasks/{good}/undo")
    run_tasks()
    assert client.get("/ratings").json() == []
