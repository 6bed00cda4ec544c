"""An import that is killed, wherever it is, ends as if it had not been."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from app.config import Settings
from app.imports.kinds import MISSING
from app.imports.names import search_keys
from app.imports.sizes import Sizes
from app.mark import Mark, Marked
from app.movie import Movie
from app.rating import Rating
from app.repository import aliases, leases, marks, movies, plays, tasks, waiting
from app.repository import ratings as rating_queries
from app.repository.import_order import UNDO_IMPORT
from app.repository.plays import Play
from app.repository.waiting import Waiting
from app.storage import Database, open_database
from app.tasks.lanes import next_due
from tests.catalogue import put_movies
from tests.imports.conftest import NOW, attempt, counts_are_right, perform, queue, table
from tests.imports.rejected import rejects_of

RATINGS = "user_id,movie_id,score,rated_at\n" + "".join(
    f"{user},{movie},{(user + movie) % 10 / 2 + 0.5},{1000 + (user * 7 + movie * 5) % 40}\n"
    for movie in (3, 1, 2, 99, 3, 4)
    for user in (5, 2, 9, 1)
)
SCALED = "user_id,movie_id,score\n" + "".join(
    f"{user},{movie},{(user + movie) % 10 + 1}\n" for movie in (3, 1, 2, 99, 3, 4) for user in (5, 2, 9, 1)
)
"""Of a scale of ten: read once as if of five, and then as a whole."""
TABLE = "user_id;movie_id;my rating;date\n" + "".join(
    f"{user};{movie};{(user + movie) % 5 + 1},5;{movie}/31/2020\n"
    for movie in (3, 1, 7, 8)
    for user in (5, 2)
)
# Some of them are made here already, and rows wait for others.
MOVIES = "id,title,year,genre\n" + "".join(f"{i},Film {i} new,2000,\n" for i in (1, 2, 3, 20, 3, 21)) + "x\n"
DIARY = "Date,Name,Year,Letterboxd URI,Rating,Rewatch,Tags,Watched Date\n" + "".join(
    f"2022-02-0{day},{title},{year},u,{score},,,2022-01-0{day}\n"
    for day, title, year, score in (
        (1, "Film 1", 2001, 4), (2, "Film 3", 2001, ""), (3, "Film 1", 2002, 3), (4, "Nobody", 2004, 5),
        (5, "Nobody", 2004, ""), (6, "Film 4", 2001, ""), (7, "Film 3", 2001, ""), (8, "Somebody", 2004, ""),
        (9, "Film 5", 2001, 2), (9, "Film 5", 2003, ""), (9, "Film 1", 2001, 4.5), (9, "Anybody", 2004, 1),
    )
)  # fmt: skip
"""Ratings, marks, movies that are made, and rows that wait since another one has their movie."""
SMALL = Sizes(run_rows=7, block=64, rejects=2, catalogue_rows=2, rows_in_memory=8)
KEPT = (
    "ratings", "movies", "rating_before_images", "catalogue_before_images", "links", "count_changes", "marks",
    "waiting", "personal_before_images", "aliases", "plays", "merged_movies", "first_raters",
)  # fmt: skip


class Killed(BaseException):
    pass


class Bomb:
    """Goes off at the `fuse`-th operation on a file below `directory`, or commit; then is harmless."""

    def __init__(self) -> None:
        self.directory: str | None = None
        self.fuse = 0

    def step(self) -> None:
        if self.directory is not None:
            self.fuse -= 1
            if self.fuse == 0:
                self.directory = None
                raise Killed

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if (
            self.directory is not None
            and event.startswith(("open", "os.", "shutil."))
            and any(
                isinstance(argument, (str, Path)) and self.directory in str(argument)
                for argument in arguments
            )
        ):
            self.step()

    @contextmanager
    def armed(self, directory: Path, fuse: int) -> Iterator[None]:
        self.directory, self.fuse = str(directory), fuse
        try:
            yield
        finally:
            self.directory = None


BOMB = Bomb()
sys.addaudithook(BOMB.audit)


def prepared(directory: Path) -> None:
    """A database with movies 1 to 5, one made here, and ratings, some of which are newer than the file's."""
    database = open_database(Settings(data_dir=directory / "data"))
    with database.write() as connection:
        connection.execute(sa.text("DELETE FROM movies"))
        films = [Movie(i, f"Film {i}") for i in range(1, 6)]
        put_movies(connection, films, "starter")
        movies.replace(connection, 2, "Mine", None, None)
        for user, movie, at in ((5, 3, 1), (5, 1, 5000), (2, 2, 1), (9, 4, 1), (3, 3, 1)):
            rating_queries.put(connection, Rating(user, movie, 4.5, at))
        for year, title in ((2000, "Film 20 new"), (1999, "Film 21 new"), (2000, "Film 3 new")):
            made = movies.create(connection, title, year, None, now=1.0).id
            for user in (5, 7):
                rating_queries.put(connection, Rating(user, made, 1.5, 100))
            marks.add(connection, 5, made, {Mark.LIKE: Marked(True, 1)})
            aliases.remember(connection, 5, title, made, now=1.0)
            plays.count(connection, Play(5, "watched", title, made, 9, 9))
        for user, title in ((5, "Film 21 new"), (6, "Film 3 new"), (6, "Film 2 new"), (6, "Film 20 new")):
            row = Waiting(user, title, title, 2000, score=3.0, rated_at=50, search_keys=search_keys(title))
            waiting.put(connection, user, [row])
    database.close()


