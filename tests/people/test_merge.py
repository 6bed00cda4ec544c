"""Merging people: the newer rating stays, a kill changes nothing, and an undo brings both back."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from app.mark import Mark
from app.people import merge
from app.people.kinds import MERGE, MergeParams
from app.rating import Rating
from app.repository import aliases, hooks, list_addresses, marks, plays, waiting
from app.repository import ratings as rating_queries
from app.repository.plays import Play
from app.repository.waiting import Waiting
from app.storage import Database
from app.task import Task
from app.tasks.start import queue
from tests.imports.conftest import counts_are_right, ratings, table
from tests.merging import run, run_killed, undone
from tests.people.life import HEADER, Run, post, send

MOVIES = (1, 2, 6, 32, 34, 39, 47)
THEIRS = {1: (1.0, 100), 2: (2.0, 300), 6: (3.0, 200), 32: (4.0, 100), 39: (0.5, 1)}
MINE = {2: (5.0, 200), 6: (5.0, 200), 32: (5.0, 200), 34: (5.0, 200)}
MERGED = {1: (1.0, 100), 2: (2.0, 300), 6: (5.0, 200), 32: (5.0, 200), 34: (5.0, 200), 39: (0.5, 1)}
STATE = ("ratings", "movies", "rating_before_images", "later_writes")


@pytest.fixture
def rated(database: Database) -> Database:
    with database.write() as connection:
        for user, some in ((7, THEIRS), (8, MINE), (9, MINE)):
            for movie, (score, at) in some.items():
                rating_queries.put(connection, Rating(user, movie, score, at))
    return database


def state(database: Database) -> dict[str, Any]:
    return {name: table(database, name) for name in STATE}


def of(database: Database, user: int) -> dict[int, tuple[float, int]]:
    return {movie: row for (other, movie), row in ratings(database).items() if other == user}


def test_marks_rows_that_wait_and_chosen_titles_follow(rated: Database, settings: Settings) -> None:
    with rated.write() as connection:
        marks.set_marks(connection, 7, 1, {Mark.LIKE: True}, now=1)
        waiting.put(connection, 7, [Waiting(7, "imdb:1", "Dune")])
        aliases.remember(connection, 7, "imdb:2", 1, now=1.0)
    assert run(rated, settings, started(rated), merge.run).status == "complete"
    with rated.read() as connection:
        assert marks.of_user(connection, 8).liked == {1: 1}
        assert waiting.count(connection, 8) == len(aliases.of_user(connection, 8)) == 1
        assert waiting.count(connection, 7) == len(marks.of_user(connection, 7).liked) == 0


def test_plays_hooks_and_lists_follow(rated: Database, settings: Settings) -> None:
    with rated.write() as connection:
        for user, at in ((7, 0), (7, 90_000), (8, 60)):
            plays.count(connection, Play(user, "watched", "imdb:1", 1, at, at))
        hook = hooks.add(connection, "plex", 7, "a", now=1.0)
        hooks.put_names(connection, hook.number, {"anna": 7})
        list_addresses.add(connection, 7, "b", now=1.0)
    assert run(rated, settings, started(rated), merge.run).status == "complete"
    with rated.read() as connection:
        assert [(play.first_at, play.last_at) for play in plays.of_user(connection, 8)] == [
            (0, 60),
            (90_000, 90_000),
        ]
        assert plays.of_user(connection, 7) == []
        assert hooks.names(connection, [hook.number]) == {hook.number: {"anna": 8}}
        assert len(hooks.listing(connection, user_id=8, limit=9)) == 1
        assert list_addresses.whose(connection, "b") == 8


def started(database: Database) -> Task:
    with database.write() as connection:
        return queue(connection, MERGE.name, MergeParams(8, 7))


def test_the_newer_rating_stays_and_the_undo_brings_both_back(
    rated: Database, engine_settings: Settings
) -> None:
    before = state(rated)
    task = run(rated, engine_settings, started(rated), merge.run)
    assert task.result == {"user_id": 8, "from": 7, "moved": 2, "replaced": 1, "older": 2, "left": 0}
    assert (of(rated, 7), of(rated, 8), of(rated, 9)) == ({}, MERGED, MINE)
    assert counts_are_right(rated)
    undo = undone(rated, engine_settings, task)
    assert undo.result is not None, undo.error
    assert (undo.result["deleted"], undo.result["restored"], undo.result["kept"]) == (2, 6, 0)
    assert state(rated) == before
    assert counts_are_right(rated)


def test_what_was_rated_after_the_merge_is_kept(rated: Database, engine_settings: Settings) -> None:
    task = run(rated, engine_settings, started(rated), merge.run)
    with rated.write() as connection:
        rating_queries.put(connection, Rating(8, 1, 4.5, 999))
        rating_queries.put(connection, Rating(7, 39, 4.5, 999))
    undo = undone(rated, engine_settings, task)
    assert undo.result is not None, undo.error
    assert undo.result["kept"] == 2
    assert of(rated, 7) == THEIRS | {39: (4.5, 999)}
    assert of(rated, 8) == MINE | {1: (4.5, 999)}
    assert counts_are_right(rated)


@pytest.mark.parametrize("at", range(1, 8))
def test_a_merge_that_is_killed_ends_as_if_it_had_not_been(
    rated: Database, engine_settings: Settings, at: int
) -> None:
    before, task = state(rated), started(rated)
    task = run_killed(rated, engine_settings, task, merge.run, at)
    assert task.result == {"user_id": 8, "from": 7, "moved": 2, "replaced": 1, "older": 2, "left": 0}
    assert of(rated, 8) == MERGED
    assert counts_are_right(rated)
    undone(rated, engine_settings, task)
    assert state(rated) == before


def test_merges_and_imports_are_undone_newest_first(client: TestClient, run_tasks: Run) -> None:
    imported = send(client, HEADER + "7,1,4,1000\n7,2,4,1000\n8,1,3,2000\n")
    run_tasks()
    merged = post(client, "/users/8/merge", {"from": 7})
    run_tasks()
    assert client.get(f"/tasks/{merged}").json()["result"]["moved"] == 1
    refused = client.post(f"/imports/{imported}/undo")
    assert (refused.status_code, f"Merge {merged} is newer" in refused.json()["detail"]) == (409, True)
    post(client, f"/tasks/{merged}/undo")
    run_tasks()
    assert len(client.get("/ratings?user_id=7").json()) == 2
    assert "Merge" in client.post(f"/tasks/{merged}/undo").json()["detail"]
    post(client, f"/tasks/{imported}/undo")
    run_tasks()
    assert client.get("/ratings").json() == []


def test_who_cannot_be_merged(client: TestClient) -> None:
    post(client, "/ratings", {"user_id": 7, "movie_id": 1, "score": 4})
    ann = client.post("/users", json={"name": "Ann"}).json()["id"]
    merge = f"/users/{ann}/merge"
    assert client.post(merge, json={"from": ann}).status_code == 422
    assert client.post(merge, json={"from": 999}).status_code == 404
    assert client.post("/users/999/merge", json={"from": 7}).status_code == 404
    for body in ({}, {"from": "7"}, {"from": -1}, {"from_id": 7}, {"from": 7, "more": 1}):
        assert client.post(merge, json=body).status_code == 422
    again = {"Idempotency-Key": "m"}
    assert post(client, merge, {"from": 7}, headers=again) == post(client, merge, {"from": 7}, headers=again)


def test_forgetting_either_person_takes_the_merge_with_it(client: TestClient, run_tasks: Run) -> None:
    send(client, HEADER + "7,1,4,1000\n7,2,4,1000\n8,1,3,2000\n")
    run_tasks()
    merged = post(client, "/users/8/merge", {"from": 7})
    assert client.delete("/users/7").status_code == 409
    run_tasks()
    deleted = client.delete("/users/7").json()["deleted"]
    assert (deleted["ratings"], deleted["before_images"], deleted["tasks"]) == (0, 2, 1)
    assert client.get(f"/tasks/{merged}").status_code == 404
    assert [row["movie_id"] for row in client.get("/ratings?user_id=8").json()] == [1, 2]
