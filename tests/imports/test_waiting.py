"""Rows of a person's file that are no ratings, or have no movie: kept, and taken back by an undo."""

from typing import Any

import pytest

from app.imports.gathering import Gathering
from app.imports.kinds import MISSING
from app.imports.readers.reader import Missing
from app.mark import Mark
from app.rating import Rating
from app.repository import aliases, audit, marks, waiting
from app.repository import catalogue as movie_catalogue
from app.repository import ratings as rating_queries
from app.repository.waiting import Waiting
from app.storage import Database, personal, schema
from app.task import Task
from tests.imports.conftest import Import, Undo, adds_up, counts_are_right, ratings, table

MOVIES = "id,title,year,genre\n21,Alien,1979,\n22,Heat,1995,\n23,Solaris (Solyaris),1972,\n24,Dune,1984,\n"
LINKS = "movieId,imdbId,tmdbId\n21,78748,348\n22,113277,949\n"
HEADER = "Date,Name,Year,Letterboxd URI,Rating\n"
SCORES = HEADER + "2022-02-01,Alien,1979,u,4\n2022-02-01,Nobody Knows,2004,u,5\n2022-02-02,Dune,2021,u,3\n"
WATCHED = (
    "Date,Name,Year,Letterboxd URI\n2022-02-03,Alien,1979,u\n2022-02-04,Nobody Knows,2004,u\n"
    "2022-02-04,Unheard Of,2011,u\n"
)
KEPT = ("ratings", "marks", "waiting", "aliases", "movies", "links", "personal_before_images")


@pytest.fixture(autouse=True)
def films(catalogue: list[int], run_import: Import) -> None:
    run_import(MOVIES)
    run_import(LINKS)


def figures(task: Task) -> dict[str, int]:
    assert adds_up(task)
    assert task.result is not None
    names = ("read", "new", "replaced", "older", "duplicate", "waiting", "marks", "rejected", "made")
    return {name: task.result[name] for name in names if task.result[name]}


def state(database: Database) -> dict[str, Any]:
    return {name: table(database, name) for name in KEPT} | {"counts": counts_are_right(database)}


def waits(database: Database, user_id: int = 7) -> dict[str, tuple[float | None, list[str]]]:
    with database.read() as connection:
        rows = waiting.listing(connection, user_id, limit=100)
    return {row.title: (row.score, sorted(row.marks)) for row in rows}


def test_a_row_without_a_movie_waits_and_goes_with_the_undo(
    run_import: Import, run_undo: Undo, database: Database
) -> None:
    before = state(database)
    task = run_import(SCORES, "ratings.csv", user_id=7)
    assert figures(task) == {"read": 3, "new": 1, "waiting": 2}
    assert waits(database) == {"Nobody Knows": (5.0, []), "Dune": (3.0, [])}
    more = run_import(WATCHED, "watched.csv", user_id=7)
    assert figures(more) == {"read": 3, "waiting": 2, "marks": 1}
    assert waits(database)["Nobody Knows"] == (5.0, ["watched"])
    assert run_undo(more).status == "complete"
    assert waits(database) == {"Nobody Knows": (5.0, []), "Dune": (3.0, [])}
    assert not table(database, "marks")
    assert run_undo(task).status == "complete"
    assert state(database) == before


def test_an_import_whose_rows_all_wait_is_complete_and_again_changes_nothing(
    run_import: Import, run_undo: Undo, database: Database
) -> None:
    content = HEADER + "2022-02-01,Nobody Knows,2004,u,5\n"
    first = run_import(content, "ratings.csv", user_id=7)
    assert (first.status, figures(first)) == ("complete", {"read": 1, "waiting": 1})
    before = state(database)
    again = run_import(content, "ratings.csv", user_id=7)
    assert figures(again) == {"read": 1, "waiting": 1}
    assert state(database) == before


