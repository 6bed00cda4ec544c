"""Imports from the file to the database."""

import csv
import gzip
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.config import Settings
from app.imports import import_ratings
from app.imports.mergers import RatingMerger
from app.imports.sizes import DEFAULT, Sizes
from app.movie import Movie
from app.rating import Rating
from app.repository import movies, tasks
from app.repository import ratings as rating_queries
from app.sample import MOVIES
from app.storage import Database
from app.tasks.execution import execute
from app.tasks.retry import missing_of, retry
from tests.catalogue import put_movies
from tests.imports.conftest import (
    NOW,
    Import,
    adds_up,
    attempt,
    counts_are_right,
    perform,
    queue,
    ratings,
    table,
)
from tests.imports.rejected import rejects_of

pytestmark = pytest.mark.usefixtures("catalogue")
UNKNOWN_TIME = "not a time that is known (epoch seconds, ISO 8601, or a date)"
HEADER = "user_id,movie_id,score,rated_at\n"


def figures(result: dict[str, Any] | None) -> dict[str, int]:
    assert result is not None
    names = ("read", "new", "replaced", "unchanged", "older", "duplicate", "waiting", "rejected")
    return {name: result[name] for name in names if result[name]}


def test_ratings_are_stored_and_counted(run_import: Import, database: Database) -> None:
    task = run_import(HEADER + "2,1,4.5,1000\n1,3,0.5,2023-01-01T00:00:00Z\n1,1,5,2000\n")
    assert task.status == "complete"
    assert figures(task.result) == {"read": 3, "new": 3}
    assert ratings(database) == {(1, 1): (5.0, 2000), (1, 3): (0.5, 1_672_531_200), (2, 1): (4.5, 1000)}
    assert counts_are_right(database)
    assert {row[4] for row in table(database, "ratings")} == {task.seq}


def test_bom_crlf_gzip_and_column_order_make_no_difference(run_import: Import, database: Database) -> None:
    text = b'\xef\xbb\xbfscore,user_id,movie_id\r\n4.5,1,1\r\n"3","1",2'
    assert figures(run_import(gzip.compress(text), "x.csv.gz").result) == {"read": 2, "new": 2}
    assert ratings(database) == {(1, 1): (4.5, int(NOW)), (1, 2): (3.0, int(NOW))}


def test_every_bad_row_is_rejected_by_itself_with_its_reason(
    run_import: Import, database: Database, engine_settings: Settings
) -> None:
    rows = [
        ("1,1,4,1000", None),
        ('1,"2,4,1000', ("", "a quote that is not closed, or not doubled, in this line")),
        ("1,3,4,1000", None),
        ("x,3,4,1000", ("user_id", "not a whole number from 0")),
        (",3,4,1000", ("user_id", "missing")),
        ("9223372036854775808,3,4,1000", ("user_id", "above 9223372036854775807")),
        ("1,3.5,4,1000", ("movie_id", "not a whole number from 0")),
        ("1,99,4,1000", ("movie_id", "unknown movie")),
        ("1,3,4.25,1000", ("score", "not on the scale of 0.5 to 5 in steps of 0.5")),
        ("1,3,nan,1000", ("score", "not a number")),
        ("1,3,4,soon", ("rated_at", UNKNOWN_TIME)),
        ("1,3,4,1700000901", ("rated_at", "in the future (times are epoch seconds or ISO 8601)")),
        ("1,3,4,1700000300", None),
        ("1,3,4", ("", "3 columns where the header has 4")),
        ("1,3,4,1000,5", ("", "5 columns where the header has 4")),
        ("", ("", "blank line")),
        ("1,4,4,\x00", ("rated_at", UNKNOWN_TIME)),
        ("1,4,4,1000", None),
    ]
    more = "".join(f"{user},1,4,1000\n" for user in range(2, 102))  # one score off the scale is a mistake
    task = run_import(HEADER + "".join(row + "\n" for row, _ in rows) + more)
    expected = [(n, *bad) for n, (_, bad) in enumerate(rows, 2) if bad]
    file = io.StringIO(rejects_of(engine_settings, task.id) or "", newline="")
    found = [(int(r["line"]), r["column"], r["reason"]) for r in csv.DictReader(file)]
    assert found == expected
    assert task.result is not None
    assert [r["line"] for r in task.result["rejects"]] == [row[0] for row in expected][:20]
    assert figures(task.result) == {"read": 118, "new": 103, "duplicate": 1, "rejected": 14}
    assert {key for key in ratings(database) if key[0] == 1} == {(1, 1), (1, 3), (1, 4)}


