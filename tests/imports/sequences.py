"""Random sequences of imports, undos, cancels, retries, kills, clean-ups and writes, and what has to hold.

Beside the database stands a model of it as if nothing had ever been imported: a dict that takes the writes
through the API alone. Once every import is undone, newest first, the database has to be that.
"""

import io
import random
import shutil
import time
import uuid
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from app.config import Settings
from app.errors import AppError, Conflict, NotFound
from app.imports.counts import settle
from app.imports.kinds import ImportParams, UndoParams, has_begun
from app.imports.sizes import Sizes
from app.movie import Movie
from app.rating import Rating
from app.repository import import_order, leases, movies, tasks
from app.repository import ratings as rating_queries
from app.repository.import_order import IMPORT_RATINGS, UNDO_IMPORT
from app.storage import Database, open_database
from app.storage.schema import (
    catalogue_before_images,
    later_writes,
    metadata,
    rating_before_images,
    ratings,
)
from app.storage.schema import movies as movie_table
from app.task import CANCELLED, COMPLETE, FAILED, Task
from app.tasks import retention
from app.tasks.attempt import Attempt
from app.tasks.lanes import claim
from app.tasks.retry import missing_of, retry
from app.tasks.start import queue, start
from tests.catalogue import put_movies
from tests.imports.conftest import adds_up, counts_are_right, perform, table
from tests.imports.rejected import rejects_of

BASE = 6
"""Films 1 to 6 are there at first; up to 9 may be imported."""
SMALL = Sizes(run_rows=3, block=64, catalogue_rows=2, rows_in_memory=4)
"""Everything in small parts, so that much lies between them."""
RATINGS_HEADER = "user_id,movie_id,score,rated_at\n"
IMAGES = ("rating_before_images", "catalogue_before_images", "later_writes")

Snapshot = dict[str, dict[Any, Any]]


class Killed(BaseException):
    """The process dies here."""


def open_empty(directory: Path) -> Database:
    """A database for many sequences: opening one for each would take most of the time."""
    return open_database(Settings(data_dir=directory), durable=False)


def reset(database: Database, directory: Path) -> None:
    """What each sequence begins with."""
    for name in ("uploads", "work", "imports"):
        shutil.rmtree(directory / name, ignore_errors=True)
    with database.write() as connection:
        for kept in metadata.sorted_tables:
            if kept.name != "counters":
                connection.execute(kept.delete())
        films = [Movie(i, f"Film {i}") for i in range(1, BASE + 1)]
        put_movies(connection, films, "starter")
        for user, movie, at in ((1, 1, 2), (1, 2, 5), (2, 2, 1), (3, 4, 3)):
            rating_queries.put(connection, Rating(user, movie, 2.5, at))


def snapshot(database: Database) -> Snapshot:
    """Ratings, movies and links by their keys."""
    with database.read() as connection:
        films = connection.execute(sa.select(movie_table)).mappings().all()
    names = ("title", "year", "genre", "source", "created_at")
    return {
        "ratings": {row[:2]: row[2:] for row in table(database, "ratings")},
        "movies": {film["id"]: tuple(film[name] for name in names) for film in films},
        "links": {row[0]: row[1:] for row in table(database, "links")},
    }


