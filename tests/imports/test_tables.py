"""Any table with what is needed: separator, encoding and columns are recognised and stand in the report."""

from typing import Any

import pytest

from app.errors import Invalid
from app.imports import readers
from app.imports.readers.columns import key
from app.storage import Database
from tests.imports.conftest import Import, adds_up, ratings

pytestmark = pytest.mark.usefixtures("catalogue")
MOVIES = "id,title,year,genre\n21,Amélie,2001,\n22,Alien,1979,\n23,Heat,1995,\n"
LINKS = "movieId,imdbId,tmdbId\n21,211915,194\n22,78748,348\n"


def scores(database: Database, user_id: int = 7) -> dict[int, float]:
    return {movie: row[0] for (user, movie), row in ratings(database).items() if user == user_id}


@pytest.mark.parametrize(
    ("content", "expected", "assumed"),
    [
        (b"\xef\xbb\xbfuser_id;movie_id;score\r\n7;1;4,5\r\n7;2;3\r\n", {1: 4.5, 2: 3},
         {"separator": "semicolon", "decimals": "comma"}),
        (b'user_id,movie_id,score\n7,1,"4,5"\n7,2,3\n', {1: 4.5, 2: 3},
         {"separator": "comma", "decimals": "comma"}),
        (b"user_id\tmovie_id\tscore\n7\t1\t4.5\n", {1: 4.5}, {"separator": "tab"}),
        (b"user_id|movie_id|score\n7|1|4.5\n", {1: 4.5}, {"separator": "bar"}),
        (b"sep=;\r\nuser_id;movie_id;score\r\n7;1;4.5\r\n", {1: 4.5}, {"separator": "semicolon"}),
        (b'"sep=,"\nuser_id,movie_id,score\n7,1,4.5\n', {1: 4.5}, {"separator": "comma"}),
        ("user_id\tmovie_id\tscore\r\n7\t1\t4.5\r\n".encode("utf-16"), {1: 4.5}, {"encoding": "utf-16-le"}),
        ("user_id,movie_id,score\n7,1,4.5\n".encode("utf-16-be"), {1: 4.5}, {"encoding": "utf-16-be"}),
        (b"user_id,movie_id,score,,\r\n7,1,4.5,,\r\n,,,,\r\n7,2,3\r\n", {1: 4.5, 2: 3}, {"left_out": []}),
        (b"User_ID, Movie_ID, Score\n7,1,4\n", {1: 4}, {"columns": {
            "user_id": "User_ID", "movie_id": "Movie_ID", "score": "Score"}}),
        (b"user_id,movie_id,score,comment\n7,1,4,nice\n", {1: 4}, {"left_out": ["comment"]}),
        (b",userId,movieId,rating,timestamp\n0,7,1,4.0,964982703\n", {1: 4}, {"left_out": ["column 1"]}),
        (b"userId,movieId,rating,timestamp,title,genres\n7,1,4.0,9,A (1995),X\n", {1: 4},
         {"left_out": ["title", "genres"]}),
        (b"UserID,MovieID,Rating,Timestamp\n7.0,1.0,5,978300760.0\n", {1: 5}, {"scale": "0.5-5"}),
    ],
)  # fmt: skip
def test_people_write_tables_in_many_ways(
    run_import: Import,
    database: Database,
    content: bytes,
    expected: dict[int, float],
    assumed: dict[str, Any],
) -> None:
    task = run_import(content)
    assert task.result is not None, task.error
    assert scores(database) == expected
    (found,) = task.result["assumed"]
    assert {name: found[name] for name in assumed} == assumed
    assert adds_up(task)


def test_ids_as_spreadsheets_write_them(run_import: Import, database: Database) -> None:
    task = run_import('user_id,movie_id,score\n7,1.0E+0,4\n7.0,2.0,3\n7,"1,270",4\n7,1.2E+3,4\n7,1E+3,4\n')
    assert task.result is not None
    found = [(row["value"], row["reason"]) for row in task.result["rejects"]]
    shortened = "shortened by a spreadsheet: save the column as whole numbers"
    assert found == [
        ("1270", "unknown movie"), ("1.2E+3", shortened), ("1E+3", shortened),
    ]  # fmt: skip
    assert scores(database) == {1: 4.0, 2: 3.0}


