"""The version of the catalogue moves with every change of what exists or is shown, and only then."""

from collections.abc import Callable

from app.repository import models, movies, versions
from app.storage import Database
from tests.imports.conftest import Import, Undo

HEAD = "id,title,year,genre\n"


def test_every_change_of_the_catalogue_moves_its_version(
    database: Database, run_import: Import, run_undo: Undo
) -> None:
    with database.write() as connection:
        row = {
            "task_id": "",
            "checksum": "",
            "promoted": True,
            "reason": "",
            "settings": {},
            "evaluation": {},
        }
        row |= {"ratings": 0, "users": 0, "movies": 0, "created_at": 1.0, "rating_changes": 0}
        models.activate(connection, models.add(connection, **row))

    def version() -> int:
        with database.read() as connection:
            active = models.active(connection)
            assert active is not None
            assert active.shown == versions.shown(connection)
            return active.catalogue

    def moved(change: Callable[[], object]) -> int:
        before = version()
        change()
        return version() - before

    def write(function: Callable[..., object], *args: object, **options: object) -> Callable[[], object]:
        def run() -> object:
            with database.write() as connection:
                return function(connection, *args, **options)

        return run

    tasks = []

    def import_movies(text: str, **options: object) -> Callable[[], object]:
        return lambda: tasks.append(run_import(text, **options))

    two = f"{HEAD}900001,A,1990,Drama\n900002,B,1991,\n"
    assert moved(write(movies.create, "New", None, None, now=1.0)) == 1
    assert moved(write(movies.replace, 1, "Other", 1999, None)) == 1
    assert moved(write(movies.delete, 2, force=True)) == 1
    assert moved(import_movies(two)) == 1  # one transaction
    assert moved(import_movies(two)) == 0  # nothing changed
    assert moved(import_movies(two, dry_run=True)) == 0
    assert moved(import_movies(two.replace("B", "C"))) == 1
    assert moved(import_movies("movieId,imdbId,tmdbId\n900001,77,1\n")) == 1
    assert moved(import_movies("user_id,movie_id,score\n7,900001,4\n8,3,4\n")) == 0
    for number, moves in ((5, 0), (4, 1), (3, 1), (0, 1)):
        assert moved(lambda number=number: run_undo(tasks[number])) == moves, number  # type: ignore[misc]
