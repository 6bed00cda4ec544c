"""What a search finds, and in which order, on every engine."""

import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.config import Settings
from app.movie import Movie
from app.repository import catalogue, movie_merges, movies
from app.repository.search import Found, search
from app.repository.vocabulary import forget
from app.storage import Database, open_database
from app.storage.prepared import Prepared
from tests.catalogue import put_movies
from tests.conftest import ENGINES
from tests.searches import OWN, STARTER, TITLES


@pytest.fixture(scope="module", params=ENGINES)
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """One database an engine for all of these tests, each of which rolls back what it does."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("search"), embedded_worker=False)
    if request.param == "sqlite":
        shutil.copyfile(request.getfixturevalue("migrated"), settings.data_dir / "matinee.db")
    else:
        server, template = request.getfixturevalue("postgres")
        url = server.url(server.create_database(template))
        settings = replace(settings, database_url=url)
    database = open_database(settings)
    yield database
    database.close()


class RolledBack(Exception):
    pass


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with suppress(RolledBack), database.write() as connection:
        yield connection
        raise RolledBack
    forget(database)


def titles(connection: Connection, text: str, **filters: object) -> list[str]:
    return [found.movie.title for found in search(connection, text, limit=1000, **filters)]  # type: ignore[arg-type]


def firsts(connection: Connection, queries: dict[str, str]) -> dict[str, str | None]:
    return {query: next(iter(titles(connection, query)), None) for query in queries}


def test_the_first_hit_is_the_one_that_is_meant(connection: Connection) -> None:
    assert firsts(connection, STARTER) == STARTER
    put_movies(connection, (Movie(10_000 + n, title, 1990) for n, title in enumerate(TITLES)))
    assert firsts(connection, OWN) == OWN


def test_groups_come_in_their_order(connection: Connection) -> None:
    names = ("Stalkers", "Stalker Two", "Stalker", "Night Stalker", "Stalked", "Stalkerland")
    put_movies(connection, (Movie(10_000 + n, title) for n, title in enumerate(names)))
    found = titles(connection, "stalker")
    assert found == ["Stalker", "Stalker Two", "Night Stalker", "Stalkers", "Stalkerland"]
    assert titles(connection, "stalkre")[:2] == ["Stalker", "Stalker Two"]
    assert "Stalked" in titles(connection, "stalkrd")


def test_the_most_rated_of_equally_close_ones_comes_first(connection: Connection) -> None:
    put_movies(connection, (Movie(10_000 + n, "Same Name", 1950 + n) for n in range(3)))
    connection.execute(sa.text("UPDATE movies SET rating_count = 5 WHERE id = 10001"))
    assert [found.movie.id for found in search(connection, "same name", limit=9)] == [10_001, 10_000, 10_002]
    assert search(connection, "same name 1952", limit=1)[0].movie.id == 10_002
    assert search(connection, "same name (1951)", limit=1)[0].movie.id == 10_001


def test_pages_join_to_the_whole_list(connection: Connection) -> None:
    put_movies(connection, (Movie(10_000 + n, f"{'The ' * (n % 2)}Moon {n % 7}", 1990) for n in range(60)))
    whole = search(connection, "moon", limit=1000)
    assert len(whole) == 60
    paged: list[Found] = []
    while page := search(connection, "moon", limit=7, after=paged[-1].place if paged else None):
        paged += page
    assert paged == whole


def test_filters_hold_in_every_group(connection: Connection) -> None:
    put_movies(connection, [Movie(10_000, "Aliens", 2020, "Drama"), Movie(10_001, "Alein", 1999, "Horror")])
    for text in ("aliens", "alien", "alienss", "ali"):
        years = {found.movie.year for found in search(connection, text, limit=99, years=(1980, 2000))}
        assert years <= {1986, 1999}
        genres = {found.movie.genre for found in search(connection, text, limit=99, genre="drama")}
        assert genres == {"Drama"}


ODD = (
    *(
        "%",
        "_",
        "*",
        '"',
        "''",
        "\\",
        "?!",
        "&",
        "|",
        ":*",
        "()",
        "\x00",
        "\ud800",
        " ",
        "",
        "NOT",
        "a" * 200,
    ),
    *("'; DROP TABLE movies; --", '" OR "a', "toy\x00story\ud800" * 9, " ".join("abcdefghijklm" * 8)),
)


def test_any_text_is_a_query(connection: Connection) -> None:
    for text in ODD:
        assert len(titles(connection, text)) < 60


def test_wildcards_and_operators_are_no_more_than_punctuation(connection: Connection) -> None:
    for text in ("%heat%", "heat*", '"heat"', "heat:*", "(heat", "'heat", "heat\x00"):
        assert titles(connection, text)[0] == "Heat"


def test_a_search_follows_every_change_of_a_title(connection: Connection) -> None:
    movie = movies.create(connection, "Zyxw Vuts", None, None, now=1.0)
    assert titles(connection, "zyxw") == ["Zyxw Vuts"]
    movies.replace(connection, movie.id, "Rqpo Vuts", None, None)
    assert titles(connection, "zyxw vuts") == []
    assert titles(connection, "rqpo") == ["Rqpo Vuts"]
    movies.delete(connection, movie.id, force=False)
    assert titles(connection, "rqpo vuts") == []


def test_a_search_follows_an_import_and_its_undo(connection: Connection) -> None:
    rows = {i: {"title": f"Zyxw {i}", "year": None, "genre": None} for i in (1, 10_000)}
    catalogue.write(connection, catalogue.MOVIE, rows, import_seq=1, now=1.0)
    assert titles(connection, "zyxw") == ["Zyxw 1", "Zyxw 10000"]
    assert "Toy Story" not in titles(connection, "toy story")
    images = catalogue.take_images(connection, 1, 10)
    assert images is not None
    catalogue.put(connection, catalogue.MOVIE, {1: images[1][1]})
    movies.remove(connection, [10_000])
    assert titles(connection, "zyxw") == []
    assert titles(connection, "toy story")[0] == "Toy Story"


def test_a_search_follows_a_merge_of_movies_and_its_undo(database: Database) -> None:
    with database.write() as connection:
        put_movies(connection, [Movie(10_000, "Zyxw Vuts"), Movie(10_001, "Zyxw Rqpo")])
    with database.write() as connection:
        movie_merges.begin(connection, 10_000, 10_001, task_seq=1)
        movie_merges.finish(connection, 10_000, 10_001, task_seq=1)
    with database.read() as connection:
        merged = titles(connection, "zyxw"), titles(connection, "zyxw vuts")
    with database.write() as connection:
        assert movie_merges.restore(connection, task_seq=1) == 1
    with database.read() as connection:
        restored = titles(connection, "zyxw"), titles(connection, "zyxw vuts")
    with database.write() as connection:  # the other tests share the database
        movies.drop(connection, [10_000, 10_001])
        connection.execute(sa.text("DELETE FROM retired_movie_ids"))
    assert merged == (["Zyxw Rqpo"], [])
    assert restored == (["Zyxw Vuts", "Zyxw Rqpo"], ["Zyxw Vuts"])


def test_ratings_decide_among_equally_near_misses(connection: Connection) -> None:
    put_movies(connection, [Movie(10_000, "Zyxw Vuts Two"), Movie(10_001, "Zyxw Vuts and a Long Name")])
    assert titles(connection, "zyxx vuts")[0] == "Zyxw Vuts Two"
    connection.execute(sa.text("UPDATE movies SET rating_count = 5 WHERE id = 10001"))
    assert titles(connection, "zyxx vuts")[0] == "Zyxw Vuts and a Long Name"
    put_movies(connection, [Movie(10_002, "Zyxw Vuts")])
    assert titles(connection, "zyxx vuts")[0] == "Zyxw Vuts"


def test_a_change_that_is_rolled_back_leaves_the_index_as_it_was(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.write() as connection:
        movies.replace(connection, 1, "Zyxw", None, None)
        _ = 1 / 0
    with database.read() as connection:
        assert titles(connection, "zyxw") == []
        assert titles(connection, "toy story")[0] == "Toy Story"


def test_a_search_asks_a_bounded_number_of_questions_and_reads_no_table_whole(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements: list[tuple[str, Any]] = []

    def run(prepared: Prepared, connection: Connection, **values: Any) -> Any:
        statements.append(prepared.compiled(connection, values))
        return as_ever(prepared, connection, **values)

    put_movies(connection, (Movie(10_000 + n, f"Film {n} Number {n % 997}", 1990) for n in range(3000)))
    as_ever = Prepared.run
    monkeypatch.setattr(Prepared, "run", run)
    assert titles(connection, "nmuber 17 2001")[0] == "Film 17 Number 17"
    monkeypatch.undo()
    assert len(statements) == 3 * 3 + 2  # groups of each reading; what is near, the movies
    explain = "EXPLAIN QUERY PLAN"
    if "postgres" in str(connection.engine.url):
        explain = "EXPLAIN"
        connection.execute(sa.text("SET LOCAL enable_seqscan = off"))  # which small tables would do with
    for statement, parameters in statements:
        driver: Any = connection.connection.driver_connection
        plan = str(driver.execute(f"{explain} {statement}", parameters).fetchall())
        assert not re.search(r"Seq Scan on (title_terms|title_words)|SCAN (movies|title_words)", plan), plan