def outcome(database: Database, settings: Settings, task_id: str) -> dict[str, Any]:
    """All that an import leaves behind."""
    with database.read() as connection:
        task = tasks.get(connection, task_id)
    assert task is not None
    kept: dict[str, Any] = {name: table(database, name) for name in KEPT}
    kept |= {"status": task.status, "result": task.result, "error": task.error}
    kept |= {
        "rejects": rejects_of(settings, task_id),
        "counts": counts_are_right(database),
    }
    return kept | {"left": sorted(str(path) for path in (settings.data_dir / "work").glob("*"))}


def run_to_end(database: Database, settings: Settings, fuses: list[int]) -> int:
    """Run what is queued, killed once by each fuse; answers how many kills there were."""
    kills = 0
    for fuse in [*fuses, 1_000_000]:
        with database.read() as connection:
            if next_due(connection, now=NOW) is None:
                break
        started = attempt(database, settings)
        try:
            with BOMB.armed(settings.data_dir, fuse):
                perform(started, SMALL)
        except Killed:
            kills += 1
            with database.write() as connection:
                leases.take_up(connection, None, crashes=1000, now=NOW)
    return kills


def run(directory: Path, content: str, fuses: list[int], *, undo: bool) -> tuple[dict[str, Any], int]:
    """Import `content` over a prepared database, and perhaps undo that: what is left, how many kills.

    The fuses are for the last of these tasks.
    """
    settings = Settings(data_dir=directory / "data", import_chunk=3)
    upload = directory / "upload"
    upload.write_text(content)
    database = open_database(settings)
    sa.event.listen(database.engine, "commit", lambda _connection: BOMB.step())
    task = queue(database, upload, "file.csv", task_id="import", user_id=7, create=MISSING)
    if undo:
        run_to_end(database, settings, [])
        with database.write() as connection:
            rating_queries.put(connection, Rating(9, 4, 0.5, 6000))
        task = queue(database, None, "", UNDO_IMPORT, undo_of=task.id, task_id="undo")
    kills = run_to_end(database, settings, fuses)
    left = outcome(database, settings, task.id)
    database.close()
    return left, kills


Run = Callable[..., tuple[dict[str, Any], int]]


@pytest.fixture
def run_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr("app.repository.imports.SUMMED_AT_ONCE", 2)
    monkeypatch.setattr("app.repository.imports.SETTLED_AT_ONCE", 2)
    monkeypatch.setattr("app.repository.imports.SETTLED_ALONE", 2)
    prepared(tmp_path / "template")
    numbers = iter(range(1_000_000))

    def run_copy(content: str, fuses: list[int], *, undo: bool = False) -> tuple[dict[str, Any], int]:
        directory = tmp_path / str(next(numbers))
        shutil.copytree(tmp_path / "template", directory)
        left = run(directory, content, fuses, undo=undo)
        shutil.rmtree(directory)
        return left

    return run_copy


STEP = 1 if os.environ.get("MATINEE_TEST_KILLS") else 16


@pytest.mark.parametrize(
    ("content", "undo"),
    [
        (RATINGS, False),
        (RATINGS, True),
        (MOVIES, False),
        (MOVIES, True),
        (SCALED, False),
        (TABLE, False),
        (DIARY, False),
        (DIARY, True),
    ],
    ids=["ratings", "ratings-undo", "movies", "movies-undo", "scaled", "table", "diary", "diary-undo"],
)
def test_a_kill_at_any_moment_changes_nothing(run_killed: Run, content: str, undo: bool) -> None:
    expected, _ = run_killed(content, [], undo=undo)
    assert expected["status"] == "complete"
    assert expected["counts"]
    assert not expected["left"]
    assert not expected["count_changes"]
    for fuse in range(1, 1000, STEP):
        left, kills = run_killed(content, [fuse], undo=undo)
        assert left == expected, f"killed at operation {fuse}"
        if not kills:
            break
    assert fuse > 10


@pytest.mark.parametrize("undo", [False, True], ids=["import", "undo"])
@pytest.mark.parametrize("between", [1, 3, 7])
def test_many_kills_change_nothing(run_killed: Run, between: int, undo: bool) -> None:
    expected, _ = run_killed(RATINGS, [], undo=undo)
    left, kills = run_killed(RATINGS, [fuse + between for fuse in range(60)], undo=undo)
    assert left == expected
    assert kills >= 5
