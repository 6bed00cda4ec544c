"""Merging people: the newer rating stays, a kill changes nothing, and an undo brings both back."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.engine import Connection

from app.config import Settings
from app.mark import Mark, Marked
from app.people import merge
from app.people.kinds import MERGE, MergeParams
from app.rating import Rating
from app.repository import aliases, hooks, list_addresses, marks, plays, waiting
from app.repository import ratings as rating_queries
from app.repository.plays import Play
from app.repository.waiting import Waiting
from app.storage import Database
from app.storage.personal import marks as marks_table
from app.task import Task
from app.tasks.start import queue
from tests.imports.conftest import counts_are_right, ratings, table
from tests.merging import run, run_killed, undone
from tests.people.life import HEADER, Run, post, send

MOVIES = (1, 2, 6, 32, 34, 39, 47)
THEIRS = {1: (1.0, 100), 2: (2.0, 300), 6: (3.0, 200), 32: (4.0, 100), 39: (0.5, 1)}
MINE = {2: (5.0, 200), 6: (5.0, 200), 32: (5.0, 200), 34: (5.0, 200)}
MERGED = {1: (1.0, 100), 2: (2.0, 300), 6: (5.0, 200), 32: (5.0, 200), 34: (5.0, 200), 39: (0.5, 1)}
STATE = (
    *("ratings", "movies", "rating_before_images", "later_writes"),
    *("marks", "waiting", "aliases", "plays", "personal_before_images"),
)


@pytest.fixture
def rated(database: Database) -> Database:
    with database.write() as connection:
        for user, some in ((7, THEIRS), (8, MINE), (9, MINE)):
            for movie, (score, at) in some.items():
                rating_queries.put(connection, Rating(user, movie, score, at))
        say_more(connection)
    return database


def say_more(connection: Connection) -> None:
    """Marks, rows that wait, choices and plays of 7 and 8, some of which are of the same films."""
    for user, movie, mark, at in (
        (7, 1, Mark.LIKE, 1), (7, 2, Mark.LIKE, 9), (8, 2, Mark.LIKE, 5), (7, 6, Mark.WATCHED, 1),
        (8, 6, Mark.WATCHED, 5), (7, 6, Mark.NOT_INTERESTED, 9), (8, 6, Mark.LIKE, 5),
    ):  # fmt: skip
        marks.add(connection, user, movie, {mark: Marked(True, at)})
    for user, work, score, at in ((7, "imdb:1", 4.0, 9), (8, "imdb:1", 2.0, 5), (7, "imdb:2", 1.0, 1)):
        waiting.put(connection, user, [Waiting(user, work, "Dune", score=score, rated_at=at)])
    for user, work, movie in ((7, "imdb:3", 1), (7, "imdb:4", 2), (8, "imdb:4", 6)):
        aliases.remember(connection, user, work, movie, now=1.0)
    for user, at in ((7, 0), (7, 30_000), (7, 90_000), (8, 15_000), (8, 500_000)):
        plays.count(connection, Play(user, "watched", "imdb:1", 1, at, at))


def state(database: Database) -> dict[str, Any]:
    first = {row[1:] for row in table(database, "first_raters")}
    return {name: table(database, name) for name in STATE} | {"first": first}


def of(database: Database, user: int) -> dict[int, tuple[float, int]]:
    return {movie: row for (other, movie), row in ratings(database).items() if other == user}


def test_marks_rows_that_wait_chosen_titles_and_plays_follow(rated: Database, settings: Settings) -> None:
    assert run(rated, settings, started(rated), merge.run).status == "complete"
    with rated.read() as connection:
        assert marks.ask_of(connection, 8)().liked == {1: 1, 2: 9}
        assert marks.ask_of(connection, 8)().hidden == {6}
        rows = waiting.listing(connection, 8, limit=9)
        assert {row.work: row.score for row in rows} == {"imdb:1": 4.0, "imdb:2": 1.0}
        assert aliases.of_user(connection, 8) == {"imdb:3": 1, "imdb:4": 6}
        spans = [(play.first_at, play.last_at) for play in plays.of_user(connection, 8)]
        assert spans == [(0, 30_000), (90_000, 90_000), (500_000, 500_000)]
        assert waiting.count(connection, 7) == len(marks.ask_of(connection, 7)().liked) == 0
        assert not aliases.of_user(connection, 7) and not plays.of_user(connection, 7)


def test_a_merge_of_what_is_no_rating_is_undone_too(database: Database, settings: Settings) -> None:
    with database.write() as connection:
        say_more(connection)
    before = state(database)
    task = run(database, settings, started(database), merge.run)
    with database.write() as connection:
        marks.set_marks(connection, 8, 1, {Mark.LIKE: False}, now=99)
    undo = undone(database, settings, task)
    assert undo.result is not None, undo.error
    assert [row["value"] for row in undo.result["rejects"]] == ["8,1:like"]
    with database.write() as connection:
        connection.execute(marks_table.delete().where(marks_table.c.marked_at == 99))
    assert state(database) == before


def test_hooks_and_lists_follow(rated: Database, settings: Settings) -> None:
    with rated.write() as connection:
        hook = hooks.add(connection, "plex", 7, "a", now=1.0)
        hooks.put_names(connection, hook.number, {"anna": 7})
        list_addresses.add(connection, 7, "b", now=1.0)
    assert run(rated, settings, started(rated), merge.run).status == "complete"
    with rated.read() as connection:
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
    assert undo.result["kept"] == 0
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
