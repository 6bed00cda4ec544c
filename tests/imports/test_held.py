"""What imports ask of the catalogue is read once a version of it."""

import json

import pytest
from sqlalchemy.engine import Connection

from app.imports import held
from app.movie import Movie
from app.repository import movies
from app.storage import Database
from tests.catalogue import put_movies
from tests.imports.conftest import Import

HEADER = "user_id,movie_id,score,rated_at\n"


def test_ids_are_read_again_when_the_catalogue_has_changed_and_only_then(database: Database) -> None:
    with database.write() as connection:
        first, text = held.query(connection, "ids", movies.known_ids)
        assert json.loads(text) == first
        assert held.query(connection, "ids", movies.known_ids)[0] is first
    with database.write() as connection:
        assert held.query(connection, "ids", movies.known_ids)[0] is first
        movie = movies.create(connection, "Quartz Alley", 1995, None, now=1).id
        assert held.query(connection, "ids", movies.known_ids)[0] == [*first, movie]


def test_the_next_import_reads_the_catalogue_only_if_it_has_changed(
    run_import: Import, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, read = list[list[int]](), movies.known_ids

    def known_ids(connection: Connection) -> list[int]:
        found.append(read(connection))
        return found[-1]

    monkeypatch.setattr(movies, "known_ids", known_ids)
    for user in (1, 2):
        assert run_import(HEADER + f"{user},1,4,1000\n").status == "complete"
    assert len(found) == 1
    with database.write() as connection:
        put_movies(connection, [Movie(11, "New")])
    assert run_import(HEADER + "3,11,4,1000\n").status == "complete"
    assert len(found) == 2
    assert 11 in found[1]
