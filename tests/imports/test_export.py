"""What is exported can be imported again, and is safe in a spreadsheet."""

import csv
import io
import re
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from app.imports.export import movies_csv, ratings_csv
from app.movie import Movie
from app.storage import Database
from app.storage.schema import SCORED, metadata
from app.titles import trimmed
from tests.catalogue import put_movies
from tests.imports.conftest import Import, counts_are_right, table

text = (
    st.text(
        st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("='+-@\",|; ＝＋－＠"),
        min_size=1,
        max_size=12,
    )
    .map(trimmed)
    .filter(bool)
)
films = st.lists(
    st.builds(Movie, st.integers(0, 50), text, st.none() | st.integers(1800, 2200), st.none() | text)
)


def is_formula(field: str) -> bool:
    """Whether a spreadsheet might take a field, or a part of it in its own columns, for a formula."""
    return any(re.match(r"[\s\x00-\x1f]*[=+\-@＝＋－＠]", part) for part in re.split(r"[;\t\r\n]", field))


def digest(database: Database) -> tuple[Any, Any]:
    films = [row[:4] + row[6:8] for row in table(database, "movies")]
    return films, [row[:4] for row in table(database, "ratings")]


@given(films=films)
@example(films=[Movie(n, begin + "1+1", None, begin + "x") for n, begin in enumerate("=+-@＝＋－＠;'")])
@example(films=[Movie(1, ";=1+1", None, "a;＝1")])
@example(films=[Movie(1, "a\ufeffb", None, "a|\ufeffb")])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_movies_come_back_as_they_were(run_import: Import, database: Database, films: list[Movie]) -> None:
    with database.write() as connection:
        connection.execute(metadata.tables["movies"].delete())
        put_movies(connection, {m.id: m for m in films}.values())
    before = digest(database)
    exported = "".join(movies_csv(database))
    for row in csv.reader(io.StringIO(exported)):
        assert not any(is_formula(field) for field in row)
    with database.write() as connection:
        connection.execute(metadata.tables["movies"].delete())
    if films:
        task = run_import(exported)
        assert task.status == "complete"
    assert digest(database) == before


@pytest.mark.usefixtures("catalogue")
def test_ratings_come_back_as_they_were(
    run_import: Import, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.imports.export.ROWS", 3)
    run_import(
        "user_id,movie_id,score,rated_at\n"
        + "".join(f"{i % 7},{i % 10 + 1},{i % 10 / 2 + 0.5},{i}\n" for i in range(70))
    )
    before = digest(database)
    exported = "".join(ratings_csv(database))
    with database.write() as connection:
        connection.execute(metadata.tables["ratings"].delete())
        counts = dict.fromkeys(
            ("rating_count", "rating_sum", *(column.name for column in SCORED.values())), 0
        )
        connection.execute(sa.update(metadata.tables["movies"]).values(counts))
    assert run_import(exported).status == "complete"
    assert digest(database) == before
    assert counts_are_right(database)