def test_a_line_that_is_not_utf_8_or_too_long_spoils_no_other(run_import: Import, database: Database) -> None:
    text = HEADER.encode() + b"1,1,4,\xff\n1,2,4,1\n1,3," + b"4" * 10_000_000 + b",5\n1,4,4,1\n"
    assert figures(run_import(text).result) == {"read": 4, "new": 2, "rejected": 2}
    assert set(ratings(database)) == {(1, 2), (1, 4)}


def test_the_newer_rating_wins_and_the_later_line_of_equally_new_ones(
    run_import: Import, database: Database
) -> None:
    run_import(HEADER + "1,1,1,1000\n1,2,2,1000\n1,3,3,1000\n1,4,4,1000\n")
    rows = "1,1,2,999\n1,2,2,1000\n1,3,5,1000\n1,4,1,1001\n1,4,2,1001\n1,4,3,1000\n1,5,5,1\n"
    task = run_import(HEADER + rows)
    assert figures(task.result) == {
        "read": 7, "new": 1, "replaced": 2, "unchanged": 1, "older": 1, "duplicate": 2
    }  # fmt: skip
    expected = {1: (1.0, 1000), 2: (2.0, 1000), 3: (5.0, 1000), 4: (2.0, 1001), 5: (5.0, 1)}
    assert ratings(database) == {(1, movie): row for movie, row in expected.items()}
    assert counts_are_right(database)
    assert len(table(database, "rating_before_images")) == 2


@pytest.mark.parametrize("text", [HEADER + "1,1,4,1000\n2,1,3,1000\n", "user_id,movie_id,score\n1,1,4\n"])
def test_the_same_file_again_changes_nothing_and_says_so(
    run_import: Import, database: Database, text: str
) -> None:
    first = run_import(text)
    before = table(database, "ratings")
    again = run_import(text)
    assert first.result is not None
    assert figures(again.result) == {"read": first.result["read"], "unchanged": first.result["read"]}
    assert table(database, "ratings") == before


def test_a_rating_through_the_api_survives_an_older_file(run_import: Import, database: Database) -> None:
    with database.write() as connection:
        rating_queries.put(connection, Rating(1, 1, 5.0, 2000))
    assert figures(run_import(HEADER + "1,1,1,1000\n").result) == {"read": 1, "older": 1}
    assert ratings(database) == {(1, 1): (5.0, 2000)}


def test_an_import_without_a_good_row_fails_and_says_what_to_do(run_import: Import) -> None:
    task = run_import(HEADER + "1,98,4,1000\n1,99,4,1000\n")
    assert task.status == "failed"
    assert task.error is not None
    assert task.error["detail"] == "None of 2 rows could be imported. Import movies.csv first."
    assert "line 2" in task.error["errors"][0]["detail"]
    empty = run_import(HEADER)
    assert empty.error is not None
    assert "no rows" in empty.error["detail"]


def test_movielens_files_as_they_are(run_import: Import, database: Database) -> None:
    text = (
        "movieId,title,genres\n"
        '11,"American President, The (1995)",Comedy|Drama\n'
        "12,Ready Player One,(no genres listed)\n"
        "1,Film 1,\n"
    )
    task = run_import(text, "movies.csv")
    assert figures(task.result) == {"read": 3, "new": 2, "unchanged": 1}
    with database.read() as connection:
        found = movies.by_ids(connection, [11, 12])
    assert (found[11].title, found[11].year, found[11].genre) == (
        "The American President", 1995, "Comedy|Drama"
    )  # fmt: skip
    assert (found[12].title, found[12].year, found[12].genre) == ("Ready Player One", None, None)
    ratings_file = "userId,movieId,rating,timestamp\n1,11,4.0,964982703\n"
    assert figures(run_import(ratings_file).result) == {"read": 1, "new": 1}
    links = run_import("movieId,imdbId,tmdbId\n11,0112346,9087\n12,1677720,\n99,1,1\n")
    assert figures(links.result) == {"read": 3, "new": 2, "rejected": 1}
    assert table(database, "links") == [(11, 112346, 9087), (12, 1677720, None)]


def test_movies_are_never_written_over_those_made_here(run_import: Import, database: Database) -> None:
    with database.write() as connection:
        movies.replace(connection, 2, "Mine", 2001, None)
    rows = "1,Film 1,,\n2,Other,1999,\n3,New name,1999,Drama\n3,Newest name,1999,Drama\n4,x,1700,\n5,,2000,\n"
    task = run_import("id,title,year,genre\n" + rows)
    assert figures(task.result) == {"read": 6, "replaced": 1, "unchanged": 1, "duplicate": 1, "rejected": 3}
    assert adds_up(task)
    with database.read() as connection:
        found = movies.by_ids(connection, [2, 3])
    assert (found[2].title, found[3].title) == ("Mine", "Newest name")