def test_marks_are_kept_where_they_are_newer_and_what_was_changed_since_stays(
    run_import: Import, run_undo: Undo, database: Database
) -> None:
    with database.write() as connection:
        marks.set_marks(connection, 7, 21, {Mark.LIKE: True}, now=4_000_000_000)
        marks.set_marks(connection, 7, 22, {Mark.WATCHED: False}, now=5)
    before = state(database)
    films = "Date,Name,Year,Letterboxd URI\n2022-02-01,Alien,1979,u\n2022-02-01,Heat,1995,u\n"
    task = run_import(films, "films.csv", user_id=7)
    watched = run_import(WATCHED + "2022-02-05,Heat,1995,u\n", "watched.csv", user_id=7)
    assert [(row[1], row[2], row[3]) for row in table(database, "marks")] == [
        (21, "like", True), (21, "watched", True), (22, "like", True), (22, "watched", True),
    ]  # fmt: skip
    with database.write() as connection:
        marks.set_marks(connection, 7, 21, {Mark.WATCHED: False}, now=5)
    undone = run_undo(watched)
    assert undone.result is not None
    assert [row["value"] for row in undone.result["rejects"]] == ["7,21:watched"]
    assert run_undo(task).status == "complete"
    with database.write() as connection:
        mine = personal.marks.c.mark == "watched", personal.marks.c.movie_id == 21
        connection.execute(personal.marks.delete().where(*mine))
    assert state(database) == before


def test_movies_are_made_for_rows_that_no_movie_rivals(
    run_import: Import, run_undo: Undo, database: Database
) -> None:
    before = state(database)
    rows = "2022-02-03,Heat,1996,u,2\n2022-02-05,Solaris,1973,u,1\n2022-02-05,Nobody Knows,2004,u,4.5\n"
    rows += "2022-02-05,Solaris,1972,u,2\n"
    task = run_import(SCORES + rows, "ratings.csv", user_id=7, create=MISSING)
    # Heat of 1996 is that of 1995; Solaris of 1973 takes that of 1972, so that the next row waits
    assert figures(task) == {"read": 7, "new": 5, "duplicate": 1, "waiting": 1, "made": 2}
    with database.read() as connection:
        made = {row[1:3]: row[0] for row in movie_catalogue.titles(connection) if row[0] >= 1_000_000_000}
    assert set(made) == {("Nobody Knows", 2004), ("Dune", 2021)}
    assert ratings(database)[7, made["Nobody Knows", 2004]][0] == 4.5
    assert counts_are_right(database)
    again = run_import(SCORES, "ratings.csv", user_id=7, create=MISSING)
    assert again.result is not None
    assert (again.result["made"], again.result["waiting"]) == (0, 0)
    assert run_undo(task).status == "complete"
    after = state(database)
    assert after == before


def test_a_made_movie_that_others_have_rated_stays(
    run_import: Import, run_undo: Undo, database: Database
) -> None:
    columns = "imdb id,title,year,rating\n"
    text = columns + "tt0408664,Nobody Knows,2004,5\ntt0000009,Nobody Sees,2005,4\n,Nobody Sees,2005,4.5\n"
    task = run_import(text, "table.csv", user_id=7, create=MISSING)
    assert figures(task) == {"read": 3, "new": 2, "duplicate": 1, "made": 2}
    with database.read() as connection:
        ids = movie_catalogue.imdb_ids(connection)
    with database.write() as connection:
        rating_queries.put(connection, Rating(9, ids[408664], 4.5, 6000))
    undone = run_undo(task)
    assert undone.result is not None
    assert [row["reason"] for row in undone.result["rejects"]] == ["the movie was rated since"]
    with database.read() as connection:
        assert [row[0] for row in movie_catalogue.titles(connection) if row[0] > 99] == [ids[408664]]