@pytest.mark.parametrize(
    "header",
    [
        "Title,Year,Rating",
        "Titel;Jahr;Bewertung",
        "Année;Titre;Note",
        "Título;Año;Puntuación",
        "Titolo;Anno;Voto",
        "TÍTULO;Ano;Avaliação",
        "Titel;Jaar;Waardering",
        "Film\tYear\tMy Rating",
        "Note,Year,Name,IMDb Rating",
    ],
)
def test_headers_in_seven_languages(run_import: Import, database: Database, header: str) -> None:
    run_import(MOVIES)
    separator = next(one for one in "\t;," if one in header)
    names = header.split(separator)
    values = {"an": "1979", "y": "1979", "j": "1979", "t": "Alien", "f": "Alien", "na": "Alien", "im": "8.5"}
    row = [
        next((value for start, value in values.items() if key(name).startswith(start)), "4.5")
        for name in names
    ]
    task = run_import(header + "\n" + separator.join(row) + "\n", user_id=7)
    assert task.result is not None, task.error
    assert scores(database) == {22: 4.5}


def test_films_are_found_by_the_ids_of_other_catalogues(run_import: Import, database: Database) -> None:
    run_import(MOVIES)
    run_import(LINKS)
    run_import("imdb,rating\nhttps://www.imdb.com/title/tt0211915/,4\n0078748,3\n", user_id=7)
    assert scores(database) == {21: 4.0, 22: 3.0}
    run_import("TMDb ID,Type,Name,Your Rating\n194,movie,x,3\n348,tv,Alien,9\n", user_id=8)
    assert scores(database, 8) == {21: 1.5}


def test_what_the_caller_says_of_columns_and_scale_goes_first(run_import: Import, database: Database) -> None:
    run_import(MOVIES)
    content = "A,B,Rating,Mine\nAlien,1979,9,2\nHeat,1995,9,5\n"
    task = run_import(content, user_id=7, columns="title:a,year:2,score:Mine", scale="5")
    assert task.result is not None, task.error
    assert scores(database) == {22: 2.0, 23: 5.0}
    assert task.result["assumed"][0]["left_out"] == ["Rating"]
    for wrong in ("titel:A", "title:Z", "title:9", "title"):
        refused = run_import(content, user_id=7, columns=wrong)
        assert refused.error is not None
        assert refused.error["errors"][0]["parameter"] == "columns"


WESTERN = "Title;Year;Rating\nAmélie;2001;4\nAlien;1979;3\n"


def test_an_encoding_is_recognised_over_the_whole_file_or_declared(
    run_import: Import, database: Database
) -> None:
    run_import(MOVIES)
    task = run_import(WESTERN.encode("cp1252"), user_id=7)
    assert task.result is not None, task.error
    assert task.result["assumed"][0]["encoding"] == "cp1252"
    assert scores(database) == {21: 4.0, 22: 3.0}
    run_import(WESTERN.encode("mac-roman"), user_id=8, charset="mac-roman")
    assert scores(database, 8) == {21: 4.0, 22: 3.0}
    mixed = WESTERN.encode() + "Amélie;2001;5\n".encode("cp1252")
    for content in (mixed, "Title;Rating\nПривет;4\n".encode("cp1251")):
        task = run_import(content, user_id=9)
        assert task.error is not None
        assert task.error["errors"][0]["parameter"] == "charset"
    assert scores(database, 9) == {}


def test_movies_in_any_encoding_and_with_any_separator(run_import: Import, database: Database) -> None:
    task = run_import("id;title;year;genre;note\n31;L’âge d’or;1930;Comedy;x\n".encode("cp1252"))
    assert task.result is not None, task.error
    assert (task.result["format"], task.result["new"]) == ("movies", 1)
    run_import("title,year,rating\nL’âge d’or,1930,4\n", user_id=7)
    assert scores(database) == {31: 4.0}


def test_dates_are_asked_for_where_the_file_does_not_decide(run_import: Import, database: Database) -> None:
    content = "user_id,movie_id,score,date\n7,1,4,2/3/2020\n"
    task = run_import(content)
    assert task.error is not None
    assert task.error["errors"][0]["parameter"] == "dates"
    run_import(content, dates="month")
    decided = run_import(content + "7,2,4,13/3/2020\n")
    assert decided.result is not None
    assert decided.result["assumed"][0]["dates"] == "day"
    assert (ratings(database)[7, 2][1] - ratings(database)[7, 1][1]) == 11 * 86_400


def test_a_table_without_a_score_is_refused() -> None:
    with pytest.raises(Invalid, match="no header that we know"):
        readers.recognise(b"Title,Year\nHeat,1995\n", "x.csv")