def test_an_import_without_a_file_takes_the_bundled_sample(
    database: Database, engine_settings: Settings
) -> None:
    with database.write() as connection:
        sample = [
            Movie(int(row["id"]), row["title"]) for row in csv.DictReader(MOVIES.open(encoding="utf-8"))
        ]
        put_movies(connection, sample, "starter")
    task = queue(database, None, "")
    execute(attempt(database, engine_settings))
    with database.read() as connection:
        ended = tasks.get(connection, task.id)
    assert ended is not None
    assert figures(ended.result)["new"] == figures(ended.result)["read"] > 1000
    assert len(ratings(database)) == figures(ended.result)["new"]
    assert counts_are_right(database)


def test_a_dry_run_reports_and_writes_nothing(run_import: Import, database: Database) -> None:
    run_import(HEADER + "1,1,1,1000\n")
    before = {name: table(database, name) for name in ("ratings", "movies", "rating_before_images")}
    text = HEADER + "1,1,2,2000\n1,2,2,1000\nx,2,2,1000\n"
    dry = run_import(text, dry_run=True)
    assert before == {name: table(database, name) for name in before}
    assert figures(dry.result) == figures(run_import(text).result)
    dry = run_import("id,title,year,genre\n1,Film 1,,\n99,Other,1999,\n3,New name,1999,Drama\n", dry_run=True)
    assert figures(dry.result) == {"read": 3, "new": 1, "replaced": 1, "unchanged": 1}