def test_ids_go_before_titles_and_choices_before_both(run_import: Import, database: Database) -> None:
    columns = "imdb id,tmdb id,title,year,type,rating\n"
    text = columns + (
        "tt0078748,,Wrong Name,2000,movie,4\n"  # Alien by its IMDb id
        ",949,Alien,1979,movie,3\n"  # Heat by its TMDB id
        "tt0000001,,Heat,1995,movie,2\n"  # another Heat
        ",,Dune,1984,video game,1\n"
    )
    task = run_import(text, "table.csv", user_id=7)
    assert figures(task) == {"read": 4, "new": 2, "waiting": 1, "rejected": 1}
    assert {movie: score for (_, movie), (score, _) in ratings(database).items()} == {21: 4.0, 22: 3.0}
    with database.write() as connection:
        aliases.remember(connection, 7, "imdb:1", 24, now=1)
    again = run_import(text, "table.csv", user_id=7)
    assert again.result is not None
    assert (again.result["new"], again.result["waiting"]) == (1, 0)
    assert ratings(database)[7, 24][0] == 2.0


def test_two_works_that_are_one_movie_are_reported_and_not_merged(
    run_import: Import, database: Database
) -> None:
    rows = "2022-02-01,Solaris,1972,u,4\n2022-02-01,Solyaris,1972,u,1\n"
    task = run_import(HEADER + rows, "ratings.csv", user_id=7)
    assert figures(task) == {"read": 2, "new": 1, "waiting": 1}
    with database.read() as connection:
        (row,) = waiting.listing(connection, 7, limit=5)
    assert row.candidates[0][0] == 23
    assert "Another row" in row.reason


def test_rows_that_wait_are_bounded(run_import: Import, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "MOST", 2)
    rows = "".join(f"2022-02-01,Nobody {name},2004,u,5\n" for name in ("Knows", "Sees", "Hears", "Sees"))
    task = run_import(HEADER + rows, "ratings.csv", user_id=7)
    assert figures(task) == {"read": 4, "waiting": 3, "rejected": 1}
    other = run_import(HEADER + rows.replace("Nobody", "Somebody"), "ratings.csv", user_id=7)
    assert other.status == "failed"


def test_works_of_one_title_and_year_become_one_movie_only_if_that_is_certain() -> None:
    def made(*rows: tuple[str, int | None, int | None]) -> set[tuple[str, str]]:
        gathering = Gathering()
        for work, imdb_id, tmdb_id in rows:
            gathering.add(Missing(1, Waiting(7, work, "Nobody", 2004, imdb_id, tmdb_id, 4.0), True))
        return set(gathering._made().items())

    title = ("title:nobody:2004", None, None)
    assert made(title) == {(title[0], title[0])}
    assert made(title, ("imdb:1", 1, None)) == {("imdb:1", "imdb:1"), (title[0], "imdb:1")}
    assert made(("imdb:1", 1, None), ("imdb:2", 2, 5)) == {("imdb:1", "imdb:1"), ("imdb:2", "imdb:2")}
    assert made(("imdb:1", 1, None), ("tmdb:2", None, 2)) == set()
    assert made(title, ("imdb:1", 1, None), ("imdb:2", 2, None)) == set()


def test_rows_of_a_forgotten_user_are_rejected(run_import: Import, database: Database) -> None:
    with database.write() as connection:
        audit.add(connection, "forget_user", "7", now=1.0)
    text = "user_id,movie_id,score\n7,21,4\n8,21,5\n7,22,1\n"
    task = run_import(text)
    assert figures(task) == {"read": 3, "new": 1, "rejected": 2}
    assert list(ratings(database)) == [(8, 21)]
    assert task.result is not None
    assert {(row["value"], row["reason"]) for row in task.result["rejects"]} == {
        ("", "of a user who was forgotten")
    }
    assert run_import(SCORES, "ratings.csv", user_id=7).status == "failed"
    with database.write() as connection:
        name = {"name": "Seven", "name_key": "seven", "created_at": 1.0}
        connection.execute(schema.users.insert().values(id=7, **name))
    assert run_import(SCORES, "ratings.csv", user_id=7).status == "complete"
