"""A person's own export comes in again: scores and marks with their times, and what was taken away."""

from typing import Any

import pytest

from app.imports.kinds import MISSING
from app.mark import Mark, Marked
from app.players.export import marks_csv
from app.rating import Rating
from app.repository import marks, movies, ratings, said_of_movies
from app.storage import Database
from tests.imports.conftest import Import, adds_up

SAID = {
    "Heat": {Mark.WATCHED: Marked(True, 1_500_000_100), Mark.LIKE: Marked(False, 1_500_000_300)},
    "=Formula": {Mark.NOT_INTERESTED: Marked(True, 1_500_000_200)},
    "Élan, The (Schwung)": {Mark.WATCHLIST: Marked(True, 1_500_000_000)},
}
HEADER = "movie_id,title,year,imdb_id,tmdb_id,what,value,at\n"


def say(database: Database, user: int) -> None:
    with database.write() as connection:
        for number, (title, states) in enumerate(SAID.items()):
            movie = movies.create(connection, title, 1990 + number, None, now=1).id
            marks.add(connection, user, movie, states)
        ratings.put(connection, Rating(user, movie, 4.5, 1_500_000_400))


def said(database: Database, user: int) -> list[Any]:
    with database.read() as connection:
        rows = said_of_movies.listing(connection, user, limit=100, after=-1)
    return sorted((one.movie.title, one.movie.year, one.score, one.rated_at, one.marks) for one in rows)


def what_is_said(text: str) -> list[list[str]]:
    return sorted(line.split(",")[-3:] for line in text.splitlines())


@pytest.mark.usefixtures("catalogue")
def test_an_export_gives_the_same_marks_to_another_person_and_in_another_service(
    run_import: Import, database: Database
) -> None:
    say(database, 7)
    text = "".join(marks_csv(database, 7))
    task = run_import(text, "marks.csv", user_id=8)
    assert adds_up(task), task.error
    assert task.result is not None
    assert (task.result["formats"], task.result["new"], task.result["marks"]) == (["marks"], 1, 4)
    assert said(database, 8) == said(database, 7)
    again = run_import(text, "marks.csv", user_id=8)
    assert again.result is not None
    assert again.result["unchanged"] == 1
    with database.write() as connection:
        for movie in movies.by_ids(connection, movies.known_ids(connection)):
            movies.delete(connection, movie, force=True)
    empty = run_import(text, "marks.csv", user_id=9, create=MISSING)
    assert adds_up(empty), empty.error
    assert empty.result is not None
    assert empty.result["made"] == 3
    assert what_is_said("".join(marks_csv(database, 9))) == what_is_said(text)


@pytest.mark.usefixtures("catalogue")
def test_two_films_of_one_title_and_year_are_told_apart_by_their_ids(
    run_import: Import, database: Database
) -> None:
    with database.write() as connection:
        twins = [movies.create(connection, "Twin", 1990, None, now=1).id for _ in range(2)]
    rows = [f"{movie},Twin,1990,,,watched,1,{1_500_000_000 + movie % 10}\n" for movie in (*twins, 3)]
    task = run_import(HEADER + "".join(rows), "marks.csv", user_id=7)
    assert adds_up(task), task.error
    with database.read() as connection:
        found = said_of_movies.listing(connection, 7, limit=9, after=-1)
    assert [one.movie.id for one in found] == twins
    assert task.result is not None
    assert (task.result["marks"], task.result["waiting"]) == (2, 1)


def test_what_is_neither_score_nor_mark_is_rejected(run_import: Import) -> None:
    said = ("rating,4.5,", "seen,1,5", "like,2,5", "rating,7,5")
    rows = "".join(f"1,Heat,1995,,,{one}\n" for one in said)
    task = run_import(HEADER + rows, "marks.csv", user_id=7)
    assert task.result is not None, task.error
    assert [row["column"] for row in task.result["rejects"]] == ["what", "value", "value"]