def test_ratings_of_a_movie_deleted_between_the_phases_are_rejected(
    run_import: Import, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    parse = import_ratings._parse

    def parse_then_delete(*arguments: Any) -> Any:
        parsed = parse(*arguments)
        with database.write() as connection:
            movies.delete(connection, 2, force=False)
        return parsed

    monkeypatch.setattr(import_ratings, "_parse", parse_then_delete)
    task = run_import(HEADER + "1,1,1,1000\n1,2,1,1000\n")
    assert figures(task.result) == {"read": 2, "new": 1, "rejected": 1}
    assert set(ratings(database)) == {(1, 1)}


def test_a_cancelled_import_that_is_tried_again_goes_on_where_it_was(
    database: Database, engine_settings: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "upload"
    path.write_text(HEADER + "".join(f"{user},1,4,1000\n" for user in range(10)) + "x\n")
    task = queue(database, path, "file.csv")
    ranges = iter(range(3))

    def stopping() -> bool:
        with database.write() as connection:
            if next(ranges, None) is None:
                tasks.request_cancel(connection, task.id, now=NOW)
        return False

    settings = replace(engine_settings, import_chunk=1)
    execute(attempt(database, settings, stopping=stopping))
    with database.write() as connection:
        cancelled = tasks.get(connection, task.id)
        assert cancelled is not None
        assert cancelled.status == "cancelled"
        retry(connection, task.id, missing_of(engine_settings, cancelled))
    assert 0 < len(ratings(database)) < 10
    assert counts_are_right(database)
    execute(attempt(database, settings))
    with database.read() as connection:
        ended = tasks.get(connection, task.id)
    assert ended is not None
    assert figures(ended.result) == {"read": 11, "new": 10, "rejected": 1}
    assert counts_are_right(database)


def test_a_film_that_is_deleted_between_its_two_lines_is_counted_once(
    database: Database, engine_settings: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "upload"
    path.write_text("id,title,year,genre\n11,New,,\n11,Newer,,\n")
    task = queue(database, path, "movies.csv")

    def stopping() -> bool:
        with database.write() as connection:
            if movies.by_ids(connection, [11]):
                movies.delete(connection, 11, force=True)
        return False

    settings = replace(engine_settings, import_chunk=1)
    perform(attempt(database, settings, stopping=stopping), Sizes(catalogue_rows=1))
    with database.read() as connection:
        ended = tasks.get(connection, task.id)
    assert ended is not None
    assert figures(ended.result) == {"read": 2, "new": 1, "duplicate": 1}


LETTERBOXD = "Date,Name,Year,Letterboxd URI,Rating\n" + "".join(
    f"2023-01-05,{title},,u,4\n" for title in ("Film 1", "Film 2", "New", "Film 3")
)


@pytest.mark.parametrize("text", [HEADER + "1,1,4,1\n1,2,4,1\n1,11,4,1\n2,1,4,1\n", LETTERBOXD])
def test_a_file_that_is_parsed_again_comes_to_the_same_rows(
    database: Database,
    engine_settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    text: str,
) -> None:
    """A movie that came in between, and one that went, do not change which rows are merged."""
    path = tmp_path / "upload"
    path.write_text(text)
    task = queue(database, path, "ratings.csv", user_id=1)
    settings = replace(engine_settings, import_chunk=1)
    monkeypatch.setattr(database, "has_waiters", lambda: True)
    execute(attempt(database, settings, stopping=lambda: len(ratings(database)) == 1))
    with database.write() as connection:
        stopped = tasks.get(connection, task.id)
        put_movies(connection, [Movie(11, "New")])
        movies.delete(connection, 2, force=True)
    assert stopped is not None
    assert (stopped.status, stopped.phase, stopped.done) == ("queued", "merge", 1)
    execute(attempt(database, settings))
    with database.read() as connection:
        ended = tasks.get(connection, task.id)
    assert ended is not None
    waits = {"waiting": 1} if text == LETTERBOXD else {}
    assert figures(ended.result) == {"read": 4, "new": 2, "rejected": 2 - len(waits)} | waits
    assert ended.result is not None
    assert [row["line"] for row in ended.result["rejects"]] == ([None] if waits else [4, None])
    assert len(ratings(database)) == 2
    assert counts_are_right(database)


def test_a_file_of_unknown_movies_is_tried_again_with_those_that_are_known_by_then(
    run_import: Import, database: Database, engine_settings: Settings
) -> None:
    task = run_import(HEADER + "1,11,4,1000\n2,11,4,1000\n1,12,4,1000\n")
    assert task.status == "failed"
    with database.write() as connection:
        put_movies(connection, [Movie(11, "New")])
        retry(connection, task.id, missing_of(engine_settings, task))
    execute(attempt(database, engine_settings))
    with database.read() as connection:
        again = tasks.get(connection, task.id)
    assert again is not None
    assert again.status == "complete"
    assert figures(again.result) == {"read": 3, "new": 2, "rejected": 1}


def test_a_few_ratings_among_very_many_others(run_import: Import, database: Database) -> None:
    run_import(HEADER + "".join(f"{user},{movie},4,1000\n" for user in range(1, 700) for movie in (1, 2)))
    task = run_import(HEADER + "1,2,5,2000\n350,2,5,999\n350,3,5,1\n699,2,4,1000\n")
    assert figures(task.result) == {"read": 4, "new": 1, "replaced": 1, "unchanged": 1, "older": 1}
    assert len(ratings(database)) == 1399
    assert counts_are_right(database)


@pytest.mark.parametrize(("wanted", "transactions"), [(False, 3), (True, 10)])
def test_a_transaction_ends_with_its_range_when_somebody_waits(
    run_import: Import, database: Database, monkeypatch: pytest.MonkeyPatch, wanted: bool, transactions: int
) -> None:
    monkeypatch.setattr(database, "has_waiters", lambda: wanted)
    closed: list[int] = []
    monkeypatch.setattr(RatingMerger, "close", lambda *_: closed.append(1))
    run_import(
        HEADER + "".join(f"{user},1,4,1000\n" for user in range(20)), chunk=8, sizes=Sizes(give_way_seconds=0)
    )
    assert len(ratings(database)) == 20
    assert len(closed) == transactions


@pytest.mark.parametrize(
    ("seconds", "most", "ranges"), [(3600, 32, [1] * 30), (0, 32, [30]), (0, 14, [10, 10, 10])]
)
def test_a_merge_starts_with_small_ranges_and_goes_on_with_equal_ones(
    run_import: Import,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    seconds: int,
    most: int,
    ranges: list[int],
) -> None:
    """So many that one transaction has no room for all of them, the less so where they replace others."""
    merge, ranges_of = RatingMerger.merge, []

    def merge_and_count(
        self: RatingMerger, connection: Any, some: Any, *arguments: Any, **options: Any
    ) -> Any:
        ranges_of.append(some.size)
        return merge(self, connection, some, *arguments, **options)

    monkeypatch.setattr(RatingMerger, "merge", merge_and_count)
    for time in (1000, 2000):
        rows = "".join(f"{user},1,4,{time}\n" for user in range(30))
        sizes = Sizes(give_way_seconds=seconds, few_rows=1)
        run_import(HEADER + rows, chunk=most * DEFAULT.ranges, sizes=sizes)
    assert ranges_of == 2 * ranges
    assert {row[1] for row in ratings(database).values()} == {2000}
    assert len(ratings(database)) == 30