class Sequence:
    """One database, its random history, and the checks after every step."""

    def __init__(self, database: Database, directory: Path, seed: int) -> None:
        self._bomb: tuple[str, int, Callable[[], None]] | None = None
        self.random = random.Random(seed)
        self.settings = Settings(
            data_dir=directory, import_chunk=self.random.choice((1, 2, 5)), task_attempts=3
        )
        self.database = database
        self.now = time.time()
        self.model = snapshot(self.database)
        self.lines: dict[str, int] = {}
        self.lost: Counter[int] = Counter()
        self.checked: set[str] = set()
        self.told: list[str] = []

    def clock(self) -> float:
        self.now += 0.01
        return self.now

    def tell(self, text: str) -> None:
        self.told.append(text)

    # What happens in the midst of an attempt.

    def _at(self, place: str) -> bool:
        """Called at each commit, and at each safe point after one."""
        if self._bomb and self._bomb[0] == place:
            _, fuse, act = self._bomb
            self._bomb = (place, fuse - 1, act) if fuse > 1 else None
            if fuse == 1:
                act()
        return False

    @contextmanager
    def armed(self, place: str, fuse: int, act: Callable[[], None]) -> Iterator[None]:
        def at_commit(_connection: Any) -> None:
            self._at("commit")

        self._bomb = (place, fuse, act)
        sa.event.listen(self.database.engine, "commit", at_commit)
        try:
            yield
        finally:
            self._bomb = None
            sa.event.remove(self.database.engine, "commit", at_commit)

    def _kill(self) -> None:
        self.tell("  killed")
        raise Killed

    def _fill_the_disk(self) -> None:
        self.tell("  disk full")
        raise OSError(28, "No space left on device")

    # The steps.

    def step(self) -> None:
        choices = {
            self.send: 6,
            self.run_next: 8,
            self.retry: 6,
            self.undo: 5,
            self.cancel: 1,
            self.write: 2,
            self.retain: 1,
            self.clean_by_hand: 1,
            self.settle: 1,
        }
        self.random.choices(list(choices), list(choices.values()))[0]()
        self.check()
        if self.random.random() < 0.7:
            self.run_next()
        self.check()

    def send(self) -> None:
        task_id = str(uuid.UUID(int=self.random.getrandbits(128)))
        kind = self.random.choice(
            (self._ratings, self._ratings, self._movies, self._links, self._zip, self._own)
        )
        name, content, lines = kind()
        path = self.settings.uploads_dir / task_id
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        is_dry = self.random.random() < 0.1
        params = ImportParams(f"uploads/{task_id}", name, len(content), user_id=1, dry_run=is_dry)
        with self.database.write() as connection:
            queue(connection, IMPORT_RATINGS, params, task_id=task_id)
        self.lines[task_id] = lines
        self.tell(f"send {name} {task_id[:4]} {content!r} {is_dry}")

    def _ratings(self) -> tuple[str, bytes, int]:
        pick = self.random.randint
        rows = [f"{pick(1, 4)},{pick(1, 9)},{pick(1, 10) / 2},{pick(1, 6)}\n" for _ in range(pick(1, 16))]
        rows += ["x\n"] * pick(0, 1)
        return "ratings.csv", (RATINGS_HEADER + "".join(rows)).encode(), len(rows)

    def _movies(self) -> tuple[str, bytes, int]:
        pick = self.random.randint
        rows = [f"{pick(1, 9)},Title {pick(1, 3)},{pick(2000, 2001)},\n" for _ in range(pick(1, 5))]
        return "movies.csv", ("id,title,year,genre\n" + "".join(rows)).encode(), len(rows)

    def _links(self) -> tuple[str, bytes, int]:
        pick = self.random.randint
        rows = [f"{pick(1, 9)},{pick(1, 4)},{pick(1, 4)}\n" for _ in range(pick(1, 4))]
        return "links.csv", ("movieId,imdbId,tmdbId\n" + "".join(rows)).encode(), len(rows)

    def _own(self) -> tuple[str, bytes, int]:
        pick = self.random.randint
        films = [self.random.choice((f"Film {pick(1, 6)}", f"Title {pick(1, 3)}")) for _ in range(pick(1, 5))]
        rows = "".join(f"2023-01-0{pick(1, 5)},{film},,u,{pick(1, 5)}\n" for film in films)
        return "own.csv", ("Date,Name,Year,Letterboxd URI,Rating\n" + rows).encode(), len(films)

    def _zip(self) -> tuple[str, bytes, int]:
        packed, lines = io.BytesIO(), 0
        with zipfile.ZipFile(packed, "w") as archive:
            for name, content, more in (self._movies(), self._ratings()):
                archive.writestr(zipfile.ZipInfo(name), content)
                lines += more
        return "all.zip", packed.getvalue(), lines

    def run_next(self) -> None:
        """Run the next task, and let something happen in its midst."""
        self.now += self.random.choice((0, 1, 100))
        with self.database.write() as connection:
            task = claim(connection, now=self.now)
        if task is None:
            return
        whats = (
            "nothing",
            "nothing",
            "cancel",
            "cancel",
            "stop",
            "kill",
            "kill before",
            "write",
            "disk full",
        )
        what, fuse = self.random.choice(whats), self.random.randint(1, 14)
        self.tell(f"run {task.id[:4]} attempt {task.attempt}: {what} at {fuse}")
        place = "commit" if what == "kill before" else "safe point"
        acts = {"cancel": lambda: self.cancel(task), "write": self.write, "disk full": self._fill_the_disk}
        act = acts.get(what, self._kill if what.startswith("kill") else lambda: None)
        stop = iter(range(fuse)) if what == "stop" else None
        attempt = Attempt(
            task,
            self.database,
            self.settings,
            clock=self.clock,
            stopping=lambda: self._at("safe point") or (stop is not None and next(stop, None) is None),
        )
        try:
            with self.armed(place, fuse, act):
                perform(attempt, SMALL)
        except Killed:
            self.take_up(attempt)

    def take_up(self, killed: Attempt) -> None:
        """A worker starts where one died, which then wakes up and tries to go on."""
        with self.database.write() as connection:
            leases.take_up(connection, None, crashes=3, now=self.now)
        settle(self.database, self.database.write)
        retention.clean(self.database, self.settings, now=self.now)
        with pytest.raises(tasks.Fenced), killed.transaction(done=0):
            pass

    def all(self) -> list[Task]:
        with self.database.read() as connection:
            return tasks.listing(connection, limit=1000)

    def pick(self, wanted: Callable[[Task], bool]) -> Task | None:
        """One of the tasks, mostly one of the wanted ones."""
        found = self.all()
        if self.random.random() < 0.9:
            found = [task for task in found if wanted(task)]
        return self.random.choice(found) if found else None

    def retry(self) -> None:
        if task := self.pick(lambda task: task.status in (FAILED, CANCELLED)):
            with self.refusable(f"retry {task.id[:4]}"):
                lacking = missing_of(self.settings, task)
                with self.database.write() as connection:
                    retry(connection, task.id, lacking)

    def undo(self) -> None:
        if task := self.pick(lambda task: task.kind == IMPORT_RATINGS and task.ended and has_begun(task)):
            with self.refusable(f"undo {task.id[:4]}"):
                undo = start(self.database, UNDO_IMPORT, UndoParams(task.id))
                self.tell(f"  by {undo.id[:4]}")

    @contextmanager
    def refusable(self, text: str) -> Iterator[None]:
        try:
            yield
            self.tell(text)
        except (Conflict, NotFound) as error:
            self.tell(f"{text}: {error}")

    def cancel(self, task: Task | None = None) -> None:
        if task := task or self.pick(lambda task: not task.ended):
            self.tell(f"cancel {task.id[:4]}")
            with self.database.write() as connection:
                tasks.request_cancel(connection, task.id, now=self.now)

    def retain(self) -> None:
        later = self.random.choice((0, 2 * retention.DAY))
        self.tell(f"retention {later}")
        retention.clean(self.database, self.settings, now=self.now + later)

    def clean_by_hand(self) -> None:
        data = self.settings.data_dir
        found = sorted([*data.glob("work/*"), *data.glob("work/*/*"), *data.glob("uploads/*")])
        if not found:
            return
        path = self.random.choice(found)
        self.tell(f"clean {path.relative_to(data)}")
        if path.is_dir():
            shutil.rmtree(path)
        elif self.random.random() < 0.5:
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        else:
            path.unlink()

    def settle(self) -> None:
        settle(self.database, self.database.write)

    def write(self) -> None:
        """Something through the API; of movies that would not be there without imports, a delete only."""
        movie = self.random.choice([*self.model["movies"], *range(1, 10)])
        user, score, at = self.random.randint(1, 4), self.random.randint(1, 10) / 2, self.random.randint(1, 9)
        what = self.random.choice(("rate", "rate", "take back", "delete", "change", "create"))
        self.tell(f"  write: {what} {movie} {user} {score} {at}")
        with self.database.write() as connection, suppress(AppError):
            if what == "delete":
                self._delete(connection, movie)
            elif what == "create":
                film = movies.create(connection, f"Film {at}", None, None, now=1.0)
                self.model["movies"][film.id] = (film.title, None, None, "api", 1.0)
            elif movie not in self.model["movies"]:
                return
            elif what == "rate":
                rating_queries.put(connection, Rating(user, movie, score, at))
                self.model["ratings"][user, movie] = (score, at, None)
            elif what == "take back":
                self.model["ratings"].pop((user, movie), None)
                rating_queries.delete(connection, user, movie)
            else:
                movies.replace(connection, movie, f"Mine {at}", at, None)
                self.model["movies"][movie] = (f"Mine {at}", at, None, "api", self.model["movies"][movie][4])

    def _delete(self, connection: Any, movie: int) -> None:
        query = sa.select(ratings.c.import_seq, sa.func.count()).where(ratings.c.movie_id == movie)
        lost = connection.execute(query.group_by(ratings.c.import_seq)).all()
        movies.delete(connection, movie, force=True)
        self.lost.update({seq: count for seq, count in lost if seq is not None})
        self.model["movies"].pop(movie, None)
        for key in [key for key in self.model["ratings"] if key[1] == movie]:
            del self.model["ratings"][key]

    # What has to hold.

    def check(self) -> None:
        assert table(self.database, "count_changes") or counts_are_right(self.database)
        for task in self.all():
            assert task.status != FAILED or "internal" not in (task.error or {})["type"], task.error
            if task.status == COMPLETE and task.id not in self.checked:
                self.checked.add(task.id)
                (self._check_import if task.kind == IMPORT_RATINGS else self._check_undo)(task)

    def _check_import(self, task: Task) -> None:
        assert adds_up(task)
        result = task.result or {}
        assert result["read"] == self.lines[task.id]
        rejects = (rejects_of(self.settings, task.id) or "").splitlines()
        assert len(rejects) - 1 == result["rejected"]
        written = 0 if result["dry_run"] else result["new"] + result["replaced"]
        assert self._written(task.seq) == written

    def _written(self, seq: int) -> int:
        """Rows that an import wrote as the newest one."""
        with self.database.read() as connection:
            counts = [
                connection.execute(sa.select(sa.func.count()).where(kept.c.import_seq == seq)).scalar_one()
                for kept in (ratings, later_writes, catalogue_before_images)
            ]
        return sum(counts) + self.lost[seq]

    def _check_undo(self, task: Task) -> None:
        with self.database.read() as connection:
            undone = tasks.get(connection, task.params["undo_of"])
            assert undone is not None
            undos = import_order.undos_of(connection, undone.id)
            for kept in (ratings, rating_before_images, later_writes, catalogue_before_images):
                query = sa.select(sa.func.count()).where(kept.c.import_seq == undone.seq)
                assert connection.execute(query).scalar_one() == 0
        assert sum(undo.status == COMPLETE for undo in undos) == 1

    def finish(self) -> None:
        """Run what is left, undo every import, newest first: the model is what remains."""
        self._run_all()
        for _ in range(100):
            with self.database.read() as connection:
                left = import_order.newest_after(connection, NONE, undoable=True)
            if left is None:
                break
            task = start(self.database, UNDO_IMPORT, UndoParams(left.id))
            self.tell(f"finally undo {left.id[:4]} by {task.id[:4]}")
            self._run_all()
            self.check()
        settle(self.database, self.database.write)
        assert snapshot(self.database) == self.model
        assert not any(table(self.database, name) for name in IMAGES)
        assert counts_are_right(self.database)

    def _run_all(self) -> None:
        while any(not task.ended for task in self.all()):
            self.now += 100
            with self.database.write() as connection:
                task = claim(connection, now=self.now)
            assert task is not None
            perform(Attempt(task, self.database, self.settings, clock=self.clock), SMALL)
            self.check()


NONE = Task(
    seq=-1,
    id="",
    kind=IMPORT_RATINGS,
    status=COMPLETE,
    params={},
    checkpoint=None,
    phase=None,
    done=0,
    total=None,
    unit=None,
    message=None,
    attempt=0,
    crashes=0,
    result=None,
    error=None,
    created_at=0.0,
    started_at=None,
    finished_at=None,
)
"""A task that is older than every other."""
