"""Letterboxd and IMDb exports: movies found by IMDb id, or by title and year."""

import pytest

from app.imports.matching import Matcher
from app.repository import waiting
from app.storage import Database
from tests.imports.conftest import Import, counts_are_right, ratings

pytestmark = pytest.mark.usefixtures("catalogue")

MOVIES = """movieId,title,genres
101,"Matrix, The (1999)",Action
102,"City of Lost Children, The (Cité des enfants perdus, La) (1995)",Fantasy
103,Solaris (1972),Drama
104,Solaris (2002),Drama
105,Twin (2000),Drama
106,Twin (2000),Drama
107,"Good, the Bad and the Ugly, The (1966)",Western
"""
LETTERBOXD = """Date,Name,Year,Letterboxd URI,Rating
2023-01-05,The Matrix,1999,https://boxd.it/1,4.5
2023-01-05,La Cité des enfants perdus,1995,https://boxd.it/2,4
2023-01-05,Solaris,2002,https://boxd.it/3,2
2023-01-05,Twin,2000,https://boxd.it/4,2
2023-01-05,"The Good, the Bad & the Ugly",1967,https://boxd.it/5,5
2023-01-05,"Nobody, Knows",2004,https://boxd.it/6,5
2023-01-05,The Matrix,1999,https://boxd.it/1,
2023-11-15,Solaris,1972,https://boxd.it/7,3
"""
IMDB = """Const,Your Rating,Date Rated,Title,Original Title,URL,Title Type,IMDb Rating,Year
tt0133093,9,2023-01-05,Some other name,x,https://www.imdb.com/title/tt0133093,Movie,8.7,1999
tt0000001,1,2023-01-05,Solaris,Solyaris,https://www.imdb.com/title/tt0000001,Movie,8.0,1972
tt0000002,11,2023-01-05,Solaris,Solaris,https://www.imdb.com/title/tt0000002,Movie,6.2,2002
"""


def test_letterboxd_ratings_are_matched_by_name_and_year(run_import: Import, database: Database) -> None:
    run_import(MOVIES)
    task = run_import(LETTERBOXD, "ratings.csv", user_id=7)
    scores = {movie: score for (user, movie), (score, _) in ratings(database).items() if user == 7}
    assert scores == {101: 4.5, 102: 4.0, 104: 2.0, 107: 5.0, 103: 3.0}
    assert task.result is not None
    assert [row["line"] for row in task.result["rejects"]] == [8]
    with database.read() as connection:
        waits = waiting.listing(connection, 7, limit=10)
    assert [(row.title, row.year, row.score, row.candidates) for row in waits] == [
        ("Twin", 2000, 2.0, ((105, "the same title and year"), (106, "the same title and year"))),
        ("Nobody, Knows", 2004, 5.0, ()),
    ]
    assert counts_are_right(database)
    # 15 November had not begun in UTC when the import did
    assert ratings(database)[7, 103][1] == 1_700_000_000


def test_imdb_ratings_are_matched_by_id_and_rescaled(run_import: Import, database: Database) -> None:
    run_import(MOVIES)
    run_import("movieId,imdbId,tmdbId\n101,0133093,603\n")
    task = run_import(IMDB, "ratings.csv", user_id=7)
    assert {key: row[0] for key, row in ratings(database).items()} == {(7, 101): 4.5, (7, 103): 0.5}
    assert task.result is not None
    assert task.result["rejects"][0]["reason"] == "not on the scale of 1 to 10"


def test_whose_ratings_they_are_has_to_be_said(run_import: Import) -> None:
    task = run_import(LETTERBOXD)
    assert task.error is not None
    assert "?user_id=" in task.error["detail"]


def test_a_year_beside_is_only_taken_where_it_is_the_only_one() -> None:
    matcher = Matcher([(1, "Dune", 1984), (2, "Dune", 2021), (3, "Heat", 1994), (4, "Heat", 1996)], {})
    assert matcher.find("dune", 2020) == 2
    assert matcher.find("Düne!", 1984) == 1
    assert matcher.find("Dune", 2000) is None
    assert matcher.find("Heat", 1995) is None
    assert matcher.find("Heat", None) is None
