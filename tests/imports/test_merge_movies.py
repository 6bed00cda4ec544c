"""Merging a movie that is there twice: no rating is lost, by a kill neither, and an undo brings both."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from app.errors import NotFound
from app.imports import merge_movies
from app.imports.merges import MERGED_MOVIES, MergeMoviesParams
from app.mark import Mark, Marked
from app.rating import Rating
from app.repository import aliases, catalogue, marks, movie_merges, movies, plays
from app.repository import ratings as rating_queries
from app.repository.plays import Play
from app.storage import Database
from app.task import FAILED, Task
from app.tasks.start import queue
from tests.imports.conftest import Import, counts_are_right, ratings, table
from tests.merging import run, run_killed, undone
from tests.people.life import HEADER, Run, post, send

OLD, NEW = 6, 1
OF_OLD = {1: (1.0, 100), 2: (2.0, 300), 3: (3.0, 200), 4: (4.0, 100), 9: (0.5, 1)}
OF_NEW = {2: (5.0, 200), 3: (5.0, 200), 4: (5.0, 200), 5: (5.0, 200)}
MERGED = {1: (1.0, 100), 2: (2.0, 300), 3: (5.0, 200), 4: (5.0, 200), 5: (5.0, 200), 9: (0.5, 1)}
RESULT = {"movie_id": NEW, "from": OLD, "moved": 2, "replaced": 1, "older": 2}
STATE = ("ratings", "movies", "links", "rating_before_images", "catalogue_before_images", "merged_movies",
         "marks", "aliases", "plays", "personal_before_images")  # fmt: skip
KILLS = range(1, 11)


@pytest.fixture
def rated(database: Database) -> Database:
    with database.write() as connection:
        for movie, some in ((OLD, OF_OLD), (NEW, OF_NEW), (2, OF_NEW)):
            for user, (score, at) in some.items():
                rating_queries.put(connection, Rating(user, movie, score, at))
        ids: dict[int, dict[str, Any]] = {
            OLD: {"imdb_id": 113277, "tmdb_id": 949},
            NEW: {"imdb_id": 114709, "tmdb_id": None},
        }
        catalogue.put(connection, catalogue.LINK, ids)
        for user, movie, mark, at in (
            (1, OLD, Mark.LIKE, 10), (2, OLD, Mark.WATCHED, 10), (2, NEW, Mark.WATCHED, 20),
            (3, OLD, Mark.WATCHED, 30), (3, NEW, Mark.WATCHED, 20), (4, NEW, Mark.WATCHLIST, 1),
        ):  # fmt: skip
            marks.add(connection, user, movie, {mark: Marked(True, at)})
        plays.count(connection, Play(1, "watched", "imdb:113277", OLD, 10, 10))
        aliases.remember(connection, 1, "title:old:", OLD, now=1)
        aliases.remember(connection, 1, "title:new:", NEW, now=1)
    return database


def state(database: Database) -> dict[str, Any]:
    first = {row[1:] for row in table(database, "first_raters")}
    return {name: table(database, name) for name in (*STATE, "later_writes")} | {"first": first}


def of(database: Database, movie: int) -> dict[int, tuple[float, int]]:
    return {user: row for (user, other), row in ratings(database).items() if other == movie}


def started(database: Database, movie: int = NEW, other: int = OLD) -> Task:
    with database.write() as connection:
        return queue(connection, MERGED_MOVIES.name, MergeMoviesParams(movie, other))


def merged(database: Database, settings: Settings, movie: int = NEW, other: int = OLD) -> Task:
    return run(database, settings, started(database, movie, other), merge_movies.run)


def link_of(database: Database, movie: int) -> list[Any]:
    return [row[1:] for row in table(database, "links") if row[0] == movie]


def test_the_newer_rating_stays_and_the_undo_brings_both_back(
    rated: Database, engine_settings: Settings
) -> None:
    before = state(rated)
    task = merged(rated, engine_settings)
    assert task.result == RESULT, task.error
    assert (of(rated, OLD), of(rated, NEW), of(rated, 2)) == ({}, MERGED, OF_NEW)
    assert (link_of(rated, OLD), link_of(rated, NEW)) == ([], [(114709, 949)])
    assert counts_are_right(rated)
    assert [row[:5] for row in table(rated, "marks")] == [
        (1, NEW, "like", True, 10), (2, NEW, "watched", True, 20), (3, NEW, "watched", True, 30),
        (4, NEW, "watchlist", True, 1),
    ]  # fmt: skip
    assert [row[4] for row in table(rated, "plays")] == [NEW]
    assert [row[:3] for row in table(rated, "aliases")] == [(1, "title:new:", NEW), (1, "title:old:", NEW)]
    with rated.read() as connection, pytest.raises(movies.Merged):
        movies.get(connection, OLD)
    undo = undone(rated, engine_settings, task)
    assert undo.result is not None, undo.error
    assert undo.result["kept"] == 0
    assert state(rated) == before
    assert counts_are_right(rated)


@pytest.mark.parametrize("at", KILLS)
def test_a_kill_of_the_merge_or_of_its_undo_changes_nothing(
    rated: Database, engine_settings: Settings, at: int
) -> None:
    before = state(rated)
    task = run_killed(rated, engine_settings, started(rated), merge_movies.run, at)
    assert task.result == RESULT, task.error
    assert (of(rated, OLD), of(rated, NEW)) == ({}, MERGED)
    assert counts_are_right(rated)
    assert undone(rated, engine_settings, task, kill_at=at).result is not None
    assert state(rated) == before


def test_what_is_rated_under_the_old_id_is_a_rating_of_the_new_one(
    rated: Database, engine_settings: Settings
) -> None:
    with rated.write() as connection:
        movie_merges.begin(connection, OLD, NEW, task_seq=0)  # a merge that has moved nothing yet
        rating, is_new = rating_queries.rate(connection, Rating(9, OLD, 4.5, 999))
        assert (rating.movie_id, is_new) == (NEW, True)
        assert rating_queries.get(connection, 1, OLD).movie_id == OLD
        rating_queries.delete(connection, 1, OLD)
        movie_merges.restore(connection, 0)
    merged(rated, engine_settings)
    assert of(rated, NEW) == {user: row for user, row in MERGED.items() if user != 1} | {9: (4.5, 999)}
    with rated.write() as connection:
        assert rating_queries.rate(connection, Rating(9, OLD, 1.0, 1000))[1] is False
        rating_queries.delete(connection, 5, OLD)
        assert rating_queries.get(connection, 2, OLD) == Rating(2, NEW, 2.0, 300)
    assert of(rated, NEW)[9] == (1.0, 1000) and 5 not in of(rated, NEW)
    assert counts_are_right(rated)


def test_what_was_rated_after_the_merge_is_kept(rated: Database, engine_settings: Settings) -> None:
    task = merged(rated, engine_settings)
    with rated.write() as connection:
        rating_queries.rate(connection, Rating(1, OLD, 4.5, 999))
    undo = undone(rated, engine_settings, task)
    assert undo.result is not None, undo.error
    assert undo.result["kept"] == 1
    assert of(rated, OLD) == OF_OLD
    assert of(rated, NEW) == OF_NEW | {1: (4.5, 999)}
    assert counts_are_right(rated)


def test_chains_and_circles(rated: Database, engine_settings: Settings) -> None:
    before = state(rated)
    first, second = merged(rated, engine_settings), merged(rated, engine_settings, movie=2, other=NEW)
    with rated.read() as connection, pytest.raises(movies.Merged) as error:
        movies.get(connection, OLD)
    assert error.value.into == 2
    for movie, other in ((OLD, 2), (NEW, 2), (2, OLD), (2, NEW)):
        circle = merged(rated, engine_settings, movie, other)
        assert (circle.status, (circle.error or {})["status"]) == (FAILED, 409)
    for task in (second, first):
        assert undone(rated, engine_settings, task).result is not None
    assert state(rated) == before


def test_a_movie_that_is_deleted_afterwards_takes_the_old_id_with_it(
    rated: Database, engine_settings: Settings
) -> None:
    task = merged(rated, engine_settings)
    with rated.write() as connection:
        movies.delete(connection, NEW, force=True)
        with pytest.raises(NotFound):
            movies.get(connection, OLD)
    undo = undone(rated, engine_settings, task)
    assert undo.result is not None and undo.result["kept"] >= len(OF_OLD)
    assert (of(rated, NEW), of(rated, OLD)) == ({}, {})
    assert not table(rated, "marks"), "none of a movie that is not there"
    assert counts_are_right(rated)


def test_an_import_that_brings_the_old_id_rates_the_new_one(
    rated: Database, engine_settings: Settings, run_import: Import
) -> None:
    merged(rated, engine_settings)
    again = run_import(f"movieId,title,genres\n{OLD},Heat (1995),Drama\n", "movies.csv")
    assert again.status == FAILED, "nothing of it can be taken"
    task = run_import(HEADER + f"70,{OLD},4,1000\n70,2,3,1000\n71,{NEW},2,50\n71,{OLD},5,60\n")
    assert task.result is not None, task.error
    assert (task.result["new"], task.result["duplicate"], task.result["rejected"]) == (3, 1, 0)
    assert (of(rated, NEW)[70], of(rated, NEW)[71], of(rated, OLD)) == ((4.0, 1000), (5.0, 60), {})


def test_over_http(client: TestClient, run_tasks: Run) -> None:
    send(client, HEADER + f"7,{OLD},4,1000\n7,{NEW},3,900\n8,{OLD},2,1000\n")
    run_tasks()
    path, body = f"/movies/{NEW}/merge", {"from": OLD}
    assert client.post(path, json={"from": NEW}).status_code == 422
    assert client.post(path, json={"from": 424242}).status_code == 404
    assert client.post("/movies/424242/merge", json=body).status_code == 404
    for wrong in ({}, {"from": str(OLD)}, {"from": -1}, {"from": OLD, "more": 1}):
        assert client.post(path, json=wrong).status_code == 422
    task = post(client, path, body)
    assert post(client, path, body) == task, "the same one is joined"
    assert client.post(f"/movies/{OLD}/merge", json={"from": NEW}).status_code == 409
    assert client.post("/movies/2/merge", json=body).status_code == 409
    run_tasks()
    assert client.get(f"/tasks/{task}").json()["result"] == {**RESULT, "moved": 1, "older": 0}
    for place in ("", "/histogram"):
        led = client.get(f"/movies/{OLD}{place}", follow_redirects=False)
        assert (led.status_code, led.headers["Location"]) == (308, f"/movies/{NEW}{place}")
    assert client.get(f"/movies/{OLD}").json()["rating_count"] == 2
    assert client.get(f"/movie/{OLD}", follow_redirects=False).headers["Location"] == f"/movie/{NEW}"
    assert [movie["id"] for movie in client.get(f"/movies?ids={OLD}&ids=2&ids={NEW}").json()] == [NEW, 2]
    for method in ("PUT", "DELETE"):
        refused = client.request(method, f"/movies/{OLD}", json={"title": "A"} if method == "PUT" else None)
        assert refused.status_code == 404 and f"into movie {NEW}" in refused.json()["detail"]
    rating = {"user_id": 9, "movie_id": OLD, "score": 5}
    assert client.post("/ratings", json=rating).json()["movie_id"] == NEW
    assert client.put(f"/users/9/ratings/{OLD}", json={"score": 4}).json()["movie_id"] == NEW
    batch = {"ratings": [rating, rating | {"movie_id": NEW}, rating | {"user_id": 10}]}
    results = client.post("/ratings/batch", json=batch).json()["results"]
    assert [result["status"] for result in results] == ["replaced", "unchanged", "new"]
    assert client.delete(f"/movies/{NEW}").status_code == 409
    assert client.post(path, json=body).status_code == 409
    undo = post(client, f"/tasks/{task}/undo")
    run_tasks()
    assert client.get(f"/tasks/{undo}").json()["status"] == "complete"
    assert client.get(f"/movies/{OLD}", follow_redirects=False).json()["rating_count"] == 2
